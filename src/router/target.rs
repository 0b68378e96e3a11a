use std::time::Duration;

use super::{Price, Upstream};

/// One way to answer: a model, at the caller's own upstream or at one of its own.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: Option<String>,
    pub(crate) model: String,
    pub(crate) upstream: Option<Upstream>,
    pub(crate) quota_group: Option<String>,
    pub(crate) expected_quality: Option<f64>,
    pub(crate) price: Option<Price>,
    pub(crate) objective: Option<Duration>,
    pub(crate) preference: Option<f64>,
    pub(crate) weight: f64,
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
            expected_quality: None,
            price: None,
            objective: None,
            preference: None,
            weight: 1.0,
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

    pub(crate) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }
}
