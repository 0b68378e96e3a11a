//! What is not about routing: who may call, what is borne, who is told.

use serde::Deserialize;

use super::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Limits {
    pub(in crate::config) max_body_bytes: Option<Spanned<u64>>,
    pub(in crate::config) max_buffered_bytes: Option<Spanned<u64>>,
    pub(in crate::config) max_connections: Option<Spanned<u64>>,
    pub(in crate::config) max_requests: Option<Spanned<u64>>,
    pub(in crate::config) first_byte_timeout_ms: Option<Spanned<u64>>,
    pub(in crate::config) header_timeout_ms: Option<Spanned<u64>>,
    pub(in crate::config) body_idle_timeout_ms: Option<Spanned<u64>>,
    pub(in crate::config) drain_ms: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Headers {
    pub(in crate::config) prefix: Option<Spanned<String>>,
    pub(in crate::config) task: Option<Spanned<String>>,
    pub(in crate::config) tenant: Option<Spanned<String>>,
    pub(in crate::config) session: Option<Spanned<String>>,
    pub(in crate::config) pin: Option<Spanned<String>>,
    pub(in crate::config) exclude: Option<Spanned<String>>,
    pub(in crate::config) deadline_ms: Option<Spanned<String>>,
    pub(in crate::config) risk: Option<Spanned<String>>,
    pub(in crate::config) explain: Option<Spanned<String>>,
    pub(in crate::config) strict: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) trust: Vec<Trusted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Trusted {
    Pin,
    Exclude,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    pub(in crate::config) enabled: Option<bool>,
    pub(in crate::config) listen: Option<Spanned<String>>,
    pub(in crate::config) token_env: Option<Spanned<String>>,
    pub(in crate::config) token_file: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::config) hosts: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Store {
    pub(in crate::config) enabled: Option<Spanned<bool>>,
    pub(in crate::config) path: Option<Spanned<String>>,
    pub(in crate::config) interval_ms: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Telemetry {
    pub(in crate::config) otlp_endpoint: Option<Spanned<String>>,
    pub(in crate::config) service_name: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Key {
    pub(in crate::config) name: Spanned<String>,
    pub(in crate::config) sha256: Spanned<String>,
    pub(in crate::config) pools: Option<Spanned<Vec<Spanned<String>>>>,
    pub(in crate::config) tenant: Option<Spanned<String>>,
    pub(in crate::config) daily_dollars: Option<Spanned<f64>>,
    #[serde(default)]
    pub(in crate::config) trust: Vec<Trusted>,
}
