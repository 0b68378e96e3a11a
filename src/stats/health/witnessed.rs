use std::time::Duration;

use tokio::time::Instant;

use super::{Health, REHABILITATED};

/// Who has just had an answer believes that, whatever others say of failures: they may be where the
/// network is broken, or wrong.
const OWN: Duration = Duration::from_secs(1);
/// Successes that may double what may be open, of one exchange.
const DOUBLINGS: u32 = REHABILITATED.ilog2();

/// What others saw of a target since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Witnessed {
    pub(crate) good: u32,
    /// Good answers to attempts that began before the failures around them.
    pub(crate) outdated: u32,
    pub(crate) late: u32,
    pub(crate) slow: u32,
    pub(crate) bad: u32,
    /// Of all that are not good, those that were probes.
    pub(crate) failed_probes: u32,
}

impl Witnessed {
    pub(crate) fn total(&self) -> u32 {
        let all = [self.good, self.outdated, self.late, self.slow, self.bad];
        all.into_iter().fold(0, u32::saturating_add)
    }
}

impl Health {
    /// Takes in what others saw about `ago`.
    ///
    /// In which order it happened is not known: where some failed and some did not, the failures count
    /// as spread among the answers, and as the later ones.
    pub(crate) fn absorb(&mut self, seen: &Witnessed, ago: Duration, now: Instant) {
        let all = seen.total();
        if all == 0 {
            return;
        }
        let usual = if !self.in_doubt && self.run == 0 {
            all
        } else {
            0
        };
        let age = self.aging.advance_by(usual, now);
        self.fade_to(age);
        let weight = self.others.admit(all, self.aging.remains(ago)) / f64::from(all);
        let answered = seen.good.saturating_add(seen.slow);
        self.ok += weight * f64::from(answered.saturating_add(seen.outdated));
        self.bad += weight * f64::from(seen.late.saturating_add(seen.bad));
        if answered > 0 {
            let share = f64::from(seen.good) / f64::from(answered);
            self.note_timely(share, weight * f64::from(answered));
        }
        // What is past says how often it fails, and nothing about how it is now.
        if ago.is_zero() {
            self.begun_since = self.begun_since.saturating_add(all);
            self.react(seen, now);
        }
    }

    fn react(&mut self, seen: &Witnessed, now: Instant) {
        let answered = seen.good.saturating_add(seen.slow);
        if answered > 0 {
            self.run = 0;
            self.overdue_before = self.overdue.count(now);
            if seen.slow > 0 {
                self.opened = None;
            }
        }
        if seen.good > 0 {
            if self.in_doubt {
                let doublings = seen.good.min(DOUBLINGS);
                self.window = self.window.saturating_mul(1 << doublings);
            }
            let well = self.health() > (1.0 + super::DOUBT) / 2.0;
            if self.window >= REHABILITATED || well {
                self.believe();
            }
        }
        let failed = seen.late.saturating_add(seen.bad);
        let own = self.answered.is_some_and(|at| now < at + OWN);
        if seen.bad > 0 && !own {
            if self.run == 0 {
                self.failing = Some(now);
                self.begun_since = 0;
            }
            self.run_on(seen.bad / answered.saturating_add(1), now);
        }
        if failed > 0 {
            self.in_doubt |= self.is_little() && !own;
        }
        if failed.saturating_add(seen.slow) > 0 && !own {
            let probed = seen.failed_probes > 0;
            self.disappoint(probed);
            // What fails on and on where somebody tries anyway must not put off our own probe for ever.
            if self.good || probed {
                self.last = self.last.max(now);
            }
            self.good = false;
        } else if seen.good > 0 {
            self.good = true;
            self.last = self.last.max(now);
        }
    }
}
