use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    Inner, Lasting, OutcomeRouter,
    assembly::Assembly,
    clock::{Clock, SystemClock},
    coverage,
    entries::Name,
    error::BuildError,
    fleet::{Fleet, Names},
    learned::Learned,
    ledger::Ledger,
    observe::{Observe, Observers},
    pool::Pool,
    stripes::Handles,
};
use crate::{
    checks::Check,
    classify::Classify,
    policy::{Adaptive, RoutingPolicy},
    tasks::ClassifyTask,
};

/// The largest request body that is looked into.
const MAX_BODY: usize = 32 * 1024 * 1024;
/// Attempts that can be scored later.
const LEDGER: usize = 16_384;
/// The pool of models that were declared without one.
const UNNAMED: &str = "default";

/// Builds an [`OutcomeRouter`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    models: Option<Pool>,
    pools: Vec<Pool>,
    policy: Arc<dyn RoutingPolicy>,
    classifier: Option<Arc<dyn Classify>>,
    tasks: Option<Arc<dyn ClassifyTask>>,
    checks: Vec<Arc<dyn Check>>,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    max_body: usize,
    replace_signatures: bool,
    quiet: bool,
    ledger: usize,
    shared: Option<Names>,
    learned: Option<Learned>,
    observers: Observers,
    predecessor: Option<Arc<Inner>>,
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
            clock: None,
            seed: None,
            max_body: MAX_BODY,
            replace_signatures: false,
            quiet: false,
            ledger: LEDGER,
            shared: None,
            learned: None,
            observers: Observers::default(),
            predecessor: None,
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
        self.clock = Some(Arc::new(clock));
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

    /// Learns together with the routers of other processes, through a
    /// [store](crate::store::OutcomeStore) that [`Sharing`](crate::store::Sharing) connects it to.
    ///
    /// The secret is that of the deployment: the instances know each other's pools, targets, tasks and
    /// outcome ids by hashes of their names with it. Instances with other secrets share nothing, and who
    /// can read the store but does not know the secret learns no name. It has no effect on a router that
    /// [takes over](Self::succeeding) from another one, which goes on with that one's.
    pub fn shared(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.shared = Some(Names::of_secret(secret.as_ref()));
        self
    }

    /// Starts with what another router has learned.
    pub fn learned(mut self, learned: Learned) -> Self {
        self.learned = Some(learned);
        self
    }

    /// Takes over from another router, which the attempts that are open on it still use.
    ///
    /// What it knows goes on as it is, and is shared by the two: the state of every target whose
    /// pool, name, model, upstream and credential stay, what is known of the quality of targets
    /// whose pool, name and model do, the waits of quota groups, the attempts that can still be
    /// scored, counts, sessions, targets that were [taken out](OutcomeRouter::set_drained) by hand,
    /// and the [mode](OutcomeRouter::set_mode) of a pool unless it is set up with another one than
    /// before. Prices are those of the new targets. The clock and the seed are the predecessor's
    /// unless they are set; [`learned`](Self::learned) and
    /// [`ledger_capacity`](Self::ledger_capacity) have no effect.
    ///
    /// ```
    /// # use tower_outcome::OutcomeRouter;
    /// let router = OutcomeRouter::builder().model("gpt-4o").build()?;
    /// let next = OutcomeRouter::builder().model("gpt-4o").model("o4-mini");
    /// let next = next.succeeding(&router).build()?;
    /// # let _ = next;
    /// # Ok::<(), tower_outcome::BuildError>(())
    /// ```
    pub fn succeeding(mut self, predecessor: &OutcomeRouter) -> Self {
        self.predecessor = Some(predecessor.inner.clone());
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
        let before = self.predecessor.as_deref();
        let clock = match (&self.clock, before) {
            (Some(clock), _) => clock.clone(),
            (None, Some(before)) => before.clock.clone(),
            (None, None) => Arc::new(SystemClock),
        };
        let now = clock.now();
        let learned = self.learned.clone().unwrap_or_default();
        let secret = match (before, self.shared) {
            (Some(before), _) => before.secret,
            (None, Some(shared)) => shared,
            (None, None) => learned.secret(),
        };
        let lasting = match before {
            Some(before) => before.lasting.clone(),
            None => {
                let fleet = self.shared.map(|_| Arc::new(Fleet::new()));
                let owner = fleet.as_ref().map(|fleet| fleet.instance());
                let ledger = Ledger::new(self.ledger, self.shared.zip(owner));
                Arc::new(Lasting::new(ledger, fleet))
            }
        };
        let assemble = |before| self.assemble(before, secret, lasting.fleet.clone(), now);
        let (mut assembly, mut names) = assemble(None)?;
        if !self.quiet {
            for pool in self.pools() {
                for lone in coverage::lone(pool) {
                    tracing::warn!("{lone}");
                }
            }
        }
        if before.is_some() {
            // Only now that it can be built does anything change that the predecessor has, too.
            (assembly, names) = assemble(before)?;
        }
        let inner = Arc::new(Inner {
            pools: assembly.pools,
            targets: assembly.targets,
            groups: assembly.groups,
            credentials: assembly.credentials,
            providers: assembly.providers,
            by_name: names
                .iter()
                .map(|name| (name.text.clone(), name.index))
                .collect(),
            names,
            classifier: self.classifier,
            tasks: self.tasks,
            clock,
            epoch: before.map_or(now, |before| before.epoch),
            seed: self
                .seed
                .or(before.map(|before| before.seed))
                .unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
            secret,
            lasting,
            observers: self.observers,
            max_body: self.max_body,
            replace_signatures: self.replace_signatures,
        });
        match before {
            Some(before) => before.retire(&inner),
            None => learned.resume(&inner, now),
        }
        Ok(OutcomeRouter {
            handles: Arc::new(Handles::new(&inner)),
            inner,
        })
    }

    fn assemble<'a>(
        &self,
        before: Option<&'a Inner>,
        secret: Names,
        fleet: Option<Arc<Fleet>>,
        now: Instant,
    ) -> Result<(Assembly<'a>, Vec<Name>), BuildError> {
        let mut assembly = Assembly::new(before, secret, fleet, now);
        for pool in self.pools() {
            assembly.add(pool.clone(), &self.policy, &self.checks)?;
        }
        if assembly.targets.is_empty() {
            return Err(BuildError::new("a router needs at least one model"));
        }
        let names = assembly.names(self.models.is_some())?;
        assembly.share_secrets();
        assembly.set_limits();
        Ok((assembly, names))
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.models.iter().chain(&self.pools)
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
