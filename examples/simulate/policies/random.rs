use super::{ATTEMPTS, Policy, Step, Turn};
use crate::setting::Setting;

/// Any model, then any other.
struct Random;

pub(super) fn make(_: &Setting) -> Box<dyn Policy> {
    Box::new(Random)
}

impl Policy for Random {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        any_untried(turn)
    }
}

/// Any model not yet tried, while attempts are left.
pub(super) fn any_untried(turn: &Turn<'_>) -> Step {
    let models: Vec<usize> = turn.untried().collect();
    if models.is_empty() || turn.failed.len() >= ATTEMPTS {
        return Step::GiveUp;
    }
    Step::Call(models[turn.draws().below(models.len())])
}
