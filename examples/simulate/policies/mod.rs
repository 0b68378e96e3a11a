//! The policies that are compared: each decides, one turn at a time, what a request does next.

mod litellm;
mod litellm_adaptive;
mod oracle;
mod outcome_router;
mod peak_ewma;
mod random;
mod retry_then_fallback;
mod static_chain;
mod track_and_stop;

use crate::{
    draws::{Draws, Use},
    setting::Setting,
    traffic::Request,
    world::World,
};

/// Decides what a request does next, and learns from how its attempts went.
pub(crate) trait Policy: Send {
    fn next(&mut self, turn: &Turn<'_>) -> Step;

    /// An attempt begins.
    fn begins(&mut self, _model: usize, _now_s: f64) {}

    /// An attempt ended.
    fn ends(&mut self, _end: &End) {}

    /// The caller scored an answer.
    fn scored(&mut self, _score: &Scored) {}
}

/// The moment at which a request asks what to do.
pub(crate) struct Turn<'a> {
    /// Only the oracle looks beyond the setting's names and prices.
    pub(crate) world: &'a World,
    pub(crate) index: usize,
    pub(crate) request: &'a Request,
    pub(crate) now_s: f64,
    /// The failed attempts so far, in order.
    pub(crate) failed: &'a [(usize, Failure)],
    /// How often it waited since the last attempt.
    pub(crate) waits: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Call(usize),
    Wait(f64),
    GiveUp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failure {
    RateLimited { retry_after_s: Option<f64> },
    ServerError,
    Timeout,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) model: usize,
    pub(crate) task: usize,
    pub(crate) now_s: f64,
    pub(crate) latency_s: f64,
    pub(crate) failure: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) model: usize,
    pub(crate) task: usize,
    pub(crate) score: f64,
}

impl Turn<'_> {
    pub(crate) fn models(&self) -> usize {
        self.world.setting.models.len()
    }

    pub(crate) fn tried(&self, model: usize) -> bool {
        self.failed.iter().any(|(tried, _)| *tried == model)
    }

    /// Returns the models not yet tried, in declared order.
    pub(crate) fn untried(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.models()).filter(|model| !self.tried(*model))
    }

    /// Returns the numbers that this turn may leave to chance.
    pub(crate) fn draws(&self) -> Draws {
        let attempt = self.failed.len();
        Draws::new(
            self.world.seed,
            Use::Policy,
            [self.index, attempt, self.waits],
        )
    }
}

impl Failure {
    pub(crate) fn is_rate_limit(self) -> bool {
        matches!(self, Self::RateLimited { .. })
    }
}

/// The name of our own policy, which runs the real layers.
pub(crate) const ADAPTIVE: &str = "adaptive";
/// The name of what knows more than it could.
pub(crate) const ORACLE: &str = "oracle";

type Make = fn(&Setting) -> Box<dyn Policy>;

const COMPARED: &[(&str, Make)] = &[
    (ORACLE, oracle::make),
    ("random", random::make),
    ("static-chain", static_chain::make),
    ("retry-then-fallback", retry_then_fallback::make),
    ("outcome-router-minimal", outcome_router::minimal),
    ("outcome-router-minimal-fixed", outcome_router::fixed),
    ("litellm-shuffle", litellm::shuffle),
    ("litellm-latency", litellm::latency),
    ("litellm-adaptive", litellm_adaptive::make),
    ("track-and-stop", track_and_stop::make),
    ("peak-ewma-p2c", peak_ewma::make),
];

/// Returns the names of all policies.
pub(crate) fn names() -> Vec<&'static str> {
    let compared = COMPARED.iter().map(|(name, _)| *name);
    compared.chain([ADAPTIVE]).collect()
}

/// Returns a compared policy by its name.
pub(crate) fn compared(name: &str, setting: &Setting) -> Option<Box<dyn Policy>> {
    let (_, make) = COMPARED.iter().find(|(known, _)| *known == name)?;
    Some(make(setting))
}

/// Attempts of most policies.
const ATTEMPTS: usize = 3;
