use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU64},
    },
};

use http::HeaderName;

use super::{
    Inner, OutcomeRouter,
    asking::Asking,
    beliefs::Beliefs,
    clock::{Clock, SystemClock},
    counters::Counters,
    coverage,
    credential::CredentialState,
    entries::{Around, Name, PoolEntry, TargetEntry, mode_to_u8},
    error::BuildError,
    fit::Fit,
    group::{Group, Member},
    learned::Learned,
    ledger::Ledger,
    numbers::Numbers,
    observe::{Observe, Observers},
    pinned::Pinned,
    pool::Pool,
    posted::{Number, Posted},
    price::Price,
    price::Tariff,
    sessions::Sessions,
    stripes::{Handles, Padded},
    target::Target,
    upstream::{Credential, Upstream},
};
use crate::{
    checks::{Check, Checks},
    classify::Classify,
    policy::{Adaptive, RoutingPolicy},
    stats::Quality,
    tasks::ClassifyTask,
};

/// Long enough for any model's name, short enough for labels and keys.
const LONGEST_NAME: usize = 256;
/// The largest request body that is looked into.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// Attempts that can be scored later.
const LEDGER: usize = 16_384;
/// Tasks per pool that are told apart.
const TASKS: usize = 4_096;
/// The pool of models that were declared without one.
const UNNAMED: &str = "default";

/// Builds an [`OutcomeRouter`].
#[must_use]
pub struct Builder {
    models: Option<Pool>,
    pools: Vec<Pool>,
    policy: Arc<dyn RoutingPolicy>,
    classifier: Option<Arc<dyn Classify>>,
    tasks: Option<Arc<dyn ClassifyTask>>,
    checks: Vec<Arc<dyn Check>>,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
    max_body: usize,
    replace_signatures: bool,
    quiet: bool,
    ledger: usize,
    learned: Option<Learned>,
    observers: Observers,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            models: None,
            pools: Vec::new(),
            policy: Arc::new(Adaptive),
            classifier: None,
            tasks: None,
            checks: Vec::new(),
            clock: Arc::new(SystemClock),
            seed: None,
            max_body: MAX_BODY,
            replace_signatures: false,
            quiet: false,
            ledger: LEDGER,
            learned: None,
            observers: Observers::default(),
        }
    }

    /// Adds a model to the pool `default`, less preferred than those before it. It is served at
    /// the caller's own upstream, with the caller's own credential.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        let models = self.models.take().unwrap_or_else(|| Pool::new(UNNAMED));
        self.models = Some(models.model(model));
        self
    }

    /// Adds a pool.
    pub fn pool(mut self, pool: Pool) -> Self {
        self.pools.push(pool);
        self
    }

    /// Sets the policy of the pools that have none of their own. Default: [`Adaptive`].
    pub fn policy(mut self, policy: impl RoutingPolicy + 'static) -> Self {
        self.policy = Arc::new(policy);
        self
    }

    /// Sets how answers are judged. Default:
    /// [`DefaultClassifier`](crate::classify::DefaultClassifier).
    pub fn classifier(mut self, classifier: impl Classify + 'static) -> Self {
        self.classifier = Some(Arc::new(classifier));
        self
    }

    /// Sets who says what kind of work a request is, where it carries no [`Task`](crate::Task).
    /// Default: nobody, and all such requests are one task.
    pub fn tasks(mut self, classifier: impl ClassifyTask + 'static) -> Self {
        self.tasks = Some(Arc::new(classifier));
        self
    }

    /// Adds a check of good answers for the pools that have none of their own; see
    /// [`checks`](crate::checks). Default: none.
    pub fn success_when(mut self, check: impl Check + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Sets the clock. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the seed of all randomness, which is a function of it and of the decision's number.
    /// Default: drawn from the system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the largest request body, in bytes, that is buffered and looked into; larger ones pass
    /// through. Default: 32 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets whether requests with an AWS signature are routed, too. Default: no, they pass through.
    ///
    /// Such a signature covers path and body, so that it holds for no other target. Where this is
    /// set, the caller's is taken off every request that is routed, and the request goes out with
    /// the credential of its target's upstream, or with none. Set it where every target has an
    /// upstream with a credential of its own, or where a signer sits below routing.
    pub fn replace_signatures(mut self, replace: bool) -> Self {
        self.replace_signatures = replace;
        self
    }

    /// Sets how many attempts are remembered for later scores. Default: 16,384.
    pub fn ledger_capacity(mut self, attempts: usize) -> Self {
        self.ledger = attempts;
        self
    }

    /// Starts with what another router has learned.
    pub fn learned(mut self, learned: Learned) -> Self {
        self.learned = Some(learned);
        self
    }

    /// Adds somebody who watches what the router does.
    pub fn observer(mut self, observer: Arc<dyn Observe>) -> Self {
        self.observers.0.push(observer);
        self
    }

    /// Leaves it to the caller to warn of what a pool has no failover for.
    #[cfg(feature = "gateway")]
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Builds the router. Warns, in the log, of the endpoints that only one target of a pool of
    /// several takes, by the dialects of their upstreams.
    ///
    /// # Errors
    ///
    /// If there is no target, if a name is empty, longer than 256 bytes or holds control
    /// characters, or if two pools or two targets of a pool share a name.
    pub fn build(self) -> Result<OutcomeRouter, BuildError> {
        let now = self.clock.now();
        let mut assembly = Assembly::default();
        let unnamed = self.models.is_some();
        for pool in self.models.into_iter().chain(self.pools) {
            if !self.quiet {
                for lone in coverage::lone(&pool) {
                    tracing::warn!("{lone}");
                }
            }
            assembly.add(pool, &self.policy, &self.checks, now)?;
        }
        if assembly.targets.is_empty() {
            return Err(BuildError::new("a router needs at least one model"));
        }
        let names = assembly.names(unnamed)?;
        assembly.share_secrets();
        let seed = self
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8));
        let learned = self.learned.unwrap_or_default();
        let inner = Arc::new(Inner {
            pools: assembly.pools,
            targets: assembly.targets,
            rooms: assembly.groups.iter().map(|_| Number::new(0.0)).collect(),
            groups: assembly
                .groups
                .into_iter()
                .map(|group| Padded(Mutex::new(group)))
                .collect(),
            credentials: assembly
                .credentials
                .iter()
                .map(|_| CredentialState::new())
                .collect(),
            by_name: names
                .iter()
                .map(|name| (name.text.clone(), name.index))
                .collect(),
            names,
            classifier: self.classifier,
            tasks: self.tasks,
            clock: self.clock,
            epoch: now,
            seed,
            decisions: Numbers::new(),
            jitters: AtomicU64::new(0),
            secret: learned.secret(),
            ledger: Ledger::new(self.ledger),
            sessions: Sessions::new(),
            upstreams: assembly
                .upstreams
                .iter()
                .map(|_| Around::default())
                .collect(),
            counters: Counters::default(),
            observers: self.observers,
            max_body: self.max_body,
            replace_signatures: self.replace_signatures,
        });
        let router = OutcomeRouter {
            handles: Arc::new(Handles::new(&inner)),
            inner,
        };
        learned.resume(&router.inner, now);
        Ok(router)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("models", &self.models)
            .field("pools", &self.pools)
            .field("policy", &self.policy)
            .field("classifier", &self.classifier)
            .field("tasks", &self.tasks)
            .field("checks", &self.checks.len())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// What a build puts together.
#[derive(Default)]
struct Assembly {
    pools: Vec<PoolEntry>,
    targets: Vec<TargetEntry>,
    groups: Vec<Group>,
    group_keys: HashMap<String, usize>,
    credentials: Vec<Credential>,
    upstreams: Vec<Option<String>>,
    compatibility: Vec<String>,
}

impl Assembly {
    fn add(
        &mut self,
        pool: Pool,
        policy: &Arc<dyn RoutingPolicy>,
        checks: &[Arc<dyn Check>],
        now: tokio::time::Instant,
    ) -> Result<(), BuildError> {
        let what = format!("pool {:?}", pool.name);
        check_name("pool", &pool.name)?;
        if pool.targets.is_empty() {
            return Err(BuildError::new(format!("{what} has no target")));
        }
        check_settings(&what, &pool)?;
        let expected: Vec<_> = pool
            .targets
            .iter()
            .map(|target| target.expected_quality)
            .collect();
        let ordered = pool.preference != Some(0.0);
        let index = self.pools.len();
        let first = self.targets.len();
        for (rank, target) in pool.targets.iter().enumerate() {
            check_name(&format!("{what}: model"), &target.model)?;
            check_name(&format!("{what}: target"), target.label())?;
            let twin = self
                .targets
                .iter()
                .skip(first)
                .any(|other| *other.name == *target.label());
            if twin {
                return Err(BuildError::new(format!(
                    "{what} has two targets named {:?}; name one of them otherwise",
                    target.label()
                )));
            }
            self.add_target(index, rank, target, now);
        }
        let added = self.targets.get(first..).unwrap_or_default();
        let mut groups = added.iter().map(|target| target.fit.compatibility);
        let group = groups.next();
        let groups_differ = groups.any(|other| Some(other) != group);
        let blind = added.iter().any(|target| target.fit.lacks_images());
        self.pools.push(PoolEntry {
            name: pool.name.into(),
            aliases: pool.aliases,
            pinned: Pinned::nobody(),
            targets: first..self.targets.len(),
            policy: pool.policy.unwrap_or_else(|| policy.clone()),
            mode: AtomicU8::new(mode_to_u8(pool.mode)),
            nobody_free: pool.nobody_free,
            upgrade: pool.upgrade,
            hold_back: pool.hold_back,
            compressed: pool.compressed,
            cost_weight: pool.cost_weight,
            objective: pool.objective,
            preference: pool.preference,
            beliefs: Beliefs::new(Quality::new(&expected, ordered, TASKS, now), expected.len()),
            derive_sessions: pool.derive_sessions,
            ask_usage: pool.ask_usage,
            cascade: pool.cascade.then_some(pool.cascade_below),
            checks: Checks::new(&pool.checks).or_else(|| Checks::new(checks)),
            groups_differ,
            images_matter: AtomicBool::new(blind),
        });
        Ok(())
    }

    fn add_target(&mut self, pool: usize, rank: usize, target: &Target, now: tokio::time::Instant) {
        let credential = target.upstream.as_ref().and_then(|upstream| {
            let credential = upstream.credential.as_ref()?;
            let known = self
                .credentials
                .iter()
                .position(|known| known == credential);
            Some(known.unwrap_or_else(|| {
                self.credentials.push(credential.clone());
                self.credentials.len() - 1
            }))
        });
        let key = target.quota_group.as_ref().map_or_else(
            || {
                let upstream = target.upstream.as_ref().map(Upstream::key);
                format!("auto {upstream:?} {credential:?} {}", target.model)
            },
            |group| format!("named {group}"),
        );
        let group = *self.group_keys.entry(key).or_insert_with(|| {
            self.groups.push(Group::new(now));
            self.groups.len() - 1
        });
        let provider = target.upstream.as_ref().map(Upstream::key);
        let known = self.upstreams.iter().position(|known| *known == provider);
        let provider = known.unwrap_or_else(|| {
            self.upstreams.push(provider);
            self.upstreams.len() - 1
        });
        let compatibility = self.compatibility(target);
        let mut slot = 0;
        if let Some(group) = self.groups.get_mut(group) {
            slot = group.members.len();
            group.members.push(Member::new(target.price, now));
        }
        self.targets.push(TargetEntry {
            name: target.label().into(),
            model: target.model.as_str().into(),
            pool,
            rank,
            upstream: target.upstream.clone().map(Arc::new),
            group,
            slot,
            credential,
            provider,
            price: Tariff::new(target.price),
            objective: target.objective,
            preference: target.preference,
            weight: target.weight,
            drained: AtomicBool::new(false),
            asking: Asking::default(),
            fit: Fit::new(target, compatibility),
            posted: Posted::new(),
        });
    }

    /// Returns the number of the target's compatibility group.
    fn compatibility(&mut self, target: &Target) -> u32 {
        let key = match &target.compatibility_group {
            Some(group) => format!("named {group}"),
            None => format!("auto {:?}", target.upstream.as_ref().map(Upstream::key)),
        };
        let known = self.compatibility.iter().position(|known| *known == key);
        let index = known.unwrap_or_else(|| {
            self.compatibility.push(key);
            self.compatibility.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// Lets every upstream know the headers in which any target's credential may come.
    fn share_secrets(&mut self) {
        let names = self.credentials.iter().flat_map(Credential::header_names);
        let secrets: Arc<[HeaderName]> = names.cloned().collect();
        for target in &mut self.targets {
            if let Some(upstream) = &mut target.upstream {
                Arc::make_mut(upstream).secrets = secrets.clone();
            }
        }
    }

    /// Says what a requested model may mean. A pool's own name and aliases win over models; of two
    /// pools with the same model, the first wins.
    fn names(&self, unnamed: bool) -> Result<Vec<Name>, BuildError> {
        let mut names: Vec<Name> = Vec::new();
        let mut add = |text: Arc<str>, pool, rank, alias| {
            let index = u32::try_from(names.len()).unwrap_or(u32::MAX);
            let new = names.iter().all(|name| name.text != text);
            if new {
                names.push(Name {
                    index,
                    text,
                    pool,
                    rank,
                    alias,
                });
            }
            new
        };
        for (index, pool) in self.pools.iter().enumerate() {
            let own = (index > 0 || !unnamed).then_some(&*pool.name);
            for name in own
                .into_iter()
                .chain(pool.aliases.iter().map(String::as_str))
            {
                check_name("alias", name)?;
                if !add(name.into(), index, 0, true) {
                    return Err(BuildError::new(format!("two pools answer to {name:?}")));
                }
            }
        }
        for target in &self.targets {
            add(target.model.clone(), target.pool, target.rank, false);
        }
        Ok(names)
    }
}

/// Refuses numbers that mean nothing.
fn check_settings(what: &str, pool: &Pool) -> Result<(), BuildError> {
    let refuse = |what: String, must: &str| Err(BuildError::new(format!("{what} must be {must}")));
    let at_least_0 = |value: f64| value.is_finite() && value >= 0.0;
    if !at_least_0(pool.cost_weight) {
        return refuse(format!("{what}: the cost weight"), "a number of at least 0");
    }
    if !pool.preference.is_none_or(at_least_0) {
        return refuse(format!("{what}: the preference"), "a number of at least 0");
    }
    for target in &pool.targets {
        let what = format!("{what}: target {:?}", target.label());
        let score = |score: f64| (0.0..=1.0).contains(&score);
        if !target.expected_quality.is_none_or(score) {
            return refuse(
                format!("{what}: the expected quality"),
                "a number from 0 to 1",
            );
        }
        if !target.price.is_none_or(Price::is_sound) {
            return refuse(format!("{what}: the price"), "numbers of at least 0");
        }
        if !target.preference.is_none_or(at_least_0) {
            return refuse(format!("{what}: the preference"), "a number of at least 0");
        }
        if !at_least_0(target.weight) {
            return refuse(format!("{what}: the weight"), "a number of at least 0");
        }
        if target.context_window == Some(0) {
            return refuse(format!("{what}: the context window"), "at least 1 token");
        }
        if target.max_output_tokens == Some(0) {
            return refuse(format!("{what}: the output tokens"), "at least 1");
        }
        if let Some(group) = &target.compatibility_group {
            check_name(&format!("{what}: compatibility group"), group)?;
        }
        target.parameters.check(&what)?;
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), BuildError> {
    if name.is_empty() {
        return Err(BuildError::new(format!("{what}: the name is empty")));
    }
    if name.len() > LONGEST_NAME {
        return Err(BuildError::new(format!(
            "{what}: the name is longer than {LONGEST_NAME} bytes"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(BuildError::new(format!(
            "{what}: the name {name:?} holds a control character"
        )));
    }
    Ok(())
}
