use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// A target that refused to be asked is asked again after this: it may have learned to answer, and
/// each try costs its caller a failed attempt.
const RESPITE: Duration = Duration::from_secs(3600);

/// Whether a target may be asked what its streams used.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Nanoseconds since the router's epoch.
    not_before: AtomicU64,
}

impl Asking {
    pub(super) fn may(&self, epoch: Instant, now: Instant) -> bool {
        nanos(epoch, now) >= self.not_before.load(Ordering::Relaxed)
    }

    /// It was refused. Returns whether that is news: requests that were under way tell it again.
    pub(super) fn refused(&self, epoch: Instant, now: Instant) -> bool {
        let until = nanos(epoch, now).saturating_add(nanos(epoch, epoch + RESPITE));
        self.not_before.fetch_max(until, Ordering::Relaxed) <= nanos(epoch, now)
    }
}

fn nanos(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_holds_for_an_hour() {
        let epoch = Instant::now();
        let asking = Asking::default();
        assert!(asking.may(epoch, epoch));
        assert!(asking.refused(epoch, epoch));
        assert!(!asking.refused(epoch, epoch + Duration::from_secs(1)));
        let hour = epoch + Duration::from_secs(3601);
        assert!(!asking.may(epoch, hour - Duration::from_millis(1)));
        assert!(asking.may(epoch, hour));
        assert!(asking.refused(epoch, hour));
    }
}
