use super::{RoutingPolicy, View};

/// How much expected success a caller gives up to stay one rank higher: small enough that a target
/// which fails every tenth call is left, large enough that noise does not move anybody.
const PREFERENCE_PER_RANK: f64 = 0.05;

/// The target with the best chance to answer well now: expected quality times health, less a
/// small preference for the declared order.
///
/// While nobody reports scores, all qualities are equal and the declared order decides among the
/// healthy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adaptive;

impl RoutingPolicy for Adaptive {
    fn name(&self) -> &'static str {
        "adaptive"
    }

    fn score(&self, view: &View<'_>, scores: &mut [f64]) {
        for (score, candidate) in scores.iter_mut().zip(view.candidates) {
            *score =
                candidate.quality * candidate.health - PREFERENCE_PER_RANK * candidate.rank as f64;
        }
    }
}
