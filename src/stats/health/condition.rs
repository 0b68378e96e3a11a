use tokio::time::Instant;

use super::{PRIOR, PRIOR_MASS};
use crate::stats::aging::faded;

/// What is believed of a target's health.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Condition {
    /// Probability that the next attempt does not fail, 0 to 1.
    pub(crate) health: f64,
    /// Decayed number of attempts behind it.
    pub(crate) mass: f64,
    /// The same if what is held against it is over.
    pub(crate) at_best: f64,
    /// The share of its answers that usually meets the objective, 0 to 1.
    pub(crate) usually_in_time: f64,
    pub(crate) gate: Gate,
    /// Whether it is believed only after a probe.
    pub(crate) in_doubt: bool,
}

/// Whether a breaker lets an attempt through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Closed: everything passes.
    Closed,
    /// Half open: a probe may pass.
    Probe,
    /// Open, at least until the given time.
    Open(Instant),
}

/// The health of a target with which nothing is the matter, from which follows what is believed of
/// it at any time until something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Steady {
    pub(crate) ok: f64,
    pub(crate) bad: f64,
    /// In seconds.
    pub(crate) half_life: f64,
    pub(crate) at_best: f64,
    pub(crate) usually_in_time: f64,
}

impl Steady {
    /// Says what is believed so many seconds after the last evidence.
    pub(crate) fn condition(&self, since: f64) -> Condition {
        let mass = self.ok + self.bad;
        let weight = if mass == 0.0 {
            1.0
        } else {
            faded(since / self.half_life)
        };
        let (ok, mass) = (self.ok * weight, mass * weight);
        Condition {
            health: (ok + PRIOR * PRIOR_MASS) / (mass + PRIOR_MASS),
            mass,
            at_best: self.at_best,
            usually_in_time: self.usually_in_time,
            gate: Gate::Closed,
            in_doubt: false,
        }
    }
}
