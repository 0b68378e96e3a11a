use std::time::Duration;

use tokio::time::Instant;

use super::super::aging::{Aging, faded};

/// Sums are kept in units of a past age; half-lives after which they are brought up to date.
const REBASE: f64 = 40.0;

/// The scale of forward-decayed sums.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) aging: Aging,
    /// The age at which weight is 1.
    base: f64,
}

impl Scale {
    pub(super) fn new(half_life: Duration, samples: u32, longest: Duration, now: Instant) -> Self {
        Self {
            aging: Aging::new(half_life, samples, longest, now),
            base: 0.0,
        }
    }

    /// The factor that brings a sum up to `now`.
    pub(super) fn shrink(&self, now: Instant) -> f64 {
        faded(self.aging.age(now) - self.base)
    }

    /// The weight of what is recorded at an age.
    pub(super) fn grow(&self, age: f64) -> f64 {
        (age - self.base).min(2.0 * REBASE).exp2()
    }

    /// Where the base is too far back: moves it, and returns the factor for all sums.
    pub(super) fn rebase(&mut self) -> Option<f64> {
        let by = self.aging.advance(false, self.aging.last()) - self.base;
        (by > REBASE).then(|| {
            self.base += by;
            faded(by)
        })
    }
}
