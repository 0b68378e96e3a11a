use super::{Policy, Step, Turn};
use crate::setting::Setting;

/// Declared order, the next on any error, without memory.
struct StaticChain;

/// After a 429, before the next model is called.
const PAUSE_S: f64 = 1.0;

pub(super) fn make(_: &Setting) -> Box<dyn Policy> {
    Box::new(StaticChain)
}

impl Policy for StaticChain {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        let limited = turn
            .failed
            .last()
            .is_some_and(|(_, why)| why.is_rate_limit());
        match turn.untried().next() {
            None => Step::GiveUp,
            Some(_) if limited && turn.waits == 0 => Step::Wait(PAUSE_S),
            Some(next) => Step::Call(next),
        }
    }
}
