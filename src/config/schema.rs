use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
    pub(super) deadline_ms: Option<Spanned<u64>>,
    pub(super) pass_unknown_models: Option<Spanned<bool>>,
    pub(super) default_upstream: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) state_endpoint: bool,
    #[serde(default)]
    pub(super) tasks: Tasks,
    pub(super) shadow_percent: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) upstream: Vec<Upstream>,
    #[serde(default)]
    pub(super) pool: Vec<Pool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) max_body_bytes: Option<Spanned<u64>>,
    pub(super) max_buffered_bytes: Option<Spanned<u64>>,
    pub(super) max_connections: Option<Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upstream {
    pub(super) name: Spanned<String>,
    pub(super) base_url: Spanned<String>,
    pub(super) dialect: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
    pub(super) api_key_env: Option<Spanned<String>>,
    pub(super) connect_timeout_ms: Option<Spanned<u64>>,
    pub(super) attempt_timeout_ms: Option<Spanned<u64>>,
    pub(super) idle_timeout_ms: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) http2: bool,
    #[serde(default)]
    pub(super) allow_link_local: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) aliases: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) nobody_free: NobodyFree,
    #[serde(default)]
    pub(super) policy: Policy,
    pub(super) cost_weight: Option<Spanned<f64>>,
    pub(super) objective_ms: Option<Spanned<u64>>,
    pub(super) preference: Option<Spanned<f64>>,
    #[serde(default)]
    pub(super) compressed_answers: bool,
    pub(super) hold_back: Option<bool>,
    #[serde(default)]
    pub(super) derive_sessions: bool,
    #[serde(default)]
    pub(super) ask_usage: bool,
    #[serde(default)]
    pub(super) success_when: Vec<Check>,
    pub(super) cascade: Option<Spanned<bool>>,
    /// Known only to be refused with a reason.
    pub(super) cascade_below: Option<Spanned<IgnoredAny>>,
    #[serde(default, rename = "target", alias = "targets")]
    pub(super) targets: Vec<Target>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    #[default]
    Route,
    Observe,
    Off,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NobodyFree {
    #[default]
    Wait,
    Answer,
    LeastBad,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tasks {
    ByShape,
    #[default]
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Policy {
    #[default]
    Adaptive,
    Declared,
    Weighted,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    ValidJson,
    NotBlank,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) model: Spanned<String>,
    pub(super) upstream: Spanned<String>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) quota_group: Option<String>,
    pub(super) expected_quality: Option<Spanned<f64>>,
    pub(super) price: Option<Price>,
    pub(super) objective_ms: Option<Spanned<u64>>,
    pub(super) preference: Option<Spanned<f64>>,
    pub(super) weight: Option<Spanned<f64>>,
    pub(super) context_window: Option<Spanned<u64>>,
    pub(super) max_output_tokens: Option<Spanned<u64>>,
    pub(super) vision: Option<bool>,
    pub(super) tools: Option<bool>,
    pub(super) json_mode: Option<bool>,
    pub(super) compatibility_group: Option<String>,
    pub(super) parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    #[serde(default)]
    pub(super) rename: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) drop: Vec<String>,
    #[serde(default)]
    pub(super) set: BTreeMap<String, Spanned<toml::Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) input: Spanned<f64>,
    pub(super) output: Spanned<f64>,
    pub(super) cached: Option<Spanned<f64>>,
    pub(super) written: Option<Spanned<f64>>,
}
