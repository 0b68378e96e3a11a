use std::sync::atomic::{AtomicU64, Ordering};

use super::stripes::{Padded, STRIPES, Stripes};

/// How many numbers a thread takes at a time.
pub(super) const BLOCK: u64 = 64;
/// Twice what all stripes have in hand at once: where threads are about as fast as each other, none
/// lags behind by more.
const IN_HAND: u64 = 2 * STRIPES as u64 * BLOCK;

/// Counts decisions, or attempts: one after the other on one thread, and in blocks where there are
/// more.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Where the next block begins.
    blocks: Padded<AtomicU64>,
    /// The next number of each thread; a multiple of the block where it needs a new one.
    own: Stripes<AtomicU64>,
    /// How far a thread's numbers may lag behind the newest block before it takes a new one.
    lag: Option<u64>,
}

impl Numbers {
    /// Leaves out no number, but for races.
    pub(super) fn new() -> Self {
        Self::with_lag(None)
    }

    /// Leaves out what remains of a block once it lags behind by more than `lag`, and by more than
    /// busy threads do.
    pub(super) fn fresh_within(lag: u64) -> Self {
        Self::with_lag(Some(lag.max(IN_HAND)))
    }

    fn with_lag(lag: Option<u64>) -> Self {
        Self {
            blocks: Padded(AtomicU64::new(0)),
            own: Stripes::new(|| AtomicU64::new(0)),
            lag,
        }
    }

    /// Returns the next number; every one is given once.
    pub(super) fn take(&self) -> u64 {
        let own = self.own.own();
        let mut next = own.load(Ordering::Relaxed);
        loop {
            let number = if next.is_multiple_of(BLOCK) || self.is_stale(next) {
                self.blocks.fetch_add(BLOCK, Ordering::Relaxed)
            } else {
                next
            };
            match own.compare_exchange(next, number + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return number,
                // Another thread with this stripe was faster; a block taken in vain is left out.
                Err(now) => next = now,
            }
        }
    }

    fn is_stale(&self, next: u64) -> bool {
        let newest = || self.blocks.load(Ordering::Relaxed);
        self.lag
            .is_some_and(|lag| newest().saturating_sub(next) > lag)
    }

    /// Returns the number that this thread would take next.
    pub(super) fn peek(&self) -> u64 {
        match self.own.own().load(Ordering::Relaxed) {
            next if next.is_multiple_of(BLOCK) => self.blocks.load(Ordering::Relaxed),
            next => next,
        }
    }

    /// Returns how many were given.
    pub(super) fn taken(&self) -> u64 {
        let left = self.own.iter().map(|own| {
            let next = own.load(Ordering::Relaxed);
            next.next_multiple_of(BLOCK) - next
        });
        let left: u64 = left.sum();
        self.blocks.load(Ordering::Relaxed).saturating_sub(left)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn one_thread_counts() {
        let numbers = Numbers::new();
        for n in 0..200 {
            assert_eq!(numbers.peek(), n);
            assert_eq!(numbers.take(), n);
            assert_eq!(numbers.taken(), n + 1);
        }
    }

    #[test]
    fn what_is_left_of_an_old_block_is_left_out() {
        let numbers = Numbers::fresh_within(100 * BLOCK);
        let others = |blocks: u64| numbers.blocks.fetch_add(blocks * BLOCK, Ordering::Relaxed);
        assert_eq!(numbers.take(), 0);
        others(99);
        assert_eq!(numbers.take(), 1);
        others(1);
        assert_eq!(numbers.take(), 101 * BLOCK);
        assert_eq!(numbers.take(), 101 * BLOCK + 1);
    }

    #[test]
    fn no_number_is_given_twice() {
        let numbers = Numbers::new();
        let take = || (0..1000).map(|_| numbers.take()).collect::<Vec<_>>();
        let all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(take)).collect();
            threads
                .into_iter()
                .flat_map(|one| one.join().unwrap())
                .collect()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 20_000);
    }
}
