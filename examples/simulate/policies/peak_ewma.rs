use super::{ATTEMPTS, End, Policy, Step, Turn};
use crate::setting::Setting;

/// The less loaded of two random models, as `tower::balance` with `PeakEwma` does it. An error
/// counts with its latency, so what fails fast looks fast.
struct PeakEwma {
    models: Vec<Load>,
}

#[derive(Clone, Debug, Default)]
struct Load {
    latency_s: f64,
    at_s: f64,
    in_flight: f64,
}

const DECAY_S: f64 = 10.0;

pub(super) fn make(setting: &Setting) -> Box<dyn Policy> {
    Box::new(PeakEwma {
        models: vec![Load::default(); setting.models.len()],
    })
}

impl Load {
    fn update(&mut self, latency_s: f64, now_s: f64) {
        if latency_s > self.latency_s {
            self.latency_s = latency_s;
        } else {
            let kept = (-(now_s - self.at_s).max(0.0) / DECAY_S).exp();
            self.latency_s = self.latency_s * kept + latency_s * (1.0 - kept);
        }
        self.at_s = now_s;
    }

    fn load(&self) -> f64 {
        self.latency_s * (self.in_flight + 1.0)
    }
}

impl Policy for PeakEwma {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        let mut models: Vec<usize> = turn.untried().collect();
        if models.is_empty() || turn.failed.len() >= ATTEMPTS {
            return Step::GiveUp;
        }
        let mut draws = turn.draws();
        let first = models.swap_remove(draws.below(models.len()));
        if models.is_empty() {
            return Step::Call(first);
        }
        let second = models[draws.below(models.len())];
        let fewer = self.models[second].load() < self.models[first].load();
        Step::Call(if fewer { second } else { first })
    }

    fn begins(&mut self, model: usize, _: f64) {
        self.models[model].in_flight += 1.0;
    }

    fn ends(&mut self, end: &End) {
        let load = &mut self.models[end.model];
        load.in_flight -= 1.0;
        load.update(end.latency_s, end.now_s);
    }
}
