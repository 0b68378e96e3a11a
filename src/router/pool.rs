use std::{fmt, sync::Arc, time::Duration};

use super::{Score, Target};
use crate::{checks::Check, policy::RoutingPolicy};

/// The targets that may serve a requested model, in order of preference.
#[derive(Clone)]
pub struct Pool {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) targets: Vec<Target>,
    pub(crate) policy: Option<Arc<dyn RoutingPolicy>>,
    pub(crate) mode: Mode,
    pub(crate) nobody_free: NobodyFree,
    pub(crate) upgrade: bool,
    pub(crate) hold_back: bool,
    pub(crate) compressed: bool,
    pub(crate) derive_sessions: bool,
    pub(crate) ask_usage: bool,
    pub(crate) cost_weight: f64,
    pub(crate) objective: Option<Duration>,
    pub(crate) preference: Option<f64>,
    pub(crate) checks: Vec<Arc<dyn Check>>,
    pub(crate) cascade: bool,
    pub(crate) cascade_below: Score,
}

impl Pool {
    /// Creates an empty pool. A request may name the pool itself as its model, an alias of it, or
    /// the model of one of its targets.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            targets: Vec::new(),
            policy: None,
            mode: Mode::Route,
            nobody_free: NobodyFree::Wait,
            upgrade: false,
            hold_back: true,
            compressed: false,
            derive_sessions: false,
            ask_usage: false,
            cost_weight: 0.0,
            objective: None,
            preference: None,
            checks: Vec::new(),
            cascade: false,
            cascade_below: Score::MIDDLE,
        }
    }

    /// Sets what a dollar is worth, in expected score of one answer: with 10, an answer that costs a
    /// cent more has to be better by 0.1. Default: 0, cost does not matter.
    #[must_use]
    pub fn cost_weight(mut self, score_per_dollar: f64) -> Self {
        self.cost_weight = score_per_dollar;
        self
    }

    /// Sets the time within which an answer is worth something, from the beginning of the call: to
    /// the first content of a stream, else to the end. Targets that are not likely to make it are
    /// passed over. Default: none; then an answer is late that takes longer than the target's
    /// answers ever do.
    #[must_use]
    pub fn objective(mut self, objective: Duration) -> Self {
        self.objective = Some(objective);
        self
    }

    /// Sets how much expected score, at least 0, is given up to stay one rank higher in the declared
    /// order. 0 means that the order does not matter. Default: 0.05 while nobody reports scores,
    /// falling to 0.005 as many do.
    #[must_use]
    pub fn preference(mut self, per_rank: f64) -> Self {
        self.preference = Some(per_rank);
        self
    }

    /// Adds another name for the pool.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Adds a target, less preferred than those before it.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds a target that serves `model` at the caller's own upstream.
    #[must_use]
    pub fn model(self, model: impl Into<String>) -> Self {
        self.target(Target::new(model))
    }

    /// Sets the policy. Default: [`Adaptive`](crate::policy::Adaptive).
    #[must_use]
    pub fn policy(mut self, policy: impl RoutingPolicy + 'static) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the mode it starts in. Default: [`Mode::Route`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets what happens when no target is free. Default: [`NobodyFree::Wait`].
    #[must_use]
    pub fn nobody_free(mut self, rule: NobodyFree) -> Self {
        self.nobody_free = rule;
        self
    }

    /// Lets a request that names the model of one target be served by targets that are declared
    /// before it, too. Default: only by it and those after it.
    #[must_use]
    pub fn upgrade(mut self, upgrade: bool) -> Self {
        self.upgrade = upgrade;
        self
    }

    /// Sets whether streamed answers are held until their first content. Default: they are.
    #[must_use]
    pub fn hold_back(mut self, hold_back: bool) -> Self {
        self.hold_back = hold_back;
        self
    }

    /// Sets whether answers may come compressed where the caller takes them so. They are then judged by
    /// their status, headers and timing alone: an error inside, a cut, usage and cost are not seen.
    /// Default: they may not, and `accept-encoding: identity` goes out in place of the caller's.
    #[must_use]
    pub fn compressed_answers(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Sets whether a request without a [`Session`](crate::Session) gets one from what it says
    /// itself: `prompt_cache_key`, `metadata.user_id`, else its first system and first user
    /// message. Default: it does not, since that reads the body once more, and callers that share
    /// one cache key would all be one session.
    #[must_use]
    pub fn derive_sessions(mut self, derive: bool) -> Self {
        self.derive_sessions = derive;
        self
    }

    /// Sets whether streams are asked what they used, where the caller does not ask. Default: they
    /// are not, and streams in the OpenAI format then mostly say nothing.
    ///
    /// Streamed requests to `/chat/completions` and `/completions` get
    /// `stream_options.include_usage`, and the event that answers it, which brings usage and no
    /// choice, is taken out of the stream again. Every other byte passes as it came; only what
    /// follows the end of the answer may wait for the rest of its event. What stays to be seen is
    /// that OpenAI then writes `"usage": null` into the other events, that the answer has no
    /// `Content-Length`, and that it is asked for uncompressed. A target that refuses the option is
    /// not asked again for an hour.
    #[must_use]
    pub fn ask_usage(mut self, ask: bool) -> Self {
        self.ask_usage = ask;
        self
    }

    /// Adds a check of good answers, which reports by itself; see [`checks`](crate::checks).
    /// Default: those of [`Builder::success_when`](super::Builder::success_when).
    #[must_use]
    pub fn success_when(mut self, check: impl Check + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Sets whether an answer that fails its [checks](Self::success_when) is asked for again, of a
    /// better target. Default: it is not, and checks only report.
    ///
    /// For answers that are not streamed and are still held back when they end (64 KiB at most),
    /// below a [`FailoverLayer`](crate::FailoverLayer) and within its attempts, deadline and
    /// budget. Where nobody better is free, or the next attempt comes to nothing, the answer that
    /// failed its checks is delivered after all. The provider has been paid for it either way.
    #[must_use]
    pub fn cascade(mut self, cascade: bool) -> Self {
        self.cascade = cascade;
        self
    }

    /// Sets below which quality an answer fails its checks. One of the wrong form always does.
    /// Default: 0.5.
    #[must_use]
    pub fn cascade_below(mut self, quality: Score) -> Self {
        self.cascade_below = quality;
        self
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("targets", &self.targets)
            .field("policy", &self.policy)
            .field("mode", &self.mode)
            .field("checks", &self.checks.len())
            .finish_non_exhaustive()
    }
}

/// What the router does with a pool's requests. Switchable while running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Choose, rewrite, record.
    Route,
    /// Serve the requested model, record, and note what would have been chosen.
    Observe,
    /// Serve the requested model and look no further.
    Off,
}

/// What happens to a request when no target is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NobodyFree {
    /// Wait for the first to become free if that is expected within the deadline (10 seconds
    /// unless [`Deadline`](crate::Deadline) says otherwise), else answer 429 at once.
    Wait,
    /// Answer 429 with `Retry-After` at once.
    Answer,
    /// Use the target that is expected to be free first, all the same. Only a wait that the
    /// provider itself asked for is kept.
    LeastBad,
}
