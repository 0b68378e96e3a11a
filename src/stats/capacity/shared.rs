use std::time::Duration;

use tokio::time::Instant;

use super::{Capacity, LONGEST_WAIT, Phase};

/// A wait that is longer by less than this is the same one, told again.
const LONGER: Duration = Duration::from_millis(250);
/// Refusals that are taken in one by one; more of them at once say no more.
const MOST_REFUSALS: u32 = 32;

/// What others sent to a quota group and were told there, since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spending {
    /// Requests that were sent, and the tokens booked for them.
    pub(crate) requests: u32,
    pub(crate) tokens: f64,
    /// Refusals for a limit, the tokens of what was refused, and how many of them named no wait.
    pub(crate) refused: u32,
    pub(crate) refused_tokens: f64,
    pub(crate) bare: u32,
    /// Refusals for a quota that only money or the next day brings back.
    pub(crate) exhausted: u32,
    /// A probe after a wait has shown that there is room again.
    pub(crate) reopened: bool,
    /// Something was answered.
    pub(crate) answered: bool,
    /// What answers said was left of requests and of tokens.
    pub(crate) left: [Readings; 2],
}

/// Readings of what is left of a limit: how many, and the sums of what was left and of what was owed: what
/// had been sent beyond what there was room for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Readings {
    pub(crate) count: u32,
    pub(crate) left: f64,
    pub(crate) owed: f64,
}

impl Readings {
    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| (self.left - self.owed) / f64::from(self.count))
    }
}

impl Capacity {
    /// Takes in what others spent and were told, as if it had happened here.
    pub(crate) fn absorb(&mut self, others: &Spending, now: Instant) {
        let (requests, tokens) = (f64::from(others.requests), others.tokens);
        // That they have spent nothing is worth knowing, too.
        self.requests.take_theirs(requests, now);
        self.tokens.take_theirs(tokens, now);
        if requests > 0.0 {
            if let Some(allowed) = &mut self.allowed {
                allowed.take(requests, tokens, now);
            }
            self.pacing.take(requests, tokens, now);
        }
        let [requests_left, tokens_left] = others.left.map(Readings::mean);
        for (bucket, left) in [
            (&mut self.requests, requests_left),
            (&mut self.tokens, tokens_left),
        ] {
            if let Some(left) = left {
                bucket.correct(left, now);
            }
        }
        if others.answered {
            self.accepted();
        }
        let each = others.refused_tokens / f64::from(others.refused.max(1));
        if !self.requests.is_known() && !self.tokens.is_known() {
            for _ in 0..others.refused.min(MOST_REFUSALS) {
                self.pacing.refused(each, now);
            }
        }
        for _ in 0..others.bare.min(MOST_REFUSALS) {
            self.refused_bare(now);
        }
        if others.exhausted > 0 {
            self.refused(None, true, each, now);
        }
        let waits = |until: Option<Instant>| until.is_some_and(|until| now < until);
        let walled = matches!(self.phase, Phase::Walled | Phase::Probing { .. });
        if others.reopened && walled && !waits(self.told) && !waits(self.cautious) {
            self.phase = Phase::Ramp { since: now };
        }
    }

    /// Says how many others may take what is left before it is our turn: all of those who see the same
    /// room at the same time must not take it at once.
    pub(crate) fn take_turn(&mut self, others: f64) {
        self.turn = others;
    }

    /// Leaves the group alone for as long as its provider told others to.
    pub(crate) fn cool(&mut self, lasts: Duration, now: Instant) {
        let until = now + lasts.min(LONGEST_WAIT);
        if lasts < LONGER || self.told.is_some_and(|told| until < told + LONGER) {
            return;
        }
        self.told = Some(until);
        self.phase = Phase::Walled;
    }

    /// Returns whether it comes back from a wait.
    pub(crate) fn is_returning(&self) -> bool {
        matches!(self.phase, Phase::Ramp { .. })
    }
}
