use super::{ATTEMPTS, End, Policy, Step, Turn};
use crate::setting::Setting;

/// Lifetime success rates and a cooldown after a 429: as a first attempt at such a router does it,
/// or with its mistakes put right.
struct OutcomeRouter {
    fixed: bool,
    models: Vec<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    successes: f64,
    failures: f64,
    latency_sum_s: f64,
    limited_at_s: Option<f64>,
}

/// The success rate of what was not tried.
const UNTRIED: f64 = 0.5;
const COOLDOWN_S: f64 = 30.0;
/// A mean latency of so many seconds would cost all.
const SLOW_S: f64 = 10.0;
const MOST_PENALTY: f64 = 0.3;

pub(super) fn minimal(setting: &Setting) -> Box<dyn Policy> {
    make(setting, false)
}

pub(super) fn fixed(setting: &Setting) -> Box<dyn Policy> {
    make(setting, true)
}

fn make(setting: &Setting, fixed: bool) -> Box<dyn Policy> {
    Box::new(OutcomeRouter {
        fixed,
        models: vec![Known::default(); setting.models.len()],
    })
}

impl Known {
    fn success_rate(&self) -> f64 {
        let all = self.successes + self.failures;
        if all > 0.0 {
            self.successes / all
        } else {
            UNTRIED
        }
    }

    fn penalty(&self) -> f64 {
        if self.successes > 0.0 {
            (self.latency_sum_s / self.successes / SLOW_S).min(MOST_PENALTY)
        } else {
            0.0
        }
    }

    fn cools(&self, now_s: f64) -> bool {
        self.limited_at_s
            .is_some_and(|at_s| now_s - at_s < COOLDOWN_S)
    }
}

impl OutcomeRouter {
    /// What is compared: first the one, then the other.
    fn score(&self, model: usize) -> (f64, f64) {
        let known = &self.models[model];
        if self.fixed {
            (known.success_rate() - known.penalty(), 0.0)
        } else {
            // The slower of two wins: the sign is wrong in the original, too.
            (known.success_rate(), known.penalty())
        }
    }

    fn best(&self, turn: &Turn<'_>) -> Option<usize> {
        let mut best: Option<usize> = None;
        for model in turn.untried() {
            if self.models[model].cools(turn.now_s) {
                continue;
            }
            if best.is_none_or(|best| self.score(model) > self.score(best)) {
                best = Some(model);
            }
        }
        best
    }
}

impl Policy for OutcomeRouter {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        if let Some((_, last)) = turn.failed.last() {
            let hops = if self.fixed { ATTEMPTS } else { 2 };
            if turn.failed.len() >= hops || !(self.fixed || last.is_rate_limit()) {
                return Step::GiveUp;
            }
        }
        match self.best(turn) {
            Some(model) => Step::Call(model),
            // While all cool, the first is called all the same.
            None if !turn.tried(0) => Step::Call(0),
            None => Step::GiveUp,
        }
    }

    fn ends(&mut self, end: &End) {
        let known = &mut self.models[end.model];
        match end.failure {
            None => {
                known.successes += 1.0;
                known.latency_sum_s += end.latency_s;
            }
            Some(failure) => {
                if failure.is_rate_limit() {
                    known.limited_at_s = Some(end.now_s);
                }
                if self.fixed || failure.is_rate_limit() {
                    known.failures += 1.0;
                }
            }
        }
    }
}
