mod gauges;
pub(super) mod names;
mod sink;

use std::{sync::Arc, time::Duration};

use metrics::{Counter, Histogram, Recorder};
use tokio::time::Instant;

use self::{
    names::{
        ATTEMPTS, DECISION, FIRST_CONTENT, LATE, REFUSED, REQUESTS, SECONDS, SHADOWS, SUBSTITUTED,
        TOKENS, WASTED,
    },
    sink::{Cache, Sink},
};
use crate::{
    classify::{Class, Usage, Verdict},
    router::{Observe, Reason, Refused, Routed, Settled},
};

/// Counts what a router does, through the facade of the crate `metrics`; see the
/// [module](super) for the names.
///
/// It is an [observer](crate::router::Builder::observer) of the router. What is a state rather than
/// an event is brought up to date by [`refresh`](Self::refresh), to be called before the metrics are
/// read.
///
/// ```
/// use std::sync::Arc;
/// use tower_outcome::{OutcomeRouter, telemetry::Metrics};
///
/// // After the recorder of your choice was installed.
/// let metrics = Arc::new(Metrics::new());
/// let router = OutcomeRouter::builder().model("gpt-4o").observer(metrics.clone()).build()?;
/// metrics.refresh(&router.snapshot());
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Metrics {
    sink: Sink,
    pools: Cache<Arc<OfPool>>,
    decision: Histogram,
}

impl Metrics {
    /// Creates metrics for the recorder that the process has installed, or is in scope here. It is
    /// taken for good: install yours before.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Sink::Installed)
    }

    /// Creates metrics for a recorder of their own, as several routers in a process may want.
    #[must_use]
    pub fn recorded_by(recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self::with(Sink::Own(recorder))
    }

    fn with(sink: Sink) -> Self {
        sink.describe();
        Self {
            decision: sink.histogram(&DECISION, &[]),
            pools: Cache::default(),
            sink,
        }
    }

    fn pool(&self, name: &str) -> Arc<OfPool> {
        self.pools
            .get(name, || Arc::new(OfPool::new(&self.sink, name)))
    }

    fn target(&self, routed: &Routed) -> Arc<OfTarget> {
        let (pool, target) = (routed.pool(), routed.target());
        let make = || Arc::new(OfTarget::new(&self.sink, pool, target));
        self.pool(pool).targets.get(target, make)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observe for Metrics {
    fn picked(&self, routed: &Routed, _: Instant) {
        // Later attempts are of the same request.
        if routed.attempt() == 1 && *routed.reason() != Reason::Shadow {
            let (pool, model) = (routed.pool(), routed.requested_model());
            let make = || self.sink.counter(&REQUESTS, &[pool, model]);
            self.pool(pool).requests.get(model, make).increment(1);
        }
    }

    fn settled(&self, routed: &Routed, settled: &Settled<'_>) {
        let outcome = settled.outcome();
        let class = outcome.verdict().class;
        let (pool, name) = (routed.pool(), routed.target());
        let target = self.target(routed);
        if let Some(usage) = outcome.used() {
            target.use_tokens(usage);
        }
        let counted = |metric| self.sink.counter(metric, &[pool, name, class.as_str()]);
        if *routed.reason() == Reason::Shadow {
            let shadows = &target.shadows;
            let counter = shadows.get(class.as_str(), || counted(&SHADOWS));
            counter.increment(1);
            return;
        }
        if class != Class::Success {
            let failures = &target.failures;
            let counter = failures.get(class.as_str(), || counted(&ATTEMPTS));
            counter.increment(1);
            if is_waste(outcome.verdict()) {
                target.wasted.increment(1);
            }
            return;
        }
        target.successes.increment(1);
        if settled.is_late() {
            target.late.increment(1);
        }
        target.seconds.record(settled.took().as_secs_f64());
        if let Some(first_content) = outcome.first_content_after() {
            target.first_content.record(first_content.as_secs_f64());
        }
        if let Some(reason) = substitution(routed.reason()) {
            let make = || self.sink.counter(&SUBSTITUTED, &[pool, name, reason]);
            target.substituted.get(reason, make).increment(1);
        }
    }

    fn refused(&self, refused: &Refused<'_>) {
        self.pool(refused.pool()).refused.increment(1);
    }

    fn took(&self, decision: Duration) {
        self.decision.record(decision.as_secs_f64());
    }
}

/// The metrics of a pool.
#[derive(Debug)]
struct OfPool {
    targets: Cache<Arc<OfTarget>>,
    /// By the model that was named.
    requests: Cache<Counter>,
    refused: Counter,
}

impl OfPool {
    fn new(sink: &Sink, pool: &str) -> Self {
        Self {
            targets: Cache::default(),
            requests: Cache::default(),
            refused: sink.counter(&REFUSED, &[pool]),
        }
    }
}

/// The metrics of a target.
#[derive(Debug)]
struct OfTarget {
    /// Most attempts: not looked up.
    successes: Counter,
    /// Attempts that ended otherwise, by class.
    failures: Cache<Counter>,
    /// By class.
    shadows: Cache<Counter>,
    /// By reason.
    substituted: Cache<Counter>,
    wasted: Counter,
    late: Counter,
    seconds: Histogram,
    first_content: Histogram,
    tokens: [Counter; 5],
}

impl OfTarget {
    fn new(sink: &Sink, pool: &str, target: &str) -> Self {
        let of = [pool, target];
        let tokens = ["input", "output", "cached", "written", "reasoning"];
        Self {
            successes: sink.counter(&ATTEMPTS, &[pool, target, Class::Success.as_str()]),
            failures: Cache::default(),
            shadows: Cache::default(),
            substituted: Cache::default(),
            wasted: sink.counter(&WASTED, &of),
            late: sink.counter(&LATE, &of),
            seconds: sink.histogram(&SECONDS, &of),
            first_content: sink.histogram(&FIRST_CONTENT, &of),
            tokens: tokens.map(|kind| sink.counter(&TOKENS, &[pool, target, kind])),
        }
    }

    fn use_tokens(&self, usage: &Usage) {
        let counts = [
            usage.input,
            usage.output,
            usage.cached,
            usage.written,
            usage.reasoning,
        ];
        for (counter, count) in self.tokens.iter().zip(counts) {
            if count > 0 {
                counter.increment(count);
            }
        }
    }
}

/// Returns whether an attempt came to nothing, and that was not its caller's doing.
fn is_waste(verdict: &Verdict) -> bool {
    !matches!(
        verdict.class,
        Class::Success
            | Class::Degraded
            | Class::ClientError
            | Class::ContentFilter
            | Class::Abandoned
    )
}

/// Names why the preferred target does not serve, if it does not.
fn substitution(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::Instead { because, .. } => Some(because.kind()),
        Reason::LeastBad => Some("least_bad"),
        Reason::Canary => Some("canary"),
        Reason::Preferred | Reason::Observed | Reason::Shadow => None,
    }
}
