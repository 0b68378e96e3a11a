use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;

/// One way to answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Target {
    /// As the provider names it.
    pub(in crate::config) model: Spanned<String>,
    /// The name of an upstream.
    pub(in crate::config) upstream: Spanned<String>,
    /// Its own name; the model unless given.
    pub(in crate::config) name: Option<Spanned<String>>,
    /// The same for targets that share a limit of the provider. Unless given, those of one upstream
    /// and model do.
    pub(in crate::config) quota_group: Option<String>,
    /// Requests that may go to that group in a minute; the provider's limits hold in any case.
    #[schemars(range(min = 1))]
    pub(in crate::config) requests_per_minute: Option<Spanned<u64>>,
    /// Tokens that may go to that group in a minute, as estimated.
    #[schemars(range(min = 1))]
    pub(in crate::config) tokens_per_minute: Option<Spanned<u64>>,
    /// The score that its answers have, as long as few are known.
    #[schemars(range(min = 0, max = 1))]
    pub(in crate::config) expected_quality: Option<Spanned<f64>>,
    pub(in crate::config) price: Option<Price>,
    /// Answers are worth something until then; that of the pool unless given. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub(in crate::config) objective_ms: Option<Spanned<u64>>,
    /// Subtracted from its score, whatever its rank.
    #[schemars(range(min = 0))]
    pub(in crate::config) preference: Option<Spanned<f64>>,
    /// Its share where the policy is weighted.
    #[schemars(range(min = 0), extend("default" = 1.0))]
    pub(in crate::config) weight: Option<Spanned<f64>>,
    /// Tokens: longer prompts go elsewhere. Unless given, learned by refusals.
    #[schemars(range(min = 1))]
    pub(in crate::config) context_window: Option<Spanned<u64>>,
    /// Tokens: requests that ask for more go to others, if there are any.
    #[schemars(range(min = 1))]
    pub(in crate::config) max_output_tokens: Option<Spanned<u64>>,
    /// False: requests with images go elsewhere.
    pub(in crate::config) vision: Option<bool>,
    /// False: requests with tools go elsewhere.
    pub(in crate::config) tools: Option<bool>,
    /// False: requests for JSON go elsewhere.
    pub(in crate::config) json_mode: Option<bool>,
    /// The same for targets that read each other's state; those of one upstream unless given.
    pub(in crate::config) compatibility_group: Option<String>,
    pub(in crate::config) parameters: Option<Parameters>,
}

/// Changes at the top of a JSON body.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Parameters {
    /// The new names of parameters, by their old ones.
    #[serde(default)]
    pub(in crate::config) rename: BTreeMap<String, String>,
    /// The parameters that are left out.
    #[serde(default)]
    pub(in crate::config) drop: Vec<String>,
    /// The values of parameters, whatever the caller says.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub(in crate::config) set: BTreeMap<String, Spanned<toml::Value>>,
}

/// What tokens cost: dollars per million.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Price {
    /// Of the prompt.
    #[schemars(range(min = 0))]
    pub(in crate::config) input: Spanned<f64>,
    /// Of the answer.
    #[schemars(range(min = 0))]
    pub(in crate::config) output: Spanned<f64>,
    /// Of the prompt, where read from the provider's cache; as input unless given.
    #[schemars(range(min = 0))]
    pub(in crate::config) cached: Option<Spanned<f64>>,
    /// Of the prompt, where written to the provider's cache; as input unless given.
    #[schemars(range(min = 0))]
    pub(in crate::config) written: Option<Spanned<f64>>,
}
