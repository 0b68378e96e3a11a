//! How the next target is chosen among those that can take a request.
//!
//! The router decides who *may* serve: hints, dialects, walls and breakers. A [`RoutingPolicy`]
//! says how good each candidate is; the best of those that are free is picked, ties going to the
//! declared order.

mod adaptive;
mod declared;
mod rng;

use std::fmt;

use tokio::time::Instant;

pub use self::{adaptive::Adaptive, declared::Declared, rng::Rng};

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
    /// The time of the decision.
    pub now: Instant,
    /// Randomness for this decision; the same for the same seed and decision number.
    pub rng: Rng,
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
    /// Expected score of an answer, 0 to 1.
    pub quality: f64,
    /// Decayed number of scores behind `quality`.
    pub quality_mass: f64,
    /// Attempts that are open now.
    pub in_flight: u32,
    /// Whether this logical call has tried it before.
    pub tried: bool,
}
