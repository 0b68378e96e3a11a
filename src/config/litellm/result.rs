//! What a file comes to, before it is written as TOML.

use super::yaml::Place;

#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub(super) upstreams: Vec<Upstream>,
    pub(super) pools: Vec<Pool>,
    /// The name of the upstream that takes models which no pool knows.
    pub(super) default_upstream: Option<String>,
}

impl Gateway {
    /// Returns whether anything goes to an upstream: one that nothing goes to would only ask for a
    /// key.
    pub(super) fn uses(&self, upstream: usize) -> bool {
        let mut targets = self.pools.iter().flat_map(|pool| &pool.targets);
        let found = self.upstreams.get(upstream);
        let is_default = self
            .default_upstream
            .as_ref()
            .is_some_and(|name| found.is_some_and(|it| it.name == *name));
        is_default || targets.any(|target| target.upstream == upstream)
    }
}

#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) to: Address,
    pub(super) api_key_env: Option<String>,
    pub(super) attempt_timeout_ms: Option<u64>,
    pub(super) idle_timeout_ms: Option<u64>,
}

impl Upstream {
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.to == other.to
            && self.api_key_env == other.api_key_env
            && self.attempt_timeout_ms == other.attempt_timeout_ms
            && self.idle_timeout_ms == other.idle_timeout_ms
    }
}

/// Where an upstream is and what it speaks there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) base_url: String,
    pub(super) dialect: Option<&'static str>,
    pub(super) api_version: Option<String>,
    pub(super) format: Format,
}

/// What callers have to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenAi,
    Bedrock,
    VertexAnthropic,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) weighted: bool,
    pub(super) targets: Vec<Target>,
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) place: Place,
    pub(super) model: String,
    /// The index of its upstream.
    pub(super) upstream: usize,
    /// Unless the model is name enough.
    pub(super) name: Option<String>,
    /// What LiteLLM calls it, where the file says so.
    pub(super) id: Option<String>,
    pub(super) format: Format,
    pub(super) order: Option<f64>,
    pub(super) weight: Option<f64>,
    pub(super) requests_per_minute: Option<u64>,
    pub(super) tokens_per_minute: Option<u64>,
    pub(super) price: Option<Price>,
    pub(super) context_window: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) vision: Option<bool>,
    pub(super) tools: Option<bool>,
    pub(super) json_mode: Option<bool>,
    /// Parameters that are left out.
    pub(super) drop: Vec<String>,
    /// Parameters that LiteLLM adds where a caller gives none, as TOML.
    pub(super) defaults: Vec<(String, String)>,
}

impl Target {
    pub(super) fn label(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.model)
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.model == other.model && self.upstream == other.upstream
    }
}

/// Dollars per million tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Price {
    pub(super) input: f64,
    pub(super) output: f64,
    pub(super) cached: Option<f64>,
    pub(super) written: Option<f64>,
}
