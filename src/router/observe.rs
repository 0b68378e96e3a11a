use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{Counters, Decision, Outcome, Routed, Unavailable};

/// Watches what a router does: for metrics, logs and dashboards.
///
/// Every method runs in the path of a request, outside all locks, and should return within a
/// microsecond. A panic is caught, counted in
/// [`Counts::observer_panics`](super::Counts::observer_panics), and changes nothing.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use tower_outcome::{Class, OutcomeRouter, Routed, router::{Observe, Settled}};
///
/// #[derive(Default)]
/// struct RateLimits(AtomicU64);
///
/// impl Observe for RateLimits {
///     fn settled(&self, _: &Routed, settled: &Settled<'_>) {
///         if settled.outcome().verdict().class == Class::RateLimited {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let limits = Arc::new(RateLimits::default());
/// let router = OutcomeRouter::builder().model("gpt-4o").observer(limits.clone()).build()?;
/// # let _ = router;
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
pub trait Observe: Send + Sync {
    /// Takes in that an attempt was opened.
    fn picked(&self, routed: &Routed, now: Instant) {
        let _ = (routed, now);
    }

    /// Returns whether [`decided`](Self::decided) should be told the whole decision behind an
    /// attempt. To tell one takes some ten microseconds.
    fn wants_decision(&self, routed: &Routed) -> bool {
        let _ = routed;
        false
    }

    /// Takes in the decision behind an attempt that was just opened.
    fn decided(&self, routed: &Routed, decision: &Arc<Decision>) {
        let _ = (routed, decision);
    }

    /// Takes in how an attempt ended. Every attempt ends once.
    fn settled(&self, routed: &Routed, settled: &Settled<'_>) {
        let _ = (routed, settled);
    }

    /// Takes in that a request was turned away: nobody could be picked, and it did not wait, or not
    /// any longer.
    fn refused(&self, refused: &Refused<'_>) {
        let _ = refused;
    }

    /// Takes in how long it took to decide on one attempt.
    fn took(&self, decision: Duration) {
        let _ = decision;
    }
}

/// How an attempt ended, as an [observer](Observe) is told it.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) took: Duration,
    pub(super) cost: Option<f64>,
    pub(super) late: bool,
    pub(super) now: Instant,
}

impl<'a> Settled<'a> {
    /// Returns how it ended.
    pub fn outcome(&self) -> &'a Outcome {
        self.outcome
    }

    /// Returns the time from its start to its end.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Returns what it cost, in dollars, where its usage and the target's price are known.
    #[must_use]
    pub fn cost(&self) -> Option<f64> {
        self.cost
    }

    /// Returns whether it was later than its objective, or than the answers of its target ever are.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Returns when it ended.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }
}

/// A request that was turned away, as an [observer](Observe) is told it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    pub(super) pool: &'a str,
    pub(super) model: &'a str,
    pub(super) unavailable: &'a Unavailable,
    pub(super) now: Instant,
}

impl<'a> Refused<'a> {
    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &'a str {
        self.pool
    }

    /// Returns the model, alias or pool that it named.
    #[must_use]
    pub fn requested_model(&self) -> &'a str {
        self.model
    }

    /// Returns why nobody could be picked.
    #[must_use]
    pub fn unavailable(&self) -> &'a Unavailable {
        self.unavailable
    }

    /// Returns when it was turned away.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }
}

/// All who watch a router.
#[derive(Clone, Default)]
pub(super) struct Observers(pub(super) Vec<Arc<dyn Observe>>);

impl Observers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells each of them something.
    pub(super) fn tell(&self, counters: &Counters, tell: impl Fn(&dyn Observe)) {
        for observer in &self.0 {
            if catch_unwind(AssertUnwindSafe(|| tell(&**observer))).is_err() {
                counters.observer_panicked();
            }
        }
    }

    /// Returns whether one of them wants the decision behind an attempt.
    pub(super) fn want_decision(&self, counters: &Counters, routed: &Routed) -> bool {
        self.0.iter().any(|observer| {
            let wants = catch_unwind(AssertUnwindSafe(|| observer.wants_decision(routed)));
            wants.unwrap_or_else(|_| {
                counters.observer_panicked();
                false
            })
        })
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}
