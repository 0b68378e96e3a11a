use super::{RoutingPolicy, View};

/// The declared order: the first target that is free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declared;

impl RoutingPolicy for Declared {
    fn name(&self) -> &'static str {
        "declared"
    }

    fn score(&self, view: &View<'_>, scores: &mut [f64]) {
        for (score, candidate) in scores.iter_mut().zip(view.candidates) {
            *score = -(candidate.rank as f64);
        }
    }
}
