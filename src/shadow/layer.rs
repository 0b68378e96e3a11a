use std::{sync::Arc, time::Duration};

use tower::Layer;

use super::{budget::Budget, future::Shadows, service::Shadow};
use crate::router::{OutOfRange, OutcomeRouter};

/// One call in a hundred: enough to notice a failing target within minutes, little enough to pay
/// for.
const PERCENT: f64 = 1.0;
const AT_ONCE: usize = 16;
/// What takes longer is no alternative.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Sends a copy of some calls to another target, and keeps only how it went; see the
/// [module](super).
///
/// The budget and the copies under way are shared by all services made by clones of this layer.
#[derive(Clone, Debug)]
pub struct ShadowLayer {
    pub(super) router: OutcomeRouter,
    pub(super) settings: Settings,
    pub(super) budget: Arc<Budget>,
    pub(super) shadows: Arc<Shadows>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Of all calls, 0 to 1.
    pub(super) share: f64,
    pub(super) at_once: usize,
    pub(super) time_limit: Duration,
}

impl ShadowLayer {
    /// Creates a layer. `router` is the one that the routing layer inside uses.
    #[must_use]
    pub fn new(router: OutcomeRouter) -> Self {
        let budget = Budget::new(router.jitter());
        let settings = Settings {
            share: PERCENT / 100.0,
            at_once: AT_ONCE,
            time_limit: TIME_LIMIT,
        };
        Self {
            router,
            settings,
            budget: Arc::new(budget),
            shadows: Arc::default(),
        }
    }

    /// Sets how many of a hundred calls are copied at most, from 0 to 100. Default: 1.
    ///
    /// # Errors
    ///
    /// If `percent` is not a number from 0 to 100.
    pub fn percent(mut self, percent: f64) -> Result<Self, OutOfRange> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(OutOfRange {
                what: "a share of the calls is a number from 0 to 100 percent",
            });
        }
        self.settings.share = percent / 100.0;
        Ok(self)
    }

    /// Sets how many copies may be under way at once; calls beyond are not copied. Each holds its
    /// request's body, of 4 MiB at most. Default: 16.
    #[must_use]
    pub fn at_once(mut self, copies: usize) -> Self {
        self.settings.at_once = copies;
        self
    }

    /// Sets after which time a copy is cut off. It then counts as abandoned, and against its target
    /// only where it was later than that target's answers ever are. Default: 60 seconds.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.settings.time_limit = limit;
        self
    }
}

impl<S: Clone> Layer<S> for ShadowLayer {
    type Service = Shadow<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Shadow::with_layer(inner, self.clone())
    }
}
