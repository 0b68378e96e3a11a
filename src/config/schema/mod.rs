use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

mod around;

pub(in crate::config) use toml::Spanned;

pub(in crate::config) use self::around::{Admin, Headers, Key, Limits, Store, Telemetry, Trusted};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct File {
    pub(in crate::config) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Spanned<String>>,
    pub(in crate::config) deadline_ms: Option<Spanned<u64>>,
    pub(in crate::config) pass_unknown_models: Option<Spanned<bool>>,
    pub(in crate::config) default_upstream: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) tasks: Tasks,
    pub(in crate::config) shadow_percent: Option<Spanned<f64>>,
    #[serde(default)]
    pub(in crate::config) limits: Limits,
    #[serde(default)]
    pub(in crate::config) headers: Headers,
    #[serde(default)]
    pub(in crate::config) admin: Admin,
    #[serde(default)]
    pub(in crate::config) store: Store,
    #[serde(default)]
    pub(in crate::config) telemetry: Telemetry,
    #[serde(default)]
    pub(in crate::config) key: Vec<Key>,
    #[serde(default)]
    pub(in crate::config) upstream: Vec<Upstream>,
    #[serde(default)]
    pub(in crate::config) pool: Vec<Pool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    pub(in crate::config) name: Spanned<String>,
    pub(in crate::config) base_url: Spanned<String>,
    pub(in crate::config) dialect: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) query: BTreeMap<String, String>,
    pub(in crate::config) api_key_env: Option<Spanned<String>>,
    pub(in crate::config) api_key_file: Option<Spanned<String>>,
    pub(in crate::config) connect_timeout_ms: Option<Spanned<u64>>,
    pub(in crate::config) attempt_timeout_ms: Option<Spanned<u64>>,
    pub(in crate::config) idle_timeout_ms: Option<Spanned<u64>>,
    #[serde(default)]
    pub(in crate::config) http2: bool,
    #[serde(default)]
    pub(in crate::config) allow_link_local: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Pool {
    pub(in crate::config) name: Spanned<String>,
    #[serde(default)]
    pub(in crate::config) aliases: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) mode: Mode,
    #[serde(default)]
    pub(in crate::config) nobody_free: NobodyFree,
    #[serde(default)]
    pub(in crate::config) policy: Policy,
    pub(in crate::config) cost_weight: Option<Spanned<f64>>,
    pub(in crate::config) objective_ms: Option<Spanned<u64>>,
    pub(in crate::config) preference: Option<Spanned<f64>>,
    #[serde(default)]
    pub(in crate::config) compressed_answers: bool,
    pub(in crate::config) hold_back: Option<bool>,
    #[serde(default)]
    pub(in crate::config) derive_sessions: bool,
    #[serde(default)]
    pub(in crate::config) ask_usage: bool,
    #[serde(default)]
    pub(in crate::config) success_when: Vec<Check>,
    pub(in crate::config) cascade: Option<Spanned<bool>>,
    /// Known only to be refused with a reason.
    pub(in crate::config) cascade_below: Option<Spanned<IgnoredAny>>,
    #[serde(default, rename = "target", alias = "targets")]
    pub(in crate::config) targets: Vec<Target>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Mode {
    #[default]
    Route,
    Observe,
    Off,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum NobodyFree {
    #[default]
    Wait,
    Answer,
    LeastBad,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Tasks {
    ByShape,
    #[default]
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Policy {
    #[default]
    Adaptive,
    Declared,
    Weighted,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Check {
    ValidJson,
    NotBlank,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Target {
    pub(in crate::config) model: Spanned<String>,
    pub(in crate::config) upstream: Spanned<String>,
    pub(in crate::config) name: Option<Spanned<String>>,
    pub(in crate::config) quota_group: Option<String>,
    pub(in crate::config) requests_per_minute: Option<Spanned<u64>>,
    pub(in crate::config) tokens_per_minute: Option<Spanned<u64>>,
    pub(in crate::config) expected_quality: Option<Spanned<f64>>,
    pub(in crate::config) price: Option<Price>,
    pub(in crate::config) objective_ms: Option<Spanned<u64>>,
    pub(in crate::config) preference: Option<Spanned<f64>>,
    pub(in crate::config) weight: Option<Spanned<f64>>,
    pub(in crate::config) context_window: Option<Spanned<u64>>,
    pub(in crate::config) max_output_tokens: Option<Spanned<u64>>,
    pub(in crate::config) vision: Option<bool>,
    pub(in crate::config) tools: Option<bool>,
    pub(in crate::config) json_mode: Option<bool>,
    pub(in crate::config) compatibility_group: Option<String>,
    pub(in crate::config) parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Parameters {
    #[serde(default)]
    pub(in crate::config) rename: BTreeMap<String, String>,
    #[serde(default)]
    pub(in crate::config) drop: Vec<String>,
    #[serde(default)]
    pub(in crate::config) set: BTreeMap<String, Spanned<toml::Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Price {
    pub(in crate::config) input: Spanned<f64>,
    pub(in crate::config) output: Spanned<f64>,
    pub(in crate::config) cached: Option<Spanned<f64>>,
    pub(in crate::config) written: Option<Spanned<f64>>,
}
