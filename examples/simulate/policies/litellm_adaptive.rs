use std::collections::HashMap;

use super::{ATTEMPTS, End, Policy, Scored, Step, Turn};
use crate::setting::Setting;

/// LiteLLM's adaptive router: Thompson sampling per task and model, with a say for cheapness where
/// money counts.
struct LiteLlmAdaptive {
    cells: HashMap<(usize, usize), Cell>,
    /// From 0 for the dearest model to 1 for the cheapest; `None` where money does not count.
    cheapness: Option<Vec<f64>>,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    good: f64,
    bad: f64,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            good: 7.0,
            bad: 3.0,
        }
    }
}

/// A cell that holds so much learns no more.
const MOST_MASS: f64 = 200.0;
const QUALITY_WEIGHT: f64 = 0.7;
const CHEAPNESS_WEIGHT: f64 = 0.3;

pub(super) fn make(setting: &Setting) -> Box<dyn Policy> {
    let prices = setting.models.iter();
    let prices: Vec<f64> = prices
        .map(|model| model.usd_input + model.usd_output)
        .collect();
    let most = prices.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let least = prices.iter().copied().fold(f64::INFINITY, f64::min);
    let cheapness = prices.iter().map(|price| {
        if most > least {
            (most - price) / (most - least)
        } else {
            1.0
        }
    });
    Box::new(LiteLlmAdaptive {
        cells: HashMap::new(),
        cheapness: (setting.usd_weight > 0.0).then(|| cheapness.collect()),
    })
}

impl LiteLlmAdaptive {
    fn learn(&mut self, task: usize, model: usize, score: f64) {
        let cell = self.cells.entry((task, model)).or_default();
        if cell.good + cell.bad < MOST_MASS {
            cell.good += score;
            cell.bad += 1.0 - score;
        }
    }
}

impl Policy for LiteLlmAdaptive {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        if turn.failed.len() >= ATTEMPTS {
            return Step::GiveUp;
        }
        let mut draws = turn.draws();
        let mut best: Option<(usize, f64)> = None;
        for model in turn.untried() {
            let cell = self.cells.get(&(turn.request.task, model));
            let cell = cell.copied().unwrap_or_default();
            let quality = draws.beta(cell.good, cell.bad);
            let score = self.cheapness.as_ref().map_or(quality, |cheapness| {
                QUALITY_WEIGHT * quality + CHEAPNESS_WEIGHT * cheapness[model]
            });
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((model, score));
            }
        }
        best.map_or(Step::GiveUp, |(model, _)| Step::Call(model))
    }

    fn ends(&mut self, end: &End) {
        if end.failure.is_some() {
            self.learn(end.task, end.model, 0.0);
        }
    }

    fn scored(&mut self, scored: &Scored) {
        self.learn(scored.task, scored.model, scored.score);
    }
}
