//! How the next target is chosen among those that can take a request.
//!
//! The router decides who *may* serve: hints, dialects, walls and breakers. A [`RoutingPolicy`]
//! says how good each candidate is; the best of those that are free is picked, ties going to the
//! declared order.

mod adaptive;
mod declared;
mod rng;
mod weighted;

use std::{fmt, time::Duration};

use tokio::time::Instant;

pub use self::{adaptive::Adaptive, declared::Declared, rng::Rng, weighted::Weighted};

/// Scores the candidates for a request.
///
/// Object safe, called on every pick without any lock held: it must not block. A panic in it is
/// caught and counted; the declared order then decides.
pub trait RoutingPolicy: Send + Sync + fmt::Debug {
    /// Returns the stable name, as shown in decisions.
    fn name(&self) -> &'static str;

    /// Writes one score per candidate of `view`, in their order; the highest free one wins. Scores
    /// come in as zero; NaN counts as the lowest.
    fn score(&self, view: &View<'_>, scores: &mut [f64]);

    /// Returns whether a few requests may go to targets that were idle for long, where scores are
    /// reported, so that what is known of them does not grow old. Default: no.
    fn explores(&self) -> bool {
        false
    }
}

/// What a policy sees of a request and of the candidates for it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View<'a> {
    /// The candidates, in declared order.
    pub candidates: &'a [Candidate<'a>],
    /// What kind of work it is, where the caller said so.
    pub task: Option<&'a str>,
    /// The session that the request belongs to, where the caller said so.
    pub session: Option<&'a str>,
    /// Whether the caller ruled out exploration.
    pub risk_averse: bool,
    /// How many attempts this logical call has made before.
    pub attempts: u32,
    /// Decayed number of scores that were reported for the pool.
    pub scores: f64,
    /// What a dollar is worth, in expected score.
    pub cost_weight: f64,
    /// The time of the decision.
    pub now: Instant,
    /// Randomness for this decision; the same for the same seed and decision number.
    pub rng: Rng,
}

impl<'a> View<'a> {
    /// Creates a view of these candidates for a request of which nothing is known.
    #[must_use]
    pub fn new(candidates: &'a [Candidate<'a>], rng: Rng, now: Instant) -> Self {
        Self {
            candidates,
            task: None,
            session: None,
            risk_averse: false,
            attempts: 0,
            scores: 0.0,
            cost_weight: 0.0,
            now,
            rng,
        }
    }
}

/// One target that may serve a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The target's name.
    pub target: &'a str,
    /// The model it serves.
    pub model: &'a str,
    /// Its place in the declared order, from 0.
    pub rank: usize,
    /// Probability that an attempt does not fail, 0 to 1.
    pub health: f64,
    /// Decayed number of attempts behind `health`.
    pub health_mass: f64,
    /// Expected score of an answer to this task, 0.02 to 0.98.
    pub quality: f64,
    /// Standard deviation to sample `quality` with.
    pub quality_sd: f64,
    /// The same for the few requests that explore: wide where there are few scores of this task.
    pub exploring_sd: f64,
    /// Decayed number of scores of this task behind `quality`.
    pub quality_mass: f64,
    /// Probability that the form of an answer is right, 0 to 1.
    pub validity: f64,
    /// Probability that the answer comes within the objective, 0 to 1; 1 without one.
    pub in_time: f64,
    /// How long it usually takes: to the first content of a stream, else to the end.
    pub latency: Option<Duration>,
    /// Expected cost of the request, in dollars; 0 without a price.
    pub cost: f64,
    /// What the user subtracts from its score; the policy's own preference where unset.
    pub preference: Option<f64>,
    /// Its weight, 1 unless set.
    pub weight: f64,
    /// Attempts that are open now.
    pub in_flight: u32,
    /// Whether this logical call has tried it before.
    pub tried: bool,
}

impl<'a> Candidate<'a> {
    /// Creates a candidate of which nothing is known.
    #[must_use]
    pub fn new(target: &'a str, model: &'a str, rank: usize) -> Self {
        Self {
            target,
            model,
            rank,
            health: 0.99,
            health_mass: 0.0,
            quality: 0.7,
            quality_sd: 0.0,
            exploring_sd: 0.0,
            quality_mass: 0.0,
            validity: 0.99,
            in_time: 1.0,
            latency: None,
            cost: 0.0,
            preference: None,
            weight: 1.0,
            in_flight: 0,
            tried: false,
        }
    }
}
