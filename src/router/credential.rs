use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// A refused credential is tried again after this, doubling: keys are rotated by hand.
const FIRST_OUT: Duration = Duration::from_secs(60);
const LONGEST_OUT: Duration = Duration::from_secs(3600);
/// A refusal comes at once: for so long the first attempt after a pause is alone.
const PROBE: Duration = Duration::from_secs(2);

/// Whether a credential is in rotation. Shared by every target that uses it.
#[derive(Debug)]
pub(super) struct CredentialState {
    /// Nanoseconds since the router's epoch.
    out_until: AtomicU64,
    /// When it was refused last, likewise.
    refused: AtomicU64,
    strikes: AtomicU32,
}

impl CredentialState {
    pub(super) fn new() -> Self {
        Self {
            out_until: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            strikes: AtomicU32::new(0),
        }
    }

    /// Returns for how long it is out of rotation.
    pub(super) fn out_for(&self, epoch: Instant, now: Instant) -> Option<Duration> {
        let until = self.out_until.load(Ordering::Relaxed);
        until
            .checked_sub(nanos(epoch, now))
            .filter(|left| *left > 0)
            .map(Duration::from_nanos)
    }

    /// An attempt is about to use it. After a refusal one goes first, alone for a moment.
    pub(super) fn begin(&self, epoch: Instant, now: Instant) {
        if self.strikes.load(Ordering::Relaxed) > 0 {
            self.out_until
                .fetch_max(nanos(epoch, now + PROBE), Ordering::Relaxed);
        }
    }

    /// It was refused in an attempt that began at `started`.
    pub(super) fn refused(&self, epoch: Instant, started: Instant, now: Instant) {
        let last = self.refused.fetch_max(nanos(epoch, now), Ordering::Relaxed);
        if self.strikes.load(Ordering::Relaxed) > 0 && nanos(epoch, started) <= last {
            // The same refusal, told by another attempt that was under way.
            return;
        }
        let strikes = self.strikes.fetch_add(1, Ordering::Relaxed);
        let out = FIRST_OUT
            .saturating_mul(1 << strikes.min(16))
            .min(LONGEST_OUT);
        self.out_until
            .fetch_max(nanos(epoch, now + out), Ordering::Relaxed);
    }

    /// It was accepted in an attempt that began at `started`.
    pub(super) fn accepted(&self, epoch: Instant, started: Instant) {
        let struck = self.strikes.load(Ordering::Relaxed) > 0;
        if struck && nanos(epoch, started) > self.refused.load(Ordering::Relaxed) {
            self.strikes.store(0, Ordering::Relaxed);
            self.out_until.store(0, Ordering::Relaxed);
        }
    }
}

fn nanos(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}
