use std::{fmt, time::SystemTime};

use tokio::time::Instant;

/// Where a router reads the time when nobody hands it in: in drops, and in the short forms without
/// `_at`.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Returns the monotonic time.
    fn now(&self) -> Instant;

    /// Returns the wall-clock time, for absolute times in headers.
    fn wall(&self) -> SystemTime;
}

/// tokio's clock, which tests can pause, and the system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
