use std::time::Duration;

use tokio::time::sleep;
use tower_outcome::{
    Class, Outcome, OutcomeId, OutcomeRouter, PickRequest, Pool, Target, Upstream, Verdict,
    router::TargetSnapshot,
    store::{Membership, MemoryStore, OutcomeStore, Sharing},
};

pub(crate) const SECRET: &str = "what only the instances know";

/// Long enough for two exchanges, one to bring and one to fetch.
pub(crate) const SHARED: Duration = Duration::from_millis(700);

/// One instance.
pub(crate) struct Instance {
    pub(crate) router: OutcomeRouter,
    pub(crate) membership: Membership,
}

pub(crate) fn router(seed: u64, secret: &str) -> OutcomeRouter {
    let target = |name: &str| {
        let upstream = Upstream::new(&format!("https://{name}.example/v1")).unwrap();
        Target::new(name).upstream(upstream)
    };
    let pool = Pool::new("chat")
        .target(target("large"))
        .target(target("small"));
    let builder = OutcomeRouter::builder().pool(pool).seed(seed);
    builder.shared(secret).build().unwrap()
}

pub(crate) fn join(store: impl OutcomeStore, seed: u64) -> Instance {
    join_with(store, seed, SECRET)
}

pub(crate) fn join_with(store: impl OutcomeStore, seed: u64, secret: &str) -> Instance {
    let router = router(seed, secret);
    let of_it = router.clone();
    let membership = Sharing::new(store).start(move || of_it.clone()).unwrap();
    Instance { router, membership }
}

pub(crate) fn fleet(count: u64) -> Vec<Instance> {
    let store = MemoryStore::new();
    (1..=count).map(|seed| join(store.clone(), seed)).collect()
}

impl Instance {
    /// Makes a call that any target may serve, and returns which one it was.
    pub(crate) fn call(&self, outcome: impl FnOnce(&str) -> Outcome) -> String {
        self.call_task(None, outcome).0
    }

    /// Makes a call that only this target may serve.
    pub(crate) fn call_only(&self, target: &str, outcome: Outcome) {
        let request = PickRequest::new(target).strict(true);
        self.router.pick(&request).unwrap().settle(outcome);
    }

    pub(crate) fn call_task(
        &self,
        task: Option<&str>,
        outcome: impl FnOnce(&str) -> Outcome,
    ) -> (String, OutcomeId) {
        let mut request = PickRequest::new("chat");
        if let Some(task) = task {
            request = request.task(task);
        }
        let ticket = self.router.pick(&request).unwrap();
        let (target, id) = (ticket.target().to_owned(), ticket.outcome_id());
        ticket.settle(outcome(&target));
        (target, id)
    }

    pub(crate) fn target(&self, name: &str) -> TargetSnapshot {
        let snapshot = self.router.snapshot();
        let mut targets = snapshot.targets();
        targets
            .find(|target| &*target.name == name)
            .unwrap()
            .clone()
    }

    /// Which target the next call would go to.
    pub(crate) fn next(&self) -> String {
        let decision = self
            .router
            .decide(&PickRequest::new("chat"), self.router.now());
        decision.unwrap().target().unwrap().to_owned()
    }
}

pub(crate) fn ended(class: Class) -> Outcome {
    Outcome::new(Verdict::new(class))
}

pub(crate) fn refused(wait: Duration) -> Outcome {
    let mut verdict = Verdict::new(Class::RateLimited);
    verdict.retry_after = Some(wait);
    Outcome::new(verdict)
}

pub(crate) async fn shared() {
    sleep(SHARED).await;
}
