use std::sync::atomic::{AtomicU64, Ordering};

/// Grants a share of the calls, evenly: never more than that share, and one.
#[derive(Debug)]
pub(super) struct Budget {
    /// What has been saved up, in units of 2^-32 of a grant; at most one grant.
    saved: AtomicU64,
}

const ONE: u64 = 1 << 32;

impl Budget {
    /// Begins with a part of the first grant, 0 to 1, so that instances do not grant as one.
    pub(super) fn new(begun: f64) -> Self {
        Self {
            saved: AtomicU64::new(units(begun).min(ONE - 1)),
        }
    }

    /// Notes a call, which pays in `share`, 0 to 1. Returns whether it may be copied.
    pub(super) fn pay(&self, share: f64) -> bool {
        let step = units(share);
        let before = self
            .saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
                let total = saved.saturating_add(step);
                Some(if total >= ONE { total - ONE } else { total })
            });
        before.is_ok_and(|before| before.saturating_add(step) >= ONE)
    }

    /// Gives a grant back that was not used. No more than one is saved up: a quiet time does not
    /// end in a burst.
    pub(super) fn give_back(&self) {
        self.saved.fetch_max(ONE - 1, Ordering::Relaxed);
    }
}

fn units(share: f64) -> u64 {
    // Within 0 to 2^32, which a double holds exactly.
    (share.clamp(0.0, 1.0) * ONE as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(share: f64, begun: f64, calls: u32) -> u32 {
        let budget = Budget::new(begun);
        (0..calls).map(|_| u32::from(budget.pay(share))).sum()
    }

    #[test]
    fn the_share_is_kept_and_never_exceeded() {
        for (share, least, most) in [
            (0.0, 0, 0),
            (0.01, 999, 1_001),
            (0.5, 49_999, 50_001),
            (0.333, 33_298, 33_301),
            (1.0, 100_000, 100_000),
        ] {
            for begun in [0.0, 0.7, 1.0] {
                let granted = granted(share, begun, 100_000);
                assert!((least..=most).contains(&granted), "{share}: {granted}");
            }
        }
    }

    #[test]
    fn what_is_given_back_is_not_saved_up() {
        let budget = Budget::new(0.0);
        assert_eq!((0..4).filter(|_| budget.pay(0.25)).count(), 1);
        for _ in 0..10 {
            budget.give_back();
        }
        let granted: Vec<_> = (0..5).map(|_| budget.pay(0.25)).collect();
        assert_eq!(granted, [true, false, false, false, true]);
    }
}
