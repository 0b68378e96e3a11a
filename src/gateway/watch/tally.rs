use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::histogram::Histogram;
use crate::classify::{Class, Usage};

/// Dollars are counted in billionths: a token of the cheapest model costs ten of them.
const PER_DOLLAR: f64 = 1e9;

/// What happened to a target since it was first watched. Only ever grows, and takes no lock: it is
/// written in the path of requests. What happened lately is the difference of two readings.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Tally {
    intended: AtomicU64,
    attempts: AtomicU64,
    served: AtomicU64,
    failed: AtomicU64,
    limited: AtomicU64,
    late: AtomicU64,
    tokens: AtomicU64,
    dollars: AtomicU64,
    pub(super) first_content: Histogram,
    pub(super) total: Histogram,
}

/// One reading of a [`Tally`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    /// Requests that would have gone to it if nothing had stood against anybody.
    pub(super) intended: u64,
    /// Attempts that ended.
    pub(super) attempts: u64,
    /// Those that brought an answer.
    pub(super) served: u64,
    /// Those that the target failed.
    pub(super) failed: u64,
    /// Those that ran into a limit of the provider.
    pub(super) limited: u64,
    /// Answers that came late.
    pub(super) late: u64,
    pub(super) tokens: u64,
    pub(super) dollars: f64,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Served,
    Failed,
    Limited,
    /// It says nothing about the target: the caller was wrong, or left.
    Neither,
}

impl End {
    pub(super) fn of(class: Class) -> Self {
        match class {
            Class::Success | Class::Degraded | Class::ContentFilter => Self::Served,
            Class::RateLimited | Class::QuotaExhausted => Self::Limited,
            Class::ClientError | Class::Abandoned => Self::Neither,
            _ => Self::Failed,
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            intended: zero(),
            attempts: zero(),
            served: zero(),
            failed: zero(),
            limited: zero(),
            late: zero(),
            tokens: zero(),
            dollars: zero(),
            first_content: Histogram::new(),
            total: Histogram::new(),
        }
    }

    pub(super) fn intend(&self) {
        add(&self.intended, 1);
    }

    pub(super) fn end(&self, end: End, late: bool, took: Duration, first: Option<Duration>) {
        add(&self.attempts, 1);
        match end {
            End::Served => {
                add(&self.served, 1);
                self.total.record(took);
                if let Some(first) = first {
                    self.first_content.record(first);
                }
                if late {
                    add(&self.late, 1);
                }
            }
            End::Failed => add(&self.failed, 1),
            End::Limited => add(&self.limited, 1),
            End::Neither => {}
        }
    }

    pub(super) fn spend(&self, usage: Option<&Usage>, cost: Option<f64>) {
        if let Some(usage) = usage {
            add(&self.tokens, usage.input.saturating_add(usage.output));
        }
        if let Some(cost) = cost {
            add(&self.dollars, billionths(cost));
        }
    }

    pub(super) fn read(&self) -> Counted {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            intended: load(&self.intended),
            attempts: load(&self.attempts),
            served: load(&self.served),
            failed: load(&self.failed),
            limited: load(&self.limited),
            late: load(&self.late),
            tokens: load(&self.tokens),
            dollars: dollars(&self.dollars),
        }
    }
}

impl Counted {
    /// Returns what was counted since an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            intended: self.intended.saturating_sub(earlier.intended),
            attempts: self.attempts.saturating_sub(earlier.attempts),
            served: self.served.saturating_sub(earlier.served),
            failed: self.failed.saturating_sub(earlier.failed),
            limited: self.limited.saturating_sub(earlier.limited),
            late: self.late.saturating_sub(earlier.late),
            tokens: self.tokens.saturating_sub(earlier.tokens),
            dollars: (self.dollars - earlier.dollars).max(0.0),
        }
    }
}

/// Adds to a counter that does not wrap in any life of a process, whatever a provider says of its
/// usage.
pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more.min(MOST), Ordering::Relaxed);
}

/// Reads a counter of dollars.
pub(super) fn dollars(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64 / PER_DOLLAR
}

/// Writes dollars as they are counted.
pub(super) fn billionths(dollars: f64) -> u64 {
    (dollars * PER_DOLLAR).round().max(0.0) as u64
}

/// Of one attempt: a thousand dollars, or a trillion tokens, and 18 million such attempts fit.
const MOST: u64 = 1_000_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_told_apart_by_whose_they_failed_on() {
        let tally = Tally::new();
        for class in Class::ALL {
            tally.end(End::of(class), true, Duration::from_secs(1), None);
        }
        let counted = tally.read();
        assert_eq!((counted.attempts, counted.served), (13, 3));
        assert_eq!((counted.failed, counted.limited, counted.late), (6, 2, 3));
        assert_eq!(tally.total.read().count(), 3);
    }

    #[test]
    fn what_is_spent_is_exact_to_the_billionth_and_bounded() {
        let tally = Tally::new();
        for _ in 0..1000 {
            tally.spend(Some(&Usage::new(10, 5)), Some(0.000_000_1));
        }
        assert_eq!(tally.read().tokens, 15_000);
        assert!((tally.read().dollars - 0.0001).abs() < 1e-12);
        let before = tally.read();
        tally.spend(Some(&Usage::new(u64::MAX, u64::MAX)), Some(f64::MAX));
        tally.spend(None, Some(f64::NAN));
        let since = tally.read().since(&before);
        assert_eq!((since.tokens, since.dollars), (MOST, 1000.0));
    }
}
