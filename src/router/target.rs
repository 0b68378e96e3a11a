use std::time::Duration;

use serde::Serialize;

use super::{Price, Upstream, parameters::Parameters};

/// One way to answer: a model, at the caller's own upstream or at one of its own.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: Option<String>,
    pub(crate) model: String,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) quota_group: Option<String>,
    pub(crate) requests_per_minute: Option<u64>,
    pub(crate) tokens_per_minute: Option<u64>,
    pub(crate) expected_quality: Option<f64>,
    pub(crate) price: Option<Price>,
    pub(crate) objective: Option<Duration>,
    pub(crate) preference: Option<f64>,
    pub(crate) weight: f64,
    pub(crate) context_window: Option<u64>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) vision: Option<bool>,
    pub(crate) tools: Option<bool>,
    pub(crate) json_mode: Option<bool>,
    pub(crate) compatibility_group: Option<String>,
    pub(crate) parameters: Parameters,
}

impl Target {
    /// Creates a target that serves `model` wherever the caller's request was addressed to.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            name: None,
            model: model.into(),
            upstream: None,
            quota_group: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            expected_quality: None,
            price: None,
            objective: None,
            preference: None,
            weight: 1.0,
            context_window: None,
            max_output_tokens: None,
            vision: None,
            tools: None,
            json_mode: None,
            compatibility_group: None,
            parameters: Parameters::default(),
        }
    }

    /// Sets the score, 0 to 1, that its answers are expected to have as long as few are reported.
    /// Default: as good as the rest of the pool, in declared order.
    #[must_use]
    pub fn expected_quality(mut self, score: f64) -> Self {
        self.expected_quality = Some(score);
        self
    }

    /// Sets what it costs. The [snapshot](super::TargetSnapshot::dollars) then adds up what was spent,
    /// and where the pool has a [`cost_weight`](super::Pool::cost_weight) it matters to the choice.
    #[must_use]
    pub fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the objective for this target; see [`Pool::objective`](super::Pool::objective).
    #[must_use]
    pub fn objective(mut self, objective: Duration) -> Self {
        self.objective = Some(objective);
        self
    }

    /// Sets what is subtracted from its score, at least 0: a handicap in expected score. Replaces
    /// what [`Pool::preference`](super::Pool::preference) says for its rank.
    #[must_use]
    pub fn preference(mut self, handicap: f64) -> Self {
        self.preference = Some(handicap);
        self
    }

    /// Sets its weight, at least 0, under the policy [`Weighted`](crate::policy::Weighted).
    /// Default: 1.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Sets the name by which decisions, hints and metrics speak of this target. Default: the
    /// model. Needed where one pool has a model twice.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sends requests for this target to an upstream of its own.
    #[must_use]
    pub fn upstream(mut self, upstream: Upstream) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Names the provider's limit that this target shares with others. Default: one per upstream,
    /// credential and model.
    #[must_use]
    pub fn quota_group(mut self, group: impl Into<String>) -> Self {
        self.quota_group = Some(group.into());
        self
    }

    /// Sets how many requests a minute, at least 1, may go to its [quota group](Self::quota_group),
    /// beside what the provider's headers say: for one that says nothing, or to leave some of its
    /// limit to others. Of the targets of a group the least holds. Default: no such limit.
    ///
    /// Each router counts its own: where several instances share a limit, it has to be shared out.
    #[must_use]
    pub fn requests_per_minute(mut self, requests: u64) -> Self {
        self.requests_per_minute = Some(requests);
        self
    }

    /// Sets how many tokens a minute, at least 1, may go to its quota group, as estimated of prompts
    /// and answers: see [`requests_per_minute`](Self::requests_per_minute). Default: no such limit.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u64) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// Sets how many tokens, at least 1, prompt and answer may have together. A request whose prompt
    /// alone has more, even by the lowest estimate of six bytes a token, is not sent to it. Default:
    /// unknown, and learned from what it refuses.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> Self {
        self.context_window = Some(tokens);
        self
    }

    /// Sets how many tokens, at least 1, an answer may have. A request that asks for more goes to
    /// another target, where one can take it: some providers refuse it, and others give what they
    /// have. Default: unknown.
    #[must_use]
    pub fn max_output_tokens(mut self, tokens: u64) -> Self {
        self.max_output_tokens = Some(tokens);
        self
    }

    /// Sets whether it takes images; if not, requests with images are not sent to it. Default:
    /// unknown, which is taken for yes until it refuses one.
    #[must_use]
    pub fn vision(mut self, vision: bool) -> Self {
        self.vision = Some(vision);
        self
    }

    /// Sets whether it can be offered tools; if not, requests with tools are not sent to it.
    /// Default: unknown, which is taken for yes until it refuses them.
    #[must_use]
    pub fn tools(mut self, tools: bool) -> Self {
        self.tools = Some(tools);
        self
    }

    /// Sets whether it has a JSON mode; if not, requests that ask for JSON are not sent to it.
    /// Default: unknown, which is taken for yes until it refuses one.
    #[must_use]
    pub fn json_mode(mut self, json_mode: bool) -> Self {
        self.json_mode = Some(json_mode);
        self
    }

    /// Names the targets that can read each other's state: signed or encrypted reasoning, ids of
    /// stored answers. A conversation that carries such state stays among them. Default: one group
    /// per upstream, and one for all targets without an upstream of their own.
    #[must_use]
    pub fn compatibility_group(mut self, group: impl Into<String>) -> Self {
        self.compatibility_group = Some(group.into());
        self
    }

    /// Gives a parameter, a member at the top of a JSON body, another name in requests to this
    /// target: `max_tokens` becomes `max_completion_tokens`. Where the other is there, too, it stays
    /// and this one goes.
    ///
    /// ```
    /// use tower_outcome::Target;
    ///
    /// let target = Target::new("o4-mini")
    ///     .rename_parameter("max_tokens", "max_completion_tokens")
    ///     .drop_parameter("temperature")
    ///     .set_parameter("reasoning_effort", "low");
    /// # tower_outcome::OutcomeRouter::builder()
    /// #     .pool(tower_outcome::Pool::new("p").target(target))
    /// #     .build()?;
    /// # Ok::<(), tower_outcome::BuildError>(())
    /// ```
    #[must_use]
    pub fn rename_parameter(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        self.parameters.rename(from.into(), to.into());
        self
    }

    /// Removes a parameter, a member at the top of a JSON body, from requests to this target.
    #[must_use]
    pub fn drop_parameter(mut self, name: impl Into<String>) -> Self {
        self.parameters.drop(name.into());
        self
    }

    /// Sets a parameter, a member at the top of a JSON body, in requests to this target, whatever the
    /// caller says. The value is anything that can be written as JSON.
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "a value is written once")]
    pub fn set_parameter(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.parameters.set(name.into(), &value);
        self
    }

    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }
}
