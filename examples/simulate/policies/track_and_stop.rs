use super::{Policy, Scored, Step, Turn, random::any_untried};
use crate::setting::Setting;

/// One bandit over the scores, as TensorZero's track-and-stop: shares by how hard each model is to
/// tell from the best, until one is clearly the best and gets all.
struct TrackAndStop {
    models: Vec<Arm>,
    /// The share of each model, once all have been sampled.
    shares: Option<Vec<f64>>,
    planned_at_s: f64,
}

#[derive(Clone, Debug, Default)]
struct Arm {
    n: f64,
    sum: f64,
}

/// Scores of each model before the first plan.
const SAMPLES: f64 = 10.0;
const PLAN_EVERY_S: f64 = 300.0;
/// How likely the winner may be the wrong one.
const DELTA: f64 = 0.05;
/// Closer means are told apart no harder than this.
const LEAST_GAP: f64 = 0.01;

pub(super) fn make(setting: &Setting) -> Box<dyn Policy> {
    Box::new(TrackAndStop {
        models: vec![Arm::default(); setting.models.len()],
        shares: None,
        planned_at_s: 0.0,
    })
}

impl Arm {
    fn mean(&self) -> f64 {
        self.sum / self.n.max(1.0)
    }
}

impl TrackAndStop {
    fn plan(&mut self) {
        if self.models.iter().any(|arm| arm.n < SAMPLES) {
            return;
        }
        let all = 0..self.models.len();
        let mean = |model: usize| self.models[model].mean();
        let best = all
            .clone()
            .max_by(|a, b| mean(*a).total_cmp(&mean(*b)))
            .unwrap_or(0);
        let others = all.clone().filter(|model| *model != best);
        if others.clone().all(|other| self.separated(best, other)) {
            let winner = |model| f64::from(u8::from(model == best));
            self.shares = Some(all.map(winner).collect());
            return;
        }
        let gap = |model: usize| (mean(best) - mean(model)).max(LEAST_GAP);
        let closest = others.map(gap).fold(1.0, f64::min);
        let weight = |model| {
            let gap = if model == best { closest } else { gap(model) };
            1.0 / (gap * gap)
        };
        let sum: f64 = all.clone().map(weight).sum();
        self.shares = Some(all.map(|model| weight(model) / sum).collect());
    }

    /// The generalised likelihood ratio for two normal means of variance at most a quarter.
    fn separated(&self, best: usize, other: usize) -> bool {
        let (best, other) = (&self.models[best], &self.models[other]);
        let gap = best.mean() - other.mean();
        let evidence = best.n * other.n / (best.n + other.n) * gap * gap * 2.0;
        let n: f64 = self.models.iter().map(|arm| arm.n).sum();
        evidence > ((1.0 + n.ln()) / DELTA).ln()
    }
}

impl Policy for TrackAndStop {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        if turn.now_s - self.planned_at_s >= PLAN_EVERY_S {
            self.planned_at_s = turn.now_s;
            self.plan();
        }
        match &self.shares {
            Some(shares) if turn.failed.is_empty() => {
                let mut at = turn.draws().uniform();
                let chosen = shares.iter().position(|share| {
                    at -= share;
                    at < 0.0
                });
                Step::Call(chosen.unwrap_or(0))
            }
            _ => any_untried(turn),
        }
    }

    fn scored(&mut self, scored: &Scored) {
        let arm = &mut self.models[scored.model];
        arm.n += 1.0;
        arm.sum += scored.score;
    }
}
