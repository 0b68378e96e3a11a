//! The shared state: which targets there are, what is known of them, and who is picked.
//!
//! An [`OutcomeRouter`] is a cheap handle; clones share. It works without HTTP, too:
//!
//! ```
//! use tower_outcome::{OutcomeRouter, Outcome, PickRequest, Class, Verdict};
//!
//! let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
//! let now = router.now();
//! let ticket = router.pick_at(&PickRequest::new("gpt-4o"), now)?;
//! assert_eq!(ticket.model(), "gpt-4o");
//! ticket.settle_at(Outcome::new(Verdict::new(Class::Success)), now);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asking;
mod assembly;
mod beliefs;
mod builder;
mod clock;
mod counters;
mod coverage;
mod credential;
mod decision;
mod entries;
mod error;
mod evaluation;
mod explain;
mod fit;
mod fleet;
mod group;
mod learned;
mod ledger;
mod lock;
mod numbers;
mod observe;
mod outcome;
mod parameters;
mod pick;
mod pinned;
mod pool;
mod posted;
mod posting;
mod price;
mod report;
mod request;
mod routed;
mod sessions;
mod snapshot;
mod soundness;
mod spent;
mod state;
mod stripes;
mod succession;
mod target;
mod ticket;
mod told;
mod upstream;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

#[cfg(feature = "gateway")]
pub(crate) use self::coverage::lone;
pub use self::{
    builder::Builder,
    clock::{Clock, SystemClock},
    counters::{Counts, Passed},
    decision::{Decision, Obstacle, Reason, Terms, Weighed},
    error::{BuildError, OutOfRange, ReportError, Unavailable},
    learned::Learned,
    ledger::{OutcomeId, Score},
    observe::{Observe, Refused, Settled},
    outcome::Outcome,
    pool::{Mode, NobodyFree, Pool},
    price::Price,
    request::{PickRequest, TargetId},
    routed::Routed,
    snapshot::{PoolSnapshot, Snapshot, TargetSnapshot},
    state::State,
    target::Target,
    ticket::Ticket,
    upstream::{Credential, Upstream},
};
pub(crate) use self::{
    counters::Counters,
    evaluation::Next,
    fleet::{Counter, Fleet, ScopeOf, Stray},
    parameters::Parameters,
    request::Needs,
};
use self::{
    entries::{
        CredentialEntry, GroupEntry, Name, PoolEntry, ProviderEntry, TargetEntry, mode_to_u8,
    },
    error::UnavailableKind,
    fleet::Names,
    group::Group,
    ledger::Ledger,
    numbers::Numbers,
    observe::Observers,
    sessions::Sessions,
    stripes::Handles,
};
use crate::{checks::Checks, classify::Classify, stats::TaskKey, tasks::ClassifyTask};

/// How long routing waits for a target to become free, unless the caller says otherwise.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);
const FEW_NAMES: usize = 16;

/// Picks the target with the best chance to answer a request now, and learns from how it went.
#[derive(Clone)]
pub struct OutcomeRouter {
    inner: Arc<Inner>,
    handles: Arc<Handles<Inner>>,
}

struct Inner {
    pools: Vec<PoolEntry>,
    targets: Vec<TargetEntry>,
    groups: Vec<GroupEntry>,
    credentials: Vec<CredentialEntry>,
    providers: Vec<ProviderEntry>,
    names: Vec<Name>,
    by_name: HashMap<Arc<str>, u32>,
    classifier: Option<Arc<dyn Classify>>,
    tasks: Option<Arc<dyn ClassifyTask>>,
    clock: Arc<dyn Clock>,
    epoch: Instant,
    seed: u64,
    /// Hashes the names of tasks and tenants.
    secret: Names,
    lasting: Arc<Lasting>,
    observers: Observers,
    max_body: usize,
    replace_signatures: bool,
}

/// What routers that follow each other have in common, beside what is known of targets.
struct Lasting {
    decisions: Numbers,
    jitters: AtomicU64,
    ledger: Ledger,
    sessions: Sessions,
    counters: Counters,
    /// What is for others, and comes from them.
    fleet: Option<Arc<Fleet>>,
}

impl Lasting {
    fn new(ledger: Ledger, fleet: Option<Arc<Fleet>>) -> Self {
        Self {
            decisions: Numbers::new(),
            jitters: AtomicU64::new(0),
            ledger,
            sessions: Sessions::new(),
            counters: Counters::default(),
            fleet,
        }
    }
}

impl OutcomeRouter {
    /// Starts building a router.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Takes a target out by hand, or puts it back. Attempts that are open go on. Returns whether
    /// there is a target of this name in a pool of this name.
    #[must_use = "it is false where there is no such target"]
    pub fn set_drained(&self, pool: &str, target: &str, drained: bool) -> bool {
        let entry = self.inner.named(pool, target);
        if let Some(entry) = entry {
            entry.drained.store(drained, Ordering::Relaxed);
            let mut group = self.inner.group(entry.group);
            self.inner.note_broken(entry, &mut group, self.now());
        }
        entry.is_some()
    }

    /// Sets what a target costs from now on. Returns whether there is a target of this name in a pool
    /// of this name, and the price is one: numbers of at least 0.
    #[must_use = "it is false where there is no such target"]
    pub fn set_price(&self, pool: &str, target: &str, price: Price) -> bool {
        let entry = self.inner.named(pool, target).filter(|_| price.is_sound());
        if let Some(entry) = entry {
            entry.price.set(price);
            let mut group = self.inner.group(entry.group);
            if let Some(member) = group.members.get_mut(entry.slot) {
                member.spent.reprice(Some(price));
            }
        }
        entry.is_some()
    }

    /// Returns what a target costs; `None` where that is not known, or where there is no target of this
    /// name in a pool of this name.
    #[must_use]
    pub fn price(&self, pool: &str, target: &str) -> Option<Price> {
        let entry = self.inner.named(pool, target)?;
        let group = self.inner.group(entry.group);
        group.members.get(entry.slot)?.spent.price()
    }

    /// Returns the mode of a pool, or `None` where there is no pool of this name.
    #[must_use]
    pub fn mode(&self, pool: &str) -> Option<Mode> {
        self.inner
            .pools
            .iter()
            .find(|entry| *entry.name == *pool)
            .map(PoolEntry::mode)
    }

    /// Switches a pool. Returns whether there is a pool of this name. The models that were
    /// declared without a pool are in the pool `default`.
    #[must_use = "it is false where there is no pool of this name"]
    pub fn set_mode(&self, pool: &str, mode: Mode) -> bool {
        let entry = self.inner.pools.iter().find(|entry| *entry.name == *pool);
        if let Some(entry) = entry {
            entry.mode.store(mode_to_u8(mode), Ordering::Relaxed);
        }
        entry.is_some()
    }

    /// Returns what is known, as of `now`.
    #[must_use]
    pub fn snapshot_at(&self, now: Instant) -> Snapshot {
        self.inner.snapshot(now)
    }

    /// Returns what is known now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(self.now())
    }

    /// Returns whether a pool serves this model, alias or pool name.
    #[must_use]
    pub fn knows(&self, model: &str) -> bool {
        self.inner.by_name.contains_key(model)
    }

    /// Returns the name of the pool that serves this model, alias or pool name.
    #[must_use]
    pub fn pool_of(&self, model: &str) -> Option<&str> {
        let name = self.inner.name(model).ok()?;
        Some(&self.inner.pools.get(name.pool)?.name)
    }

    /// Returns the time by the router's own clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.clock.now()
    }

    /// Tells this router from others that are there at the same time.
    #[cfg(feature = "gateway")]
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.inner) as usize
    }

    /// Returns whether one of the two routers has taken over from the other, whose counts it goes on with.
    #[cfg(feature = "gateway")]
    pub(crate) fn goes_on_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner.lasting, &other.inner.lasting)
    }

    pub(crate) fn wall(&self) -> std::time::SystemTime {
        self.inner.clock.wall()
    }

    /// Returns the caller's own classifier, if it is not the rules that ship.
    pub(crate) fn classifier(&self) -> Option<&dyn Classify> {
        self.inner.classifier.as_deref()
    }

    /// Returns who says what kind of work a request is.
    pub(crate) fn tasks(&self) -> Option<&dyn ClassifyTask> {
        self.inner.tasks.as_deref()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.lasting.counters
    }

    pub(crate) fn max_body(&self) -> usize {
        self.inner.max_body
    }

    /// Returns whether the signatures of requests give way to credentials of targets.
    pub(crate) fn replaces_signatures(&self) -> bool {
        self.inner.replace_signatures
    }

    /// Returns the name of a target that has no upstream of its own.
    #[cfg(feature = "gateway")]
    pub(crate) fn without_upstream(&self) -> Option<&str> {
        let target = self
            .inner
            .targets
            .iter()
            .find(|target| target.upstream.is_none());
        target.map(|target| &*target.name)
    }

    /// Returns how the pool that serves a model is set up.
    pub(crate) fn pool_rules(&self, model: &str) -> Option<PoolRules> {
        let name = self.inner.name(model).ok()?;
        let pool = self.inner.pools.get(name.pool)?;
        Some(PoolRules {
            mode: pool.mode(),
            nobody_free: pool.nobody_free,
            hold_back: pool.hold_back,
            compressed: pool.compressed,
            derive_sessions: pool.derive_sessions,
            ask_usage: pool.ask_usage,
            checks: pool.checks.clone(),
            cascade: pool.cascade,
            groups_differ: pool.groups_differ,
            images_matter: pool.images_matter.load(Ordering::Relaxed),
        })
    }

    /// Returns what is changed in the parameters of a request that goes to a target.
    pub(crate) fn parameters(&self, target: TargetId) -> Option<Arc<Parameters>> {
        let target = self.inner.targets.get(target.0 as usize)?;
        target.fit.parameters.clone()
    }

    /// Returns the upstream, if it is another than the caller's own, and the target and model that
    /// serve a model in a pool that is off.
    pub(crate) fn off_upstream(&self, model: &str) -> Option<(Arc<Upstream>, TargetId, Arc<str>)> {
        let name = self.inner.name(model).ok()?;
        let id = self.inner.requested_id(name)?;
        let target = self.inner.targets.get(id.0 as usize)?;
        Some((target.upstream.clone()?, id, target.model.clone()))
    }

    /// Returns whether a target sends a credential of its own.
    pub(crate) fn has_own_credential(&self, target: TargetId) -> bool {
        self.inner
            .targets
            .get(target.0 as usize)
            .is_some_and(|target| target.credential.is_some())
    }

    /// Returns whether a target may be asked what its streams used.
    pub(crate) fn may_ask_usage(&self, target: TargetId, now: Instant) -> bool {
        let target = self.inner.targets.get(target.0 as usize);
        target.is_some_and(|target| target.asking.may(self.inner.epoch, now))
    }

    /// Takes in that a target refused a request because it was asked what its stream used.
    pub(crate) fn usage_refused(&self, target: TargetId, now: Instant) {
        let target = self.inner.targets.get(target.0 as usize);
        if let Some(target) = target.filter(|it| it.asking.refused(self.inner.epoch, now)) {
            self.counters().usage_refused();
            tracing::debug!(target = %target.name, "does not tell what its streams use");
        }
    }

    /// Takes in that a request was turned away, and by what.
    pub(crate) fn refused(&self, model: &str, unavailable: &Unavailable, now: Instant) {
        let inner = &self.inner;
        inner.lasting.counters.refused();
        let pool = inner.name(model).and_then(|name| inner.pool(name));
        if let Ok(pool) = pool {
            let refused = Refused {
                pool: &pool.name,
                model,
                unavailable,
                now,
            };
            let observers = &inner.observers;
            observers.tell(&inner.lasting.counters, |observer| {
                observer.refused(&refused);
            });
        }
    }

    /// Returns whether somebody watches.
    pub(crate) fn is_observed(&self) -> bool {
        !self.inner.observers.is_empty()
    }

    /// Takes in how long a decision took.
    pub(crate) fn took(&self, decision: Duration) {
        let inner = &self.inner;
        let observers = &inner.observers;
        observers.tell(&inner.lasting.counters, |observer| observer.took(decision));
    }

    /// Returns a number from 0 to 1 that is a function of the seed and of how often it was asked.
    pub(crate) fn jitter(&self) -> f64 {
        let number = self.inner.lasting.jitters.fetch_add(1, Ordering::Relaxed);
        crate::policy::Rng::new(!self.inner.seed, number).next_f64()
    }
}

/// Returns the end of a wait that begins now. A caller may say "as long as it takes" with a span
/// that no clock can hold.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(10 * 365 * 86_400);
    now + wait.min(FAR)
}

impl fmt::Debug for OutcomeRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools: Vec<_> = self.inner.pools.iter().map(|pool| &*pool.name).collect();
        f.debug_struct("OutcomeRouter")
            .field("pools", &pools)
            .finish_non_exhaustive()
    }
}

/// How a pool is set up.
#[derive(Clone, Debug)]
pub(crate) struct PoolRules {
    pub(crate) mode: Mode,
    pub(crate) nobody_free: NobodyFree,
    pub(crate) hold_back: bool,
    /// Whether answers may come compressed.
    pub(crate) compressed: bool,
    pub(crate) derive_sessions: bool,
    pub(crate) ask_usage: bool,
    pub(crate) checks: Option<Checks>,
    /// Below which quality an answer is asked for again, where that is wanted.
    pub(crate) cascade: Option<Score>,
    /// Whether it matters if a request holds images.
    pub(crate) images_matter: bool,
    /// Whether it matters if a request holds state that only some of the targets can read.
    pub(crate) groups_differ: bool,
}

impl Inner {
    /// Names the cell that a request belongs to: its task, by tenant.
    fn task_key(&self, request: &PickRequest<'_>) -> TaskKey {
        match (request.tenant, request.task) {
            (None, None) => TaskKey::OTHER,
            // Callers choose the names: without the secret, they could choose them to collide.
            (tenant, task) => TaskKey(self.secret.task(tenant, task).max(1)),
        }
    }

    /// Returns the target of a name in the pool of a name.
    fn named(&self, pool: &str, target: &str) -> Option<&TargetEntry> {
        let pool = self.pools.iter().find(|entry| *entry.name == *pool)?;
        let targets = self.targets.get(pool.targets.clone())?;
        targets.iter().find(|entry| *entry.name == *target)
    }

    fn name(&self, model: &str) -> Result<&Name, Unavailable> {
        // A few names are compared sooner than one is hashed.
        if self.names.len() <= FEW_NAMES {
            let name = self.names.iter().find(|name| *name.text == *model);
            return name.ok_or(UnavailableKind::UnknownModel.into());
        }
        self.by_name
            .get(model)
            .and_then(|index| self.names.get(*index as usize))
            .ok_or(UnavailableKind::UnknownModel.into())
    }

    fn pool(&self, name: &Name) -> Result<&PoolEntry, Unavailable> {
        self.pools
            .get(name.pool)
            .ok_or(UnavailableKind::UnknownModel.into())
    }

    /// Locks a group.
    fn group(&self, index: usize) -> MutexGuard<'_, Group> {
        #[allow(
            clippy::indexing_slicing,
            reason = "indices are assigned by the builder"
        )]
        lock::lock(&self.groups[index].shared.group)
    }

    /// Returns the targets that share a limit.
    fn members(&self, group: usize) -> impl Iterator<Item = &TargetEntry> {
        let entry = self.groups.get(group);
        let members = entry.into_iter().flat_map(|entry| &entry.targets);
        members.filter_map(|target| self.targets.get(*target))
    }

    fn requested_id(&self, name: &Name) -> Option<TargetId> {
        let pool = self.pools.get(name.pool)?;
        u32::try_from(pool.targets.start + name.rank)
            .ok()
            .map(TargetId)
    }
}
