use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_outcome::{
    Class, Outcome, Score,
    classify::{LimitWindow, Limits},
    store::{
        Answer, Batch, Bucket, Exchanging, MemoryStore, OutcomeStore, Probe, Sharing, StoreError,
    },
};

use crate::support::{Instance, SECRET, ended, fleet, join, router, shared};

type Meddle =
    dyn Fn(&Batch, Result<Answer, StoreError>) -> Result<Answer, StoreError> + Send + Sync;

/// A store whose answers somebody meddles with.
#[derive(Clone)]
struct Meddled {
    inner: MemoryStore,
    with: Arc<Meddle>,
}

impl std::fmt::Debug for Meddled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meddled")
    }
}

impl Meddled {
    fn new(
        with: impl Fn(&Batch, Result<Answer, StoreError>) -> Result<Answer, StoreError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            inner: MemoryStore::new(),
            with: Arc::new(with),
        }
    }
}

impl OutcomeStore for Meddled {
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>> {
        Box::pin(async move { (self.with)(batch, self.inner.exchange(batch).await) })
    }

    fn kind(&self) -> &'static str {
        "meddled"
    }
}

/// Breaks `large`, then calls every so often for so long, and says how often `large` was called.
async fn recovers(one: &Instance, every: Duration, lasts: Duration) -> usize {
    shared().await;
    for _ in 0..6 {
        one.call(|target| match target {
            "large" => ended(Class::ServerError),
            _ => ended(Class::Success),
        });
    }
    let began = Instant::now();
    let mut large = 0;
    while began.elapsed() < lasts {
        sleep(every).await;
        large += usize::from(one.call(|_| ended(Class::Success)) == "large");
    }
    large
}

#[tokio::test(start_paused = true)]
async fn who_calls_rarely_finds_out_too() {
    let minutes = Duration::from_secs(1800);
    for seconds in [1, 3, 10, 60] {
        let fleet = fleet(1);
        let calls = recovers(&fleet[0], Duration::from_secs(seconds), minutes).await;
        assert!(calls > 0, "every {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_grants_nothing_keeps_nobody_away_for_ever() {
    let store = Meddled::new(|_, answer| {
        answer.map(|mut answer| {
            for probe in &mut answer.probes {
                *probe = Probe::new(probe.group, false, Duration::from_secs(2));
            }
            answer
        })
    });
    let one = join(store, 1);
    let calls = recovers(&one, Duration::from_millis(100), Duration::from_secs(600)).await;
    assert!(calls > 0);
}

#[tokio::test(start_paused = true)]
async fn who_exchanges_rarely_takes_leave_too() {
    let store = MemoryStore::new();
    let fleet: Vec<Instance> = (1..=10)
        .map(|seed| {
            let router = router(seed, SECRET);
            let of_it = router.clone();
            let sharing = Sharing::new(store.clone()).interval(Duration::from_secs(4));
            let membership = sharing.start(move || of_it.clone()).unwrap();
            Instance { router, membership }
        })
        .collect();
    sleep(Duration::from_secs(10)).await;
    for instance in &fleet {
        instance.call(|_| ended(Class::ServerError));
    }
    sleep(Duration::from_secs(10)).await;
    let began = Instant::now();
    let mut probes = Vec::new();
    for _ in 0..600 {
        for instance in &fleet {
            let target = instance.call(|target| match target {
                "large" => ended(Class::ServerError),
                _ => ended(Class::Success),
            });
            if target == "large" {
                probes.push(began.elapsed().as_secs_f64());
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    for two in probes.windows(2) {
        assert!(two[1] - two[0] >= 1.9, "{probes:?}");
    }
}

fn left(tokens: u64, limit: u64) -> Outcome {
    let mut limits = Limits::default();
    let mut window = LimitWindow::default();
    window.limit = Some(limit);
    window.remaining = Some(tokens);
    limits.tokens = Some(window);
    ended(Class::Success).limits(limits)
}

#[tokio::test(start_paused = true)]
async fn large_limits_that_are_read_often_stay_large() {
    let fleet = fleet(2);
    shared().await;
    let limit = 150_000_000;
    fleet[1].call_only("large", left(limit - 10_000, limit));
    for _ in 0..400 {
        fleet[0].call_only("large", left(limit - 10_000, limit));
    }
    shared().await;
    let theirs = fleet[1].target("large");
    assert!(theirs.tokens_left.unwrap() > 100e6, "{theirs:?}");
}

/// Adds counters to those of the scope that has one with such an end.
fn poison(kind: &'static str, add: &'static [(&'static str, u64)]) -> Meddled {
    let version = AtomicU64::new(0);
    Meddled::new(move |_, answer| {
        let version = version.fetch_add(1, Ordering::Relaxed) + 1_000_000;
        answer.map(|mut answer| {
            let current = answer.bucket;
            for totals in &mut answer.totals {
                let prefix = totals
                    .buckets
                    .iter()
                    .flat_map(|b| &b.counters)
                    .find_map(|(n, _)| {
                        (n.len() > 18 && kind.len() == 1 && n.as_bytes()[19] == kind.as_bytes()[0])
                            .then(|| n[..19].to_owned())
                    });
                let prefix = match (prefix, kind) {
                    (Some(prefix), _) => prefix,
                    (None, "") => String::new(),
                    _ => continue,
                };
                let at = totals.buckets.iter().position(|b| b.number == current);
                let at = at.unwrap_or_else(|| {
                    totals.buckets.push(Bucket::new(current, 0, Vec::new()));
                    totals.buckets.len() - 1
                });
                let bucket = &mut totals.buckets[at];
                bucket.version = version;
                for (name, count) in add {
                    let name = format!("{prefix}{name}").into_boxed_str();
                    match bucket.counters.iter_mut().find(|(n, _)| *n == name) {
                        Some((_, c)) => *c += count * (version - 999_999),
                        None => bucket.counters.push((name, *count * (version - 999_999))),
                    }
                }
            }
            answer
        })
    })
}

#[tokio::test(start_paused = true)]
async fn one_who_owes_much_does_not_wall_the_others_for_long() {
    let one = join(poison("", &[("k", 1), ("n", 1_000_000_000)]), 1);
    shared().await;
    one.call_only("large", left(90_000, 100_000));
    shared().await;
    let router = one.router.clone();
    one.membership.stop().await;
    sleep(Duration::from_secs(180)).await;
    let snapshot = router.snapshot();
    let now = snapshot.targets().next().unwrap();
    assert!(now.tokens_left.unwrap() > 50_000.0);
}

#[tokio::test(start_paused = true)]
async fn forms_that_are_taken_back_weigh_no_more_than_others_may() {
    let one = join(poison("v", &[("v0", 90_000), ("u1", 90_000)]), 1);
    for _ in 0..40 {
        let request = tower_outcome::PickRequest::new("large").strict(true);
        let ticket = one.router.pick(&request.task("sums")).unwrap();
        let id = ticket.outcome_id();
        ticket.settle(ended(Class::Success));
        one.router.report_form(id, true).unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let request = tower_outcome::PickRequest::new("chat")
        .task("sums")
        .explain(true);
    let decision = one.router.decide(&request, one.router.now()).unwrap();
    let validity = decision.candidates[0].terms.as_ref().unwrap().validity;
    // 200 of others against 40 of our own.
    assert!(validity > 0.1, "{validity}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_takes_a_correction_for_a_score() {
    let store = MemoryStore::new();
    let early = join(store.clone(), 1);
    shared().await;
    let mut ids = Vec::new();
    for _ in 0..30 {
        let (_, id) = early.call_task(Some("sums"), |_| ended(Class::Success));
        early.router.report(id, Score::new(0.5).unwrap()).unwrap();
        ids.push(id);
    }
    sleep(Duration::from_secs(300)).await;
    let late = join(store, 2);
    late.call_task(Some("sums"), |_| ended(Class::Success));
    shared().await;
    for id in ids {
        early.router.report(id, Score::new(0.6).unwrap()).unwrap();
    }
    shared().await;
    let (ours, theirs) = (early.target("large"), late.target("large"));
    assert!((theirs.quality - ours.quality).abs() < 0.15);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_and_was_given_up_is_not_that_of_others() {
    let count = Arc::new(AtomicU64::new(0));
    let of_it = count.clone();
    let away = Arc::new(AtomicU64::new(0));
    let is_away = away.clone();
    let store = Meddled::new(move |batch, answer| {
        if is_away.load(Ordering::Relaxed) == 1 {
            of_it.fetch_add(
                u64::from(batch.shares.iter().any(|s| !s.added.is_empty())),
                Ordering::Relaxed,
            );
            return Err(StoreError::unreachable("lost"));
        }
        answer
    });
    let one = join(store, 1);
    shared().await;
    away.store(1, Ordering::Relaxed);
    for _ in 0..10 {
        one.call(|_| ended(Class::Success));
    }
    sleep(Duration::from_secs(70)).await;
    away.store(0, Ordering::Relaxed);
    sleep(Duration::from_secs(5)).await;
    let heard = one.router.snapshot();
    let heard: u64 = heard.targets().map(|target| target.of_others).sum();
    assert_eq!(heard, 0, "{:?}", one.membership.state());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_turn_of_others_that_are_gone() {
    let away = Arc::new(AtomicU64::new(0));
    let is_away = away.clone();
    let store = Meddled::new(move |_, answer| match is_away.load(Ordering::Relaxed) {
        0 => answer,
        _ => Err(StoreError::unreachable("away")),
    });
    let fleet: Vec<Instance> = (1..=10).map(|seed| join(store.clone(), seed)).collect();
    shared().await;
    for remaining in [50, 4] {
        for instance in &fleet {
            let mut window = LimitWindow::default();
            window.limit = Some(100);
            window.remaining = Some(remaining);
            let mut limits = Limits::default();
            limits.requests = Some(window);
            instance.call_only("large", ended(Class::Success).limits(limits));
        }
        sleep(Duration::from_millis(10)).await;
    }
    away.store(1, Ordering::Relaxed);
    sleep(Duration::from_millis(800)).await;
    let next: Vec<String> = fleet.iter().map(Instance::next).collect();
    assert!(next.iter().all(|next| next == "large"), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn the_only_target_is_probed_however_rarely_it_is_called() {
    for seconds in [1, 10] {
        let upstream = tower_outcome::Upstream::new("https://large.example/v1").unwrap();
        let target = tower_outcome::Target::new("large").upstream(upstream);
        let pool = tower_outcome::Pool::new("chat").target(target);
        let builder = tower_outcome::OutcomeRouter::builder().pool(pool).seed(1);
        let router = builder.shared(SECRET).build().unwrap();
        let of_it = router.clone();
        let sharing = Sharing::new(MemoryStore::new());
        let membership = sharing.start(move || of_it.clone()).unwrap();
        shared().await;
        let request = tower_outcome::PickRequest::new("chat");
        for _ in 0..6 {
            if let Ok(ticket) = router.pick(&request) {
                ticket.settle(ended(Class::ServerError));
            }
        }
        let mut served = 0;
        for _ in 0..100 {
            sleep(Duration::from_secs(seconds)).await;
            if let Ok(ticket) = router.pick(&request) {
                ticket.settle(ended(Class::Success));
                served += 1;
            }
        }
        drop(membership);
        assert!(served > 50, "every {seconds} s: {served}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_network_is_broken_does_not_put_off_probes_for_ever() {
    let fleet = fleet(5);
    shared().await;
    let mut large = [0_usize; 10];
    for tick in 0..6000_usize {
        let strict = tower_outcome::PickRequest::new("large").strict(true);
        if tick % 5 == 0
            && let Ok(ticket) = fleet[0].router.pick(&strict)
        {
            ticket.settle(ended(Class::ServerError));
        }
        for instance in &fleet[1..] {
            if tick % 40 == 0 {
                large[tick / 600] +=
                    usize::from(instance.call(|_| ended(Class::Success)) == "large");
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(large.iter().all(|calls| *calls > 0), "{large:?}");
}

#[tokio::test(start_paused = true)]
async fn scores_that_are_taken_back_weigh_no_more_than_others_may() {
    let one = join(poison("p", &[("p100", 90_000), ("m0", 90_000)]), 1);
    for at in 0..300 {
        let request = tower_outcome::PickRequest::new("large").strict(true);
        let ticket = one.router.pick(&request.task("sums")).unwrap();
        let id = ticket.outcome_id();
        ticket.settle(ended(Class::Success));
        let score = Score::new(f64::from(at % 10) / 50.0).unwrap();
        one.router.report(id, score).unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let request = tower_outcome::PickRequest::new("chat").task("sums");
    let decision = one.router.decide(&request.explain(true), one.router.now());
    let decision = decision.unwrap();
    let terms = decision.candidates[0].terms.as_ref().unwrap();
    // 200 of others that say 1 against 300 of our own that say 0.09.
    assert!(terms.quality < 0.7, "{terms:?}");
    assert!(terms.task_effect.abs() < 1.0, "{terms:?}");
}

#[tokio::test(start_paused = true)]
async fn another_key_is_not_kept_away_by_what_one_was_told() {
    let store = MemoryStore::new();
    let with_key = |key: &str, seed| {
        let credential = tower_outcome::Credential::new(key).unwrap();
        let upstream = tower_outcome::Upstream::new("https://large.example/v1").unwrap();
        let target = tower_outcome::Target::new("large").upstream(upstream.credential(credential));
        let pool = tower_outcome::Pool::new("chat").target(target);
        let builder = tower_outcome::OutcomeRouter::builder()
            .pool(pool)
            .seed(seed);
        let router = builder.shared(SECRET).build().unwrap();
        let of_it = router.clone();
        let sharing = Sharing::new(store.clone());
        let membership = sharing.start(move || of_it.clone()).unwrap();
        Instance { router, membership }
    };
    let old = with_key("old", 1);
    shared().await;
    old.call(|_| crate::support::refused(Duration::from_secs(3600)));
    shared().await;
    old.membership.stop().await;
    let new = with_key("new", 2);
    shared().await;
    assert_eq!(new.target("large").rate_limited_s, None);
}
