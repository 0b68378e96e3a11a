use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;

/// Where requests go: one account of one provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    /// What targets name it by.
    pub(in crate::config) name: Spanned<String>,
    /// As an SDK takes it: https://api.openai.com/v1
    #[schemars(extend("pattern" = "^[hH][tT][tT][pP][sS]?://[^@?#]+$"))]
    pub(in crate::config) base_url: Spanned<String>,
    /// The dialect that it speaks. Unless given, that of a known host; any, of another.
    #[schemars(extend("enum" = crate::dialect::ALL.iter().map(|it| it.name()).collect::<Vec<_>>()))]
    pub(in crate::config) dialect: Option<Spanned<String>>,
    /// Parameters that are added to each request, such as api-version.
    #[serde(default)]
    pub(in crate::config) query: BTreeMap<String, String>,
    /// The name of the environment variable that holds the key: not the key.
    pub(in crate::config) api_key_env: Option<Spanned<String>>,
    /// The path of a file that holds the key, instead of api_key_env. Relative to this file.
    pub(in crate::config) api_key_file: Option<Spanned<String>>,
    /// For a connection, TLS included. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 5_000))]
    pub(in crate::config) connect_timeout_ms: Option<Spanned<u64>>,
    /// For the head of an answer; shorter than deadline_ms. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 240_000))]
    pub(in crate::config) attempt_timeout_ms: Option<Spanned<u64>>,
    /// Between two parts of an answer's body. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 300_000))]
    pub(in crate::config) idle_timeout_ms: Option<Spanned<u64>>,
    /// Whether HTTP/2 may be used: one connection, on which calls over its limit of streams wait.
    #[serde(default)]
    pub(in crate::config) http2: bool,
    /// Whether base_url may be a link-local address, where clouds keep the secrets of a machine.
    #[serde(default)]
    pub(in crate::config) allow_link_local: bool,
}
