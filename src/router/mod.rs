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

mod beliefs;
mod builder;
mod clock;
mod counters;
mod credential;
mod decision;
mod error;
mod evaluation;
mod explain;
mod fit;
mod group;
mod learned;
mod ledger;
mod lock;
mod numbers;
mod parameters;
mod pool;
mod posted;
mod request;
mod routed;
mod sessions;
mod snapshot;
mod stripes;
mod target;
mod ticket;
mod told;
mod upstream;

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use self::{
    beliefs::Beliefs,
    credential::CredentialState,
    error::UnavailableKind,
    evaluation::Evaluation,
    fit::Fit,
    group::Group,
    ledger::{Change, Formed, Ledger, Scored},
    numbers::Numbers,
    posted::{Number, Posted},
    sessions::Sessions,
    stripes::{Handles, Padded},
    ticket::Plan,
};
pub use self::{
    builder::Builder,
    clock::{Clock, SystemClock},
    counters::{Counts, Passed},
    decision::{Decision, Obstacle, Reason, Terms, Weighed},
    error::{BuildError, OutOfRange, ReportError, Unavailable},
    learned::Learned,
    ledger::{OutcomeId, Score},
    pool::{Mode, NobodyFree, Pool},
    request::{PickRequest, TargetId},
    routed::Routed,
    snapshot::{PoolSnapshot, Snapshot, TargetSnapshot},
    target::{Price, Target},
    ticket::{Outcome, Ticket},
    upstream::{Credential, Upstream},
};
pub(crate) use self::{
    counters::Counters, evaluation::Next, parameters::Parameters, request::Needs,
};
use crate::{
    checks::Checks,
    classify::Classify,
    policy::RoutingPolicy,
    stats::{FormAge, Recorded, TaskKey},
    tasks::ClassifyTask,
};

/// How long routing waits for a target to become free, unless the caller says otherwise.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(10);
const FEW_NAMES: usize = 16;
/// Picks that may lose the race for the last room before the answer is that there is none.
const RACES: u32 = 8;

/// Picks the target with the best chance to answer a request now, and learns from how it went.
#[derive(Clone)]
pub struct OutcomeRouter {
    inner: Arc<Inner>,
    handles: Arc<Handles<Inner>>,
}

struct Inner {
    pools: Vec<PoolEntry>,
    targets: Vec<TargetEntry>,
    groups: Vec<Padded<Mutex<Group>>>,
    /// Of each group, up to how many tokens a request has room for; 0 where there is more to say.
    rooms: Vec<Number>,
    credentials: Vec<CredentialState>,
    names: Vec<Name>,
    by_name: HashMap<Arc<str>, u32>,
    classifier: Option<Arc<dyn Classify>>,
    tasks: Option<Arc<dyn ClassifyTask>>,
    clock: Arc<dyn Clock>,
    epoch: Instant,
    seed: u64,
    decisions: Numbers,
    jitters: AtomicU64,
    /// Keys the hashes of tasks and tenants.
    secret: u64,
    ledger: Ledger,
    sessions: Sessions,
    upstreams: Vec<Around>,
    counters: Counters,
    max_body: usize,
}

/// The targets of one upstream.
#[derive(Debug, Default)]
struct Around {
    /// How many are broken.
    broken: AtomicU32,
    /// How often one has broken.
    breaks: AtomicU32,
}

#[derive(Debug)]
struct PoolEntry {
    name: Arc<str>,
    aliases: Vec<String>,
    targets: Range<usize>,
    policy: Arc<dyn RoutingPolicy>,
    mode: AtomicU8,
    nobody_free: NobodyFree,
    upgrade: bool,
    hold_back: bool,
    derive_sessions: bool,
    cost_weight: f64,
    objective: Option<Duration>,
    preference: Option<f64>,
    beliefs: Beliefs,
    checks: Option<Checks>,
    cascade: Option<Score>,
    /// Whether somebody cares if a request holds images: it takes a look at its messages.
    images_matter: AtomicBool,
}

#[derive(Debug)]
struct TargetEntry {
    name: Arc<str>,
    model: Arc<str>,
    pool: usize,
    rank: usize,
    upstream: Option<Arc<Upstream>>,
    group: usize,
    slot: usize,
    credential: Option<usize>,
    /// Which upstream it belongs to: targets of one share suspicion.
    provider: usize,
    price: Tariff,
    objective: Option<Duration>,
    preference: Option<f64>,
    weight: f64,
    drained: AtomicBool,
    fit: Fit,
    posted: Posted,
}

/// What a requested model means.
#[derive(Debug)]
struct Name {
    index: u32,
    text: Arc<str>,
    pool: usize,
    rank: usize,
    alias: bool,
}

impl OutcomeRouter {
    /// Starts building a router.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Says what a pick would do now, and why. Opens no attempt. `now` must not be ahead of the time
    /// that attempts are settled by: open ones would count as overdue.
    ///
    /// # Errors
    ///
    /// If no pool serves the requested model.
    pub fn decide(&self, request: &PickRequest<'_>, now: Instant) -> Result<Decision, Unavailable> {
        let number = self.inner.decisions.peek();
        self.inner.explain(request, number, now)
    }

    /// Picks a target and opens a ticket for the attempt.
    ///
    /// # Errors
    ///
    /// If no pool serves the requested model, if no target of the pool may serve it, or if none is
    /// free; the error says for how long.
    pub fn pick_at(&self, request: &PickRequest<'_>, now: Instant) -> Result<Ticket, Unavailable> {
        let number = self.inner.decisions.take();
        self.pick_numbered(request, number, now)
    }

    /// Picks a target; where nobody serves, a request that asks for it is told the decision.
    pub(crate) fn pick_or_tell(
        &self,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Ticket, (Unavailable, Option<Arc<Decision>>)> {
        let number = self.inner.decisions.take();
        self.pick_numbered(request, number, now)
            .map_err(|unavailable| {
                let asked = request
                    .explain
                    .then(|| self.inner.explain(request, number, now));
                let decision = asked.and_then(Result::ok).map(Arc::new);
                (unavailable, decision)
            })
    }

    fn pick_numbered(
        &self,
        request: &PickRequest<'_>,
        number: u64,
        now: Instant,
    ) -> Result<Ticket, Unavailable> {
        let name = self.inner.name(request.model)?;
        if self.inner.pool(name)?.mode() != Mode::Route {
            return self.observe(request, name, number, now);
        }
        for _ in 0..RACES {
            let pool = self.inner.pool(name)?;
            // In its place: it is large.
            let mut evaluation = Evaluation::new(&self.inner, request, name, pool, number, now);
            evaluation.look()?;
            let (chosen, mut reason) = evaluation.choose()?;
            if request.shadow {
                if !evaluation.has_free() {
                    return Err(UnavailableKind::NobodyFree.into());
                }
                reason = Reason::Shadow;
            }
            if let Some(ticket) = self.open(&evaluation, chosen, reason) {
                return Ok(ticket);
            }
        }
        Err(Unavailable {
            retry_in: Some(Duration::from_millis(10)),
            ..UnavailableKind::NobodyFree.into()
        })
    }

    /// Picks a target now; see [`pick_at`](Self::pick_at).
    ///
    /// # Errors
    ///
    /// As [`pick_at`](Self::pick_at).
    pub fn pick(&self, request: &PickRequest<'_>) -> Result<Ticket, Unavailable> {
        self.pick_at(request, self.now())
    }

    /// Takes in a score for an attempt. Late is fine, twice is once, later replaces earlier.
    ///
    /// # Errors
    ///
    /// If this router did not issue the id, or has forgotten it.
    pub fn report_at(&self, id: OutcomeId, score: Score, now: Instant) -> Result<(), ReportError> {
        self.inner.ledger.score(id, score, |place, change| {
            self.inner.counters.reported();
            self.inner.score(place, score, change, now)
        })
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

    /// Takes in a score now; see [`report_at`](Self::report_at).
    ///
    /// # Errors
    ///
    /// As [`report_at`](Self::report_at).
    pub fn report(&self, id: OutcomeId, score: Score) -> Result<(), ReportError> {
        self.report_at(id, score, self.now())
    }

    /// Takes in whether the answer of an attempt has the form that was asked for. Twice is once,
    /// later replaces earlier. Form is not quality: it is learned apart from scores.
    ///
    /// # Errors
    ///
    /// If this router did not issue the id, or has forgotten it.
    pub fn report_form_at(
        &self,
        id: OutcomeId,
        valid: bool,
        now: Instant,
    ) -> Result<(), ReportError> {
        self.inner.ledger.form(id, valid, |place, change| {
            self.inner.counters.formed();
            self.inner.form(place, valid, change, now)
        })
    }

    /// Takes in the form of an answer now; see [`report_form_at`](Self::report_form_at).
    ///
    /// # Errors
    ///
    /// As [`report_form_at`](Self::report_form_at).
    pub fn report_form(&self, id: OutcomeId, valid: bool) -> Result<(), ReportError> {
        self.report_form_at(id, valid, self.now())
    }

    /// Sets what a target costs from now on. Returns whether there is a target of this name in a pool
    /// of this name, and the price is one: two numbers of at least 0.
    #[must_use = "it is false where there is no such target"]
    pub fn set_price(&self, pool: &str, target: &str, price: Price) -> bool {
        let entry = self.inner.named(pool, target).filter(|_| price.is_sound());
        if let Some(entry) = entry {
            entry.price.set(price);
        }
        entry.is_some()
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

    /// Returns the time by the router's own clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.clock.now()
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
        &self.inner.counters
    }

    pub(crate) fn max_body(&self) -> usize {
        self.inner.max_body
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
            derive_sessions: pool.derive_sessions,
            checks: pool.checks.clone(),
            cascade: pool.cascade,
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

    /// Returns a number from 0 to 1 that is a function of the seed and of how often it was asked.
    pub(crate) fn jitter(&self) -> f64 {
        let number = self.inner.jitters.fetch_add(1, Ordering::Relaxed);
        crate::policy::Rng::new(!self.inner.seed, number).next_f64()
    }

    /// Returns whether another target than those tried is free now, for a call that named `model`.
    pub(crate) fn alternative(&self, request: &PickRequest<'_>, now: Instant) -> Option<Next> {
        let number = self.inner.decisions.peek();
        let name = self.inner.name(request.model).ok()?;
        let evaluation = self.inner.evaluate(request, name, number, now).ok()?;
        Some(evaluation.next())
    }

    /// Returns whether a target is free now, and neither failing nor returning from a rate limit.
    pub(crate) fn has_free(&self, request: &PickRequest<'_>, now: Instant) -> bool {
        let number = self.inner.decisions.peek();
        let name = self.inner.name(request.model);
        name.and_then(|name| self.inner.evaluate(request, name, number, now))
            .is_ok_and(|evaluation| evaluation.has_free())
    }

    /// Returns whether the next target, one that the call has not tried, is free now and not believed
    /// to be worse than `failed`, whose answer failed its checks.
    pub(crate) fn better_alternative(
        &self,
        request: &PickRequest<'_>,
        failed: TargetId,
        now: Instant,
    ) -> bool {
        let number = self.inner.decisions.peek();
        let name = self.inner.name(request.model);
        name.and_then(|name| self.inner.evaluate(request, name, number, now))
            .is_ok_and(|evaluation| evaluation.has_better_than(failed))
    }

    /// Serves the requested target whatever its state, and notes what would have been picked.
    fn observe(
        &self,
        request: &PickRequest<'_>,
        name: &Name,
        number: u64,
        now: Instant,
    ) -> Result<Ticket, Unavailable> {
        let target = self
            .inner
            .requested_id(name)
            .ok_or(UnavailableKind::NoCandidate)?;
        let decision = self.inner.explain(request, number, now).ok();
        let observed = decision
            .as_ref()
            .and_then(|decision| decision.target().map(Arc::from));
        let reason = Reason::Observed;
        let plan = Plan {
            task: self.inner.task_key(request),
            ..Plan::default()
        };
        let ticket = self
            .ticket(request, name, target, reason, number, now, |_| Some(plan))
            .ok_or(UnavailableKind::NoCandidate)?;
        let ticket = ticket.observing(observed);
        Ok(match decision.filter(|_| request.explain) {
            Some(decision) => ticket.explained(decision),
            None => ticket,
        })
    }

    fn open(&self, evaluation: &Evaluation<'_>, chosen: usize, reason: Reason) -> Option<Ticket> {
        let target = evaluation.target(chosen)?;
        let (request, now) = (evaluation.request, evaluation.now);
        let told = request.explain.then(|| reason.clone());
        let ticket = self.ticket(
            request,
            evaluation.name,
            target,
            reason,
            evaluation.number,
            now,
            |group| evaluation.plan(chosen, group, now),
        )?;
        if let Some(key) = request.session_key {
            self.inner.sessions.remember(key, target.0);
        }
        Some(match told {
            Some(reason) => ticket.explained(evaluation.told(Some((chosen, reason)))),
            None => ticket,
        })
    }

    /// Books an attempt under the group's lock, if `admit` gives a plan for it.
    #[allow(
        clippy::too_many_arguments,
        reason = "one call site each for routing and observing"
    )]
    fn ticket(
        &self,
        request: &PickRequest<'_>,
        name: &Name,
        id: TargetId,
        reason: Reason,
        number: u64,
        now: Instant,
        admit: impl FnOnce(&mut Group) -> Option<Plan>,
    ) -> Option<Ticket> {
        let target = self.inner.targets.get(id.0 as usize)?;
        let (task, booking) = {
            let mut group = self.inner.group(target.group);
            let plan = admit(&mut group)?;
            let booking = ticket::Booking::new(&mut group, target.slot, request, plan, now)?;
            self.inner.post_pick(target, &mut group, now);
            (plan.task, booking)
        };
        let trial = target.fit.begin(request, self.inner.epoch, now);
        if let Some(credential) = target
            .credential
            .and_then(|at| self.inner.credentials.get(at))
        {
            credential.begin(self.inner.epoch, now);
        }
        let routed = Routed {
            inner: self.handles.own(),
            name: name.index,
            target: id,
            reason,
            attempt: request.attempts.saturating_add(1),
            id: self.inner.ledger.open(number, id.0, task),
            observed: None,
        };
        Some(Ticket::new(routed, booking.with_trial(trial)))
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
    pub(crate) derive_sessions: bool,
    pub(crate) checks: Option<Checks>,
    /// Below which quality an answer is asked for again, where that is wanted.
    pub(crate) cascade: Option<Score>,
    /// Whether it matters if a request holds images.
    pub(crate) images_matter: bool,
}

impl PoolEntry {
    fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            0 => Mode::Route,
            1 => Mode::Observe,
            _ => Mode::Off,
        }
    }
}

fn mode_to_u8(mode: Mode) -> u8 {
    match mode {
        Mode::Route => 0,
        Mode::Observe => 1,
        Mode::Off => 2,
    }
}

/// A price that can be changed while decisions read it.
#[derive(Debug)]
struct Tariff {
    input: Number,
    output: Number,
}

impl Tariff {
    fn new(price: Option<Price>) -> Self {
        let Price { input, output } = price.unwrap_or_default();
        Self {
            input: Number::new(input),
            output: Number::new(output),
        }
    }

    fn set(&self, price: Price) {
        self.input.set(price.input);
        self.output.set(price.output);
    }

    fn get(&self) -> Price {
        Price::per_million(self.input.get(), self.output.get())
    }
}

impl TargetEntry {
    fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// Names the cell that a request belongs to: its task, by tenant.
    fn task_key(&self, request: &PickRequest<'_>) -> TaskKey {
        match (request.tenant, request.task) {
            (None, None) => TaskKey::OTHER,
            names => {
                // Callers choose the names: without the secret, they could choose them to collide.
                let mut hasher = DefaultHasher::new();
                (self.secret, names).hash(&mut hasher);
                TaskKey(hasher.finish().max(1))
            }
        }
    }

    fn score(&self, place: Scored, score: Score, change: Change, now: Instant) -> Recorded {
        let Some((pool, slot)) = self.in_pool(place.target) else {
            return Recorded::default();
        };
        pool.beliefs.change(|quality| match change {
            Change::First => quality.record(slot, place.task, score.value(), now),
            Change::Correction {
                difference,
                recorded,
            } => {
                let new = score.value();
                quality.correct(slot, place.task, (new - difference, new), recorded);
                recorded
            }
        })
    }

    fn form(&self, place: Scored, valid: bool, change: Formed, now: Instant) -> FormAge {
        let Some((pool, slot)) = self.in_pool(place.target) else {
            return FormAge::default();
        };
        pool.beliefs.change(|quality| match change {
            Formed::First => quality.record_form(slot, place.task, valid, now),
            Formed::Correction(age) => {
                quality.correct_form(slot, place.task, valid, age);
                age
            }
        })
    }

    /// Returns the target of a name in the pool of a name.
    fn named(&self, pool: &str, target: &str) -> Option<&TargetEntry> {
        let pool = self.pools.iter().find(|entry| *entry.name == *pool)?;
        let targets = self.targets.get(pool.targets.clone())?;
        targets.iter().find(|entry| *entry.name == *target)
    }

    /// Returns the pool of a target, and its place in it.
    fn in_pool(&self, target: u32) -> Option<(&PoolEntry, usize)> {
        let entry = self.targets.get(target as usize)?;
        Some((self.pools.get(entry.pool)?, entry.rank))
    }

    /// Returns how many targets of the same upstream are broken, itself included, and which break
    /// that was.
    fn broken_around(&self, target: &TargetEntry) -> (u32, u32) {
        let around = self.upstreams.get(target.provider);
        around.map_or((0, 0), |around| {
            let broken = around.broken.load(Ordering::Relaxed);
            (broken, around.breaks.load(Ordering::Relaxed))
        })
    }

    /// Lets the upstream of a target know whether it is broken.
    fn note_broken(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        let Some(member) = group.members.get_mut(target.slot) else {
            return;
        };
        // One that was taken out is probed by nobody: it must not keep its siblings suspected.
        let broken = member.health.is_broken(now) && !target.is_drained();
        if broken != std::mem::replace(&mut member.broken, broken)
            && let Some(around) = self.upstreams.get(target.provider)
        {
            if broken {
                around.breaks.fetch_add(1, Ordering::Relaxed);
                around.broken.fetch_add(1, Ordering::Relaxed);
            } else {
                around.broken.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns within which time a target should answer, where that was set.
    fn objective(&self, target: &TargetEntry) -> Option<Duration> {
        let pool = || self.pools.get(target.pool)?.objective;
        target.objective.or_else(pool)
    }

    /// Posts how a target and its group are, for decisions to read without the lock.
    fn post(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        self.post_room(target, group, now);
        if let Some(member) = group.members.get_mut(target.slot) {
            let objective = self.objective(target);
            target.posted.post(member, objective, self.epoch, now);
        }
    }

    /// Posts what a pick changes.
    fn post_pick(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        self.post_room(target, group, now);
        if let Some(member) = group.members.get_mut(target.slot) {
            target.posted.picked(member, self.epoch, now);
        }
    }

    fn post_room(&self, target: &TargetEntry, group: &Group, now: Instant) {
        if let Some(room) = self.rooms.get(target.group) {
            room.set(group.capacity.free_below(now).unwrap_or(0.0));
        }
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
        lock::lock(&self.groups[index])
    }

    fn requested_id(&self, name: &Name) -> Option<TargetId> {
        let pool = self.pools.get(name.pool)?;
        u32::try_from(pool.targets.start + name.rank)
            .ok()
            .map(TargetId)
    }
}
