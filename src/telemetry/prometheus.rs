use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{Metrics, PrometheusRecorder};
#[cfg(feature = "store")]
use crate::store::Writes;
use crate::{
    router::{Observe, OutcomeRouter},
    store::FleetState,
};

/// The metrics of one router, to be served to Prometheus. A cheap handle; clones share.
///
/// ```
/// use tower_outcome::{OutcomeRouter, telemetry::Prometheus};
///
/// let prometheus = Prometheus::new();
/// let router = OutcomeRouter::builder().model("gpt-4o").observer(prometheus.observer()).build()?;
///
/// // The answer to GET /metrics, of the type `Prometheus::CONTENT_TYPE`:
/// let text = prometheus.text(&router);
/// assert!(text.contains("outcome_health_ratio{pool=\"default\",target=\"gpt-4o\"} 0.99"));
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Prometheus {
    metrics: Arc<Metrics>,
    recorder: Arc<PrometheusRecorder>,
    #[cfg(feature = "store")]
    store: Arc<OnceLock<Box<dyn Fn() -> Writes + Send + Sync>>>,
    fleet: Arc<OnceLock<Box<dyn Fn() -> FleetState + Send + Sync>>>,
}

impl Prometheus {
    /// The media type of [`text`](Self::text).
    pub const CONTENT_TYPE: &str = PrometheusRecorder::CONTENT_TYPE;

    /// Creates metrics that nobody feeds yet.
    #[must_use]
    pub fn new() -> Self {
        let recorder = Arc::new(PrometheusRecorder::new());
        Self {
            metrics: Arc::new(Metrics::recorded_by(recorder.clone())),
            recorder,
            #[cfg(feature = "store")]
            store: Arc::default(),
            fleet: Arc::default(),
        }
    }

    /// Returns what watches the router, for [`Builder::observer`](crate::router::Builder::observer).
    /// A router that succeeds it takes the same.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observe> {
        self.metrics.clone()
    }

    /// Adds how often the state is written, as [`Keeping::watch`](crate::store::Keeping::watch) tells.
    #[cfg(feature = "store")]
    pub fn watch_store(&self, writes: impl Fn() -> Writes + Send + Sync + 'static) {
        // There is one store; what comes later is none.
        let _ = self.store.set(Box::new(writes));
    }

    /// Adds how sharing with other instances goes, as
    /// [`Membership::watch`](crate::store::Membership::watch) tells.
    pub fn watch_fleet(&self, state: impl Fn() -> FleetState + Send + Sync + 'static) {
        // There is one fleet, too.
        let _ = self.fleet.set(Box::new(state));
    }

    /// Writes all metrics, as of now, in the text format of Prometheus. `router` is the one in use.
    #[must_use]
    pub fn text(&self, router: &OutcomeRouter) -> String {
        self.metrics.refresh(&router.snapshot());
        #[cfg(feature = "store")]
        if let Some(writes) = self.store.get() {
            self.metrics.refresh_store(writes());
        }
        if let Some(state) = self.fleet.get() {
            self.metrics.refresh_fleet(&state());
        }
        self.recorder.render()
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").finish_non_exhaustive()
    }
}
