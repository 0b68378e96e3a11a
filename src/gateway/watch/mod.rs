mod cell;
mod decisions;
mod event;
mod figures;
mod histogram;
mod history;
mod observer;
mod story;
mod tally;
#[cfg(test)]
mod tests;
mod trail;
mod view;
mod viewers;
mod words;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

pub use self::story::Story;
use self::{
    cell::Table,
    observer::{Observer, millis},
    trail::{STEP, Sample},
    viewers::Viewers,
};
pub(super) use self::{
    decisions::Kept, event::Event, history::History, story::Loaded, view::View, viewers::Viewer,
};
use super::{Gateway, reload::Loaded as Reloaded};
use crate::{
    router::{Clock as _, Observe, OutcomeRouter, SystemClock},
    store::FleetState,
};

/// Watches routers for a dashboard: what happened lately, to whom, and who got another model than asked
/// for. [`Admin`](super::Admin) shows it. Clones share.
///
/// It observes routers and looks at them every two seconds. It outlives them: when the
/// configuration changes, it follows the next one, and keeps what it knows by the names of pools and
/// targets.
///
/// What it adds to the path of a request is a dozen counters, without a lock. What it keeps, about 80 KB
/// for each target, is bounded by their number.
///
/// ```
/// use tower_outcome::{OutcomeRouter, gateway::Watch};
///
/// let watch = Watch::new();
/// let router = OutcomeRouter::builder()
///     .model("gpt-4o")
///     .model("gpt-4o-mini")
///     .observer(watch.observer())
///     .build()?;
/// watch.follow(&router);
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    observer: Arc<Observer>,
    known: Mutex<Known>,
    viewers: Viewers,
    started: AtomicBool,
}

/// What is known beside what is counted.
#[derive(Default)]
struct Known {
    router: Option<OutcomeRouter>,
    started_at: f64,
    /// What routers that were replaced let pass through.
    passed: u64,
    clients: bool,
    loaded: Loaded,
    story: Option<Story>,
    fleet: Option<Fleet>,
}

/// Tells how sharing goes.
type Fleet = Arc<dyn Fn() -> FleetState + Send + Sync>;

impl Watch {
    /// Creates a watch that follows nobody yet.
    #[must_use]
    pub fn new() -> Self {
        let at = seconds(None);
        let known = Known {
            started_at: at,
            loaded: Loaded::at(at),
            ..Known::default()
        };
        Self(Arc::new(Inner {
            observer: Arc::new(Observer::new()),
            known: Mutex::new(known),
            viewers: Viewers::new(),
            started: AtomicBool::new(false),
        }))
    }

    /// Returns what tells this watch of a router; for
    /// [`Builder::observer`](crate::router::Builder::observer).
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observe> {
        self.0.observer.clone()
    }

    /// Shows this router from now on. What is known of targets and pools of the same names is kept;
    /// the rest is forgotten.
    pub fn follow(&self, router: &OutcomeRouter) {
        let snapshot = router.snapshot();
        let mut known = self.known();
        let table = self.0.observer.table();
        let table = Table::new(router.id(), &snapshot, &table, seconds(Some(router)));
        self.0.observer.replace(table);
        let old = known.router.replace(router.clone());
        // A router that takes over goes on with the counts of the one before.
        if let Some(old) = old.filter(|old| !router.goes_on_with(old)) {
            let passed = old.snapshot().counts.passed_through;
            known.passed += passed.iter().map(|(_, count)| count).sum::<u64>();
        }
    }

    /// Keeps up with a gateway that is reloaded: follows its next routers, and tells viewers what came
    /// of each load. Ends when `loads` does.
    pub async fn keep_up(
        self,
        gateway: Gateway,
        mut loads: tokio::sync::watch::Receiver<Reloaded>,
    ) {
        loop {
            let Reloaded { file, error, .. } = loads.borrow_and_update().clone();
            if error.is_none() {
                self.follow(&gateway.router());
                self.set_clients(!gateway.is_open());
            }
            self.loaded(Some(file.display().to_string()), error);
            if loads.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns the router that is shown.
    #[must_use]
    pub fn router(&self) -> Option<OutcomeRouter> {
        self.known().router.clone()
    }

    /// Says which file the configuration came from, and tells viewers that it was just loaded, or
    /// with an error that it was refused, and the one before goes on.
    pub fn loaded(&self, file: Option<String>, error: Option<String>) {
        let loaded = {
            let mut known = self.known();
            let at = seconds(known.router.as_ref());
            known.loaded.update(file, error, at);
            known.loaded.clone()
        };
        self.0
            .observer
            .decisions
            .send(Event::json("reload", &loaded));
    }

    /// Says whether callers need keys.
    pub fn set_clients(&self, clients: bool) {
        self.known().clients = clients;
    }

    /// Shows how sharing with other instances goes, as [`Membership::watch`](crate::store::Membership::watch)
    /// tells.
    pub fn set_fleet(&self, state: impl Fn() -> FleetState + Send + Sync + 'static) {
        self.known().fleet = Some(Arc::new(state));
    }

    /// Returns how sharing with other instances goes; `None` where nothing is shared.
    pub(super) fn fleet(&self) -> Option<FleetState> {
        self.0.fleet()
    }

    /// Says what a demonstration is telling.
    pub fn set_story(&self, story: Option<Story>) {
        self.known().story = story;
    }

    /// Returns everything as it is now; `None` where nobody is followed.
    pub(super) fn view(&self) -> Option<View> {
        self.0.view()
    }

    /// Returns the last 15 minutes.
    pub(super) fn history(&self) -> History {
        History::new(&self.0.observer.table())
    }

    /// Returns the last decisions that left the requested model, the newest first.
    pub(super) fn decisions(&self) -> Vec<Arc<Kept>> {
        self.0.observer.decisions.all()
    }

    /// Returns one of them, by the outcome's id.
    pub(super) fn decision(&self, id: &str) -> Option<Arc<Kept>> {
        self.0.observer.decisions.find(id)
    }

    /// Lets one more look on; `None` where as many do as may.
    pub(super) fn enter(&self) -> Option<Viewer> {
        let decisions = self.0.observer.decisions.subscribe();
        self.0.viewers.enter(decisions, || {
            let hello = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
            vec![
                Event::json("hello", &hello),
                Event::json("history", &self.history()),
                Event::json("view", &self.view()),
            ]
        })
    }

    /// Ends for good what viewers look at, so that a server that stops need not wait for them.
    pub(super) fn close(&self) {
        self.0.viewers.close();
    }

    /// Begins to look at the router by itself, until the last handle is gone. Must be called within a
    /// runtime; more than once is once.
    pub(super) fn start(&self) {
        if !self.0.started.swap(true, Ordering::Relaxed) {
            tokio::spawn(look(Arc::downgrade(&self.0)));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known()
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks outside of the lock: it is others' code.
    fn fleet(&self) -> Option<FleetState> {
        let fleet = self.known().fleet.clone();
        fleet.map(|state| state())
    }

    fn view(&self) -> Option<View> {
        let fleet = self.fleet();
        let known = self.known();
        let router = known.router.as_ref()?;
        let snapshot = router.snapshot();
        Some(View::new(
            &self.observer,
            router,
            &snapshot,
            &known,
            fleet,
            seconds(Some(router)),
        ))
    }

    /// Notes how every target is.
    fn sample(&self) {
        let Some(router) = self.known().router.clone() else {
            return;
        };
        let snapshot = router.snapshot();
        let (table, at) = (self.observer.table(), seconds(Some(&router)));
        for (target, cell) in snapshot.targets().zip(&table.targets) {
            let mut trail = cell.trail.lock().unwrap_or_else(PoisonError::into_inner);
            let [[first_content], _] = trail.quantiles(&cell.tally, [0.5]);
            let sample = Sample {
                at,
                counted: cell.tally.read(),
                headroom: target.headroom.map(|share| share as f32),
                first_content: first_content.map(|seconds| seconds as f32),
                state: target.state,
            };
            trail.push(sample, &cell.tally);
        }
    }
}

/// Looks every second: takes a sample every other time, and shows it to whoever looks on.
async fn look(watch: Weak<Inner>) {
    let mut seconds = interval(Duration::from_secs(1));
    // After a pause there is nothing to catch up with.
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_u64.. {
        seconds.tick().await;
        let Some(watch) = watch.upgrade() else { return };
        if turn % STEP == 0 {
            watch.sample();
        }
        if watch.viewers.is_watched() {
            watch.viewers.show(Event::json("view", &watch.view()));
        }
    }
}

/// Returns the seconds since 1970, by the clock of a router where there is one.
fn seconds(router: Option<&OutcomeRouter>) -> f64 {
    let wall = router.map_or_else(|| SystemClock.wall(), OutcomeRouter::wall);
    millis(wall) as f64 / 1e3
}
