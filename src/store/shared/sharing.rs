use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    Cooldown, OutcomeStore, StoreError,
    link::{Counts, Link},
};
use crate::router::OutcomeRouter;

const INTERVAL: Duration = Duration::from_millis(250);
/// Instances from which on each exchanges less often, so that all together do not do so more often.
const WIDENS_FROM: u32 = 50;
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);
/// How far intervals are spread, as a share of them, so that instances do not come all at once.
const SPREAD: f64 = 0.2;
/// A store that takes longer is of no use.
const LIMIT: Duration = Duration::from_millis(100);
/// What cannot wait is sent at once, but no more often than this.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// Failures in a row from which on a store is left alone for a while.
const BREAKS_AT: u32 = 3;
const BROKEN_PAUSE: Duration = Duration::from_secs(1);

/// Lets a router learn together with those of other instances that use the same store.
///
/// A task of its own brings what happened here since the last time and takes in what the others have
/// brought, four times a second. No request waits for it: while a store cannot be reached, the router goes
/// by what it sees itself, and what it could not tell is sent when the store is back, if that is within a
/// minute.
#[derive(Clone, Debug)]
#[must_use]
pub struct Sharing {
    store: Arc<dyn OutcomeStore>,
    interval: Duration,
    limit: Duration,
}

/// A router that shares what it learns. It ends when this is [stopped](Self::stop) or dropped.
#[must_use = "sharing ends when this is dropped"]
pub struct Membership {
    shared: Arc<Shared>,
    exchange: Option<JoinHandle<()>>,
    listen: JoinHandle<()>,
}

/// How sharing goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FleetState {
    /// What kind of store it is.
    pub store: &'static str,
    /// This instance, as the others know it.
    pub instance: String,
    /// Instances that share, this one included, as of the last exchange.
    pub instances: u32,
    /// Whether the last exchange came about.
    pub connected: bool,
    /// What was wrong with it, if it did not.
    pub trouble: Option<String>,
    /// Seconds since the last one that came about.
    pub last_exchange_s: Option<f64>,
    /// Seconds that it took.
    pub took_s: f64,
    /// Seconds between exchanges, about.
    pub interval_s: f64,
    /// Exchanges that came about.
    pub exchanges: u64,
    /// Those that did not.
    pub failures: u64,
    /// Increments that were brought to the store.
    pub sent: u64,
    /// Increments that were lost because the store was away for too long or had no room.
    pub dropped: u64,
    /// Increments of others that were taken in.
    pub taken: u64,
    /// Counters of others that mean nothing here, as of the last exchange: of targets or tasks that are
    /// not known.
    pub unknown: u64,
}

struct Shared {
    store: Arc<dyn OutcomeStore>,
    router: Box<dyn Fn() -> OutcomeRouter + Send + Sync>,
    instance: u64,
    stopping: AtomicBool,
    stop: Notify,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    state: FleetState,
    last: Option<Instant>,
}

impl Sharing {
    /// Shares through a store.
    pub fn new(store: impl OutcomeStore) -> Self {
        Self {
            store: Arc::new(store),
            interval: INTERVAL,
            limit: LIMIT,
        }
    }

    /// Sets how often to exchange, by a fifth more or less. Default: every 250 ms; at least 10 ms. Where
    /// there are more than 50 instances, each does so less often.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how long an exchange may take. Default: 100 ms.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit.max(Duration::from_millis(1));
        self
    }

    /// Starts. The function returns the router that is in use, which may be another after a reload.
    ///
    /// # Errors
    ///
    /// If the router was not built to be [shared](crate::router::Builder::shared), or is shared already. A
    /// router is shared once: not even after a membership has ended can another one begin.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(
        self,
        router: impl Fn() -> OutcomeRouter + Send + Sync + 'static,
    ) -> Result<Membership, StoreError> {
        let of_all = router();
        let fleet = of_all.fleet().ok_or_else(|| {
            StoreError::lacking("the router was not built with the secret of a deployment")
        })?;
        if !fleet.join() {
            return Err(StoreError::lacking(
                "the router shares already, or did: one that is to share anew is built anew",
            ));
        }
        let instance = fleet.instance();
        let state = FleetState {
            store: self.store.kind(),
            instance: format!("{instance:016x}"),
            interval_s: self.interval.as_secs_f64(),
            ..FleetState::default()
        };
        let shared = Arc::new(Shared {
            store: self.store,
            router: Box::new(router),
            instance,
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            told: Mutex::new(Told { state, last: None }),
        });
        let exchange = exchange(shared.clone(), self.interval, self.limit);
        Ok(Membership {
            exchange: Some(tokio::spawn(exchange)),
            listen: tokio::spawn(listen(shared.clone())),
            shared,
        })
    }
}

impl Membership {
    /// Brings a last time what happened here, and ends.
    pub async fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.stop.notify_one();
        if let Some(exchange) = self.exchange.take() {
            // It ends after one more exchange, which has a limit.
            let _ended = exchange.await;
        }
    }

    /// Returns how it goes.
    #[must_use]
    pub fn state(&self) -> FleetState {
        self.shared.state()
    }

    /// Returns what tells how it goes, for a page or metrics.
    pub fn watch(&self) -> impl Fn() -> FleetState + Send + Sync + 'static {
        let shared = self.shared.clone();
        move || shared.state()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.listen.abort();
        if let Some(exchange) = &self.exchange {
            exchange.abort();
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("store", &self.shared.store)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> FleetState {
        let told = self.told();
        let last = told.last.map(|last| last.elapsed().as_secs_f64());
        FleetState {
            last_exchange_s: last,
            ..told.state.clone()
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Takes in what others announce.
async fn listen(shared: Arc<Shared>) {
    loop {
        let Cooldown { group, lasts } = shared.store.heard().await;
        let router = (shared.router)();
        router.cool(group.hash(), lasts, router.now());
    }
}

async fn exchange(shared: Arc<Shared>, interval: Duration, limit: Duration) {
    let mut link = Link::default();
    let mut failures: u32 = 0;
    loop {
        let stopping = shared.is_stopping();
        let router = (shared.router)();
        let began = Instant::now();
        let batch = link.batch(&router, shared.instance, router.now());
        let answered = match timeout(limit, shared.store.exchange(&batch)).await {
            Ok(answered) => answered,
            Err(_) => Err(StoreError::unreachable("no answer in time")),
        };
        let now = router.now();
        let reached = answered.is_ok();
        let (instances, trouble) = match answered {
            Ok(answer) => {
                let instances = answer.instances.max(1);
                link.answered(&router, answer, now);
                (Some(instances), None)
            }
            Err(error) => (None, Some(error)),
        };
        router.reached_others(reached, now);
        failures = if reached {
            0
        } else {
            failures.saturating_add(1)
        };
        let interval = widened(
            interval,
            instances.unwrap_or_else(|| shared.told().state.instances),
        );
        shared.tell(link.counts(), instances, trouble.as_ref(), began, interval);
        if stopping {
            return;
        }
        let spread = 1.0 + SPREAD * (2.0 * router.jitter() - 1.0);
        let pause = interval.mul_f64(spread);
        let least = began + LEAST_PAUSE;
        drop(batch);
        if failures >= BREAKS_AT {
            let _stopping = timeout(BROKEN_PAUSE.max(pause), shared.stop.notified()).await;
        } else {
            wait(&shared, &router, pause).await;
            if !shared.is_stopping() {
                sleep_until(least).await;
            }
        }
    }
}

/// Waits until it is time, or until something cannot wait.
async fn wait(shared: &Shared, router: &OutcomeRouter, pause: Duration) {
    let Some(fleet) = router.fleet() else {
        return sleep(pause).await;
    };
    let urgent = async {
        let mut stop = std::pin::pin!(shared.stop.notified());
        let mut urgent = std::pin::pin!(fleet.urgent());
        std::future::poll_fn(|cx| {
            let stopping = stop.as_mut().poll(cx).is_ready();
            if stopping || urgent.as_mut().poll(cx).is_ready() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    };
    let _waited = timeout(pause, urgent).await;
}

fn widened(interval: Duration, instances: u32) -> Duration {
    let by = f64::from(instances) / f64::from(WIDENS_FROM);
    let most = LONGEST_INTERVAL.max(interval);
    interval.mul_f64(by.clamp(1.0, 1e6)).min(most)
}

impl Shared {
    fn tell(
        &self,
        counts: Counts,
        instances: Option<u32>,
        trouble: Option<&StoreError>,
        began: Instant,
        interval: Duration,
    ) {
        let mut told = self.told();
        let store = told.state.store;
        match trouble {
            Some(error) => {
                let trouble = error.to_string();
                if told.state.trouble.as_ref() != Some(&trouble) {
                    tracing::warn!(store, "outcomes are not shared for now: {trouble}");
                }
                told.state.failures = told.state.failures.saturating_add(1);
                told.state.trouble = Some(trouble);
            }
            None => {
                if !told.state.connected {
                    let instances = instances.unwrap_or(1);
                    tracing::info!(store, instances, "outcomes are shared");
                }
                told.state.exchanges = told.state.exchanges.saturating_add(1);
                told.state.trouble = None;
                told.state.took_s = began.elapsed().as_secs_f64();
                told.last = Some(Instant::now());
            }
        }
        let state = &mut told.state;
        state.connected = trouble.is_none();
        state.instances = instances.unwrap_or(state.instances);
        state.interval_s = interval.as_secs_f64();
        state.sent = counts.sent;
        state.dropped = counts.dropped;
        state.taken = counts.taken;
        state.unknown = counts.unknown;
    }
}
