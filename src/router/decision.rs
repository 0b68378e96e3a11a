use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;

use super::told::{Wait, seconds};

/// Why a target serves a request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// It is the requested model, or the first of the requested pool.
    Preferred,
    /// The preferred target was passed over.
    Instead {
        /// The preferred target.
        of: Arc<str>,
        /// Why it was passed over.
        because: Obstacle,
    },
    /// Nobody was free; this is the least bad.
    LeastBad,
    /// It was idle for long: one of the few requests that keep what is known of it from growing old.
    Canary,
    /// The pool is only observed, or off: the requested model serves.
    Observed,
    /// It is asked beside the target that serves, and its answer is dropped.
    Shadow,
}

/// Why a target does not serve a request, or not now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The caller's hints rule it out.
    Excluded,
    /// The caller wants the requested model only.
    Strict,
    /// It does not speak the request's dialect.
    Dialect,
    /// It speaks the dialect, but has no such endpoint: `/embeddings`.
    Operation(&'static str),
    /// Its context window is too small, in tokens.
    ContextWindow {
        /// The window.
        window: u64,
        /// About how long the prompt is.
        tokens: u64,
    },
    /// Its answers may not have as many tokens as are asked for.
    MaxOutput {
        /// How many they may have.
        limit: u64,
        /// How many are asked for.
        asked: u64,
    },
    /// It does not take images.
    Images,
    /// It does not take tools.
    Tools,
    /// It has no JSON mode.
    JsonMode,
    /// The conversation holds state that only another provider can read.
    Bound,
    /// It refused a prompt that was no longer, and is spared such for this time.
    TooLong(Duration),
    /// It refused a parameter that the request has, within the last hour.
    Parameter(Arc<str>),
    /// It did not know the model, and is left alone for this time.
    UnknownModel(Duration),
    /// It was taken out by hand.
    Drained,
    /// Its pool was pinned to another target by hand.
    Pinned,
    /// The provider said not before this time has passed.
    RateLimited(Duration),
    /// Its limit is expected to have no room before this time has passed.
    NoRoom(Duration),
    /// It is coming back from a rate limit, a share of the traffic at a time.
    Returning,
    /// Its breaker is open for this time.
    Broken(Duration),
    /// Its credential was refused and is out for this time.
    Unauthorized(Duration),
    /// This call has tried it before.
    Tried,
    /// Its score is lower.
    Score,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Excluded => f.write_str("excluded by the caller"),
            Self::Strict => f.write_str("not the requested model"),
            Self::Drained => f.write_str("taken out by hand"),
            Self::Pinned => f.write_str("another is pinned by hand"),
            Self::Dialect => f.write_str("does not speak the request's dialect"),
            Self::Operation(operation) => write!(f, "its upstream has no {operation}"),
            Self::ContextWindow { window, tokens } => write!(
                f,
                "its context window of {window} tokens is too small for about {tokens}"
            ),
            Self::MaxOutput { limit, asked } => write!(
                f,
                "its answers have at most {limit} tokens, and {asked} are asked for"
            ),
            Self::Images => f.write_str("does not take images"),
            Self::Tools => f.write_str("does not take tools"),
            Self::JsonMode => f.write_str("has no JSON mode"),
            Self::Bound => f.write_str("the conversation holds state of another provider"),
            Self::TooLong(time) => write!(
                f,
                "refused a prompt that was no longer, spared such for {}",
                Wait(*time)
            ),
            Self::Parameter(name) => write!(f, "refused the parameter {name:?} before"),
            Self::UnknownModel(time) => {
                write!(f, "does not know the model, out for {}", Wait(*time))
            }
            Self::RateLimited(time) => write!(f, "rate limited for {}", Wait(*time)),
            Self::NoRoom(time) => write!(f, "no room expected for {}", Wait(*time)),
            Self::Returning => f.write_str("returning from a rate limit"),
            Self::Broken(time) => write!(f, "failing, left alone for {}", Wait(*time)),
            Self::Unauthorized(time) => write!(f, "credential refused, out for {}", Wait(*time)),
            Self::Tried => f.write_str("tried before in this call"),
            Self::Score => f.write_str("less likely to succeed"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preferred => f.write_str("preferred"),
            Self::Instead { of, because } => write!(f, "{of}: {because}"),
            Self::LeastBad => f.write_str("nobody is free, least bad"),
            Self::Canary => f.write_str("canary"),
            Self::Observed => f.write_str("observed only"),
            Self::Shadow => f.write_str("shadow of a call"),
        }
    }
}

/// A decision with its reasons: what a pick would do, or did.
///
/// Shown, it is a few lines of words; serialized, durations are in seconds, and a score that is not
/// finite is `null` in JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Decision {
    /// The pool.
    pub pool: Arc<str>,
    /// The policy that scored.
    pub policy: &'static str,
    /// Every target of the pool, in declared order.
    pub candidates: Vec<Weighed>,
    /// The target picked, as an index into `candidates`.
    pub chosen: Option<usize>,
    /// Why it was picked.
    pub reason: Option<Reason>,
    /// Where nobody is free: how long until the first is expected to be.
    #[serde(rename = "retry_in_s", serialize_with = "seconds")]
    pub retry_in: Option<Duration>,
    /// The decision's number and the router's seed: the randomness is a function of the two.
    pub number: u64,
    /// See `number`.
    pub seed: u64,
    /// The share of 200 redraws of that randomness in which the same target came out, 0 to 1.
    pub propensity: Option<f64>,
    /// Decayed number of scores that were reported for the pool.
    pub scores: f64,
}

impl Decision {
    /// Returns the name of the target picked.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        self.chosen
            .and_then(|chosen| self.candidates.get(chosen))
            .map(|target| &*target.target)
    }
}

/// One target in a [`Decision`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Weighed {
    /// The target.
    pub target: Arc<str>,
    /// The model it serves.
    pub model: Arc<str>,
    /// The terms of its estimate; `None` where it was ruled out before.
    pub terms: Option<Terms>,
    /// What the policy gave it; `None` where it was ruled out before.
    pub score: Option<f64>,
    /// What stands against it.
    pub obstacle: Option<Obstacle>,
}

/// The terms of an estimate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Terms {
    /// Expected score of an answer to this task, 0.02 to 0.98.
    pub quality: f64,
    /// Standard deviation with which it is sampled.
    pub quality_sd: f64,
    /// Expected score over all tasks.
    pub level: f64,
    /// How much easier the task is than the rest; negative for a harder one.
    pub task_effect: f64,
    /// How much the last minutes were better or worse than that.
    pub drift: f64,
    /// Decayed number of scores of this target on this task.
    pub scores: f64,
    /// Probability that the form of an answer is right, 0 to 1.
    pub validity: f64,
    /// Probability that an attempt does not fail, 0 to 1.
    pub health: f64,
    /// Probability that the answer comes within the objective, 0 to 1.
    pub in_time: f64,
    /// Expected cost, in dollars.
    pub cost: f64,
    /// How long it usually takes.
    #[serde(rename = "latency_s", serialize_with = "seconds")]
    pub latency: Option<Duration>,
    /// It was taken at its best, as a probe: what is held against it is old.
    pub probe: bool,
}
