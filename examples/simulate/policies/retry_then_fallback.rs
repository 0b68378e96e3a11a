use super::{Policy, Step, Turn};
use crate::setting::Setting;

/// Tries the first model again and again while it is limited, then the second in the same way.
/// Any other error surfaces.
struct RetryThenFallback;

/// Tries of each model.
const TRIES: usize = 3;
/// Models that are tried.
const MODELS: usize = 2;

pub(super) fn make(_: &Setting) -> Box<dyn Policy> {
    Box::new(RetryThenFallback)
}

impl Policy for RetryThenFallback {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        let Some((_, last)) = turn.failed.last() else {
            return Step::Call(0);
        };
        let tries = turn.failed.len();
        let model = tries / TRIES;
        if !last.is_rate_limit() || model >= MODELS.min(turn.models()) {
            return Step::GiveUp;
        }
        let again = tries % TRIES;
        if again > 0 && turn.waits == 0 {
            return Step::Wait(pause_s(again));
        }
        Step::Call(model)
    }
}

/// 2, 2, 4, 8 seconds and so on.
fn pause_s(again: usize) -> f64 {
    2.0_f64.powf(again as f64 - 1.0).max(2.0)
}
