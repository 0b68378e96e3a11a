use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};

use super::{Spanned, Target};

/// A model that callers may ask for, and the targets that may serve it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = super::json::add_aliases)]
pub(in crate::config) struct Pool {
    /// Callers may name it as their model.
    pub(in crate::config) name: Spanned<String>,
    /// And these, and the models of its targets.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(in crate::config) aliases: Vec<Spanned<String>>,
    #[serde(default)]
    #[schemars(extend("default" = "route"))]
    pub(in crate::config) mode: Mode,
    #[serde(default)]
    #[schemars(extend("default" = "wait"))]
    pub(in crate::config) nobody_free: NobodyFree,
    #[serde(default)]
    #[schemars(extend("default" = "adaptive"))]
    pub(in crate::config) policy: Policy,
    /// The expected score that a dollar is worth.
    #[schemars(range(min = 0), extend("default" = 0.0))]
    pub(in crate::config) cost_weight: Option<Spanned<f64>>,
    /// Answers are worth something until then. In milliseconds; no objective unless given.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(in crate::config) objective_ms: Option<Spanned<u64>>,
    /// The expected score that is given up to stay a rank higher. Unless given, it shrinks from
    /// 0.05 to 0.005 as scores are reported.
    #[schemars(range(min = 0))]
    pub(in crate::config) preference: Option<Spanned<f64>>,
    /// Whether answers may be compressed as the caller takes them; they cannot be looked into.
    #[serde(default)]
    pub(in crate::config) compressed_answers: bool,
    /// Whether streams are held until their first content, so that they can still fail over.
    #[schemars(extend("default" = true))]
    pub(in crate::config) hold_back: Option<bool>,
    /// Whether the session of a request that names none is derived from it.
    #[serde(default)]
    pub(in crate::config) derive_sessions: bool,
    /// Whether streams are asked what they used, without the caller noticing.
    #[serde(default)]
    pub(in crate::config) ask_usage: bool,
    /// Checks that an answer of the right form passes.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(in crate::config) success_when: Vec<Check>,
    /// Whether a better target is asked where a check of success_when fails.
    #[schemars(extend("default" = false))]
    pub(in crate::config) cascade: Option<Spanned<bool>>,
    /// Known only to be refused with a reason.
    #[schemars(skip)]
    pub(in crate::config) cascade_below: Option<Spanned<IgnoredAny>>,
    /// Those that may serve it, in order of preference. At least one.
    #[serde(default, rename = "target", alias = "targets")]
    pub(in crate::config) targets: Vec<Target>,
}

/// Whether the pool routes.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Mode {
    /// Choose who serves.
    #[default]
    Route,
    /// Decide, record and show what would have been done, and change nothing.
    Observe,
    /// Everybody gets the model that they ask for.
    Off,
}

/// What happens while no target is free.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum NobodyFree {
    /// Hold the request until one is, up to its deadline.
    #[default]
    Wait,
    /// Answer 429 at once.
    Answer,
    /// Use the target of which the most is to be hoped.
    LeastBad,
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Policy {
    /// By what is likely to succeed.
    #[default]
    Adaptive,
    /// The first that is free.
    Declared,
    /// At random, by weight.
    Weighted,
}

/// What a good answer is like.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Check {
    /// JSON, where JSON was asked for.
    ValidJson,
    /// Not empty, and more than space.
    NotBlank,
}
