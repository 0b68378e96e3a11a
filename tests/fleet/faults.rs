use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::sleep;
use tower_outcome::{
    Class, Score,
    store::{
        Answer, Batch, Cooldown, Exchanging, MemoryStore, OutcomeStore, Probe, Scope, StoreError,
        Totals,
    },
};

use crate::support::{Instance, ended, join, shared};

/// A store whose network loses every other thing, on the way there or on the way back.
#[derive(Clone, Debug)]
struct Lossy {
    inner: MemoryStore,
    seed: Arc<AtomicU64>,
    away: Arc<AtomicBool>,
}

impl Lossy {
    fn new(seed: u64) -> Self {
        Self {
            inner: MemoryStore::new(),
            seed: Arc::new(AtomicU64::new(seed)),
            away: Arc::default(),
        }
    }

    fn draw(&self) -> u64 {
        let step = |x: u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        self.seed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
            .unwrap()
            >> 33
    }
}

impl OutcomeStore for Lossy {
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>> {
        Box::pin(async move {
            let lost = || Err(StoreError::unreachable("lost"));
            if self.away.load(Ordering::Relaxed) {
                return lost();
            }
            match self.draw() % 4 {
                0 => lost(),
                1 => {
                    let _answer = self.inner.exchange(batch).await;
                    lost()
                }
                2 => {
                    let _answer = self.inner.exchange(batch).await;
                    std::future::pending().await
                }
                _ => self.inner.exchange(batch).await,
            }
        })
    }

    fn kind(&self) -> &'static str {
        "lossy"
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_on_the_way_counts_once() {
    for seed in 0..10 {
        let store = Lossy::new(seed);
        let fleet: Vec<Instance> = (1..=3).map(|seed| join(store.clone(), seed)).collect();
        let mut called = [0; 3];
        for round in 0..60 {
            for (instance, called) in fleet.iter().zip(&mut called) {
                for _ in 0..(round + seed) % 4 {
                    instance.call(|_| ended(Class::Success));
                    *called += 1;
                }
            }
            sleep(Duration::from_millis(137)).await;
        }
        sleep(Duration::from_secs(40)).await;
        let all: u64 = called.iter().sum();
        for (instance, called) in fleet.iter().zip(called) {
            let heard = instance.router.snapshot();
            let heard: u64 = heard.targets().map(|target| target.of_others).sum();
            assert_eq!(heard, all - called, "{seed}");
            assert_eq!(instance.membership.state().dropped, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_store_misses_in_ten_seconds_is_told_afterwards() {
    let store = Lossy::new(3);
    let fleet: Vec<Instance> = (1..=2).map(|seed| join(store.clone(), seed)).collect();
    shared().await;
    store.away.store(true, Ordering::Relaxed);
    for _ in 0..100 {
        fleet[0].call(|_| ended(Class::Success));
        sleep(Duration::from_millis(100)).await;
    }
    let state = fleet[0].membership.state();
    assert!(!state.connected && state.failures > 5);
    assert_eq!(state.trouble.as_deref(), Some("it cannot be reached: lost"));
    store.away.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(fleet[1].target("large").of_others, 100);
    assert_eq!(fleet[0].membership.state().dropped, 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_for_long_is_dropped_and_counted() {
    let store = Lossy::new(4);
    let fleet: Vec<Instance> = (1..=2).map(|seed| join(store.clone(), seed)).collect();
    shared().await;
    store.away.store(true, Ordering::Relaxed);
    for _ in 0..100 {
        fleet[0].call(|_| ended(Class::Success));
    }
    sleep(Duration::from_secs(200)).await;
    // An attempt, its time and length, a request and its tokens, each.
    assert!(fleet[0].membership.state().dropped > 300);
    store.away.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(20)).await;
    assert_eq!(fleet[1].target("large").of_others, 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_store_probes_wait_for_nobody() {
    let store = Lossy::new(5);
    store.away.store(true, Ordering::Relaxed);
    let alone = join(store, 1);
    for _ in 0..6 {
        alone.call(|_| ended(Class::ServerError));
    }
    sleep(Duration::from_secs(3)).await;
    let mut targets = Vec::new();
    for _ in 0..20 {
        targets.push(alone.call(|_| ended(Class::Success)));
        sleep(Duration::from_millis(200)).await;
    }
    assert!(
        targets.iter().any(|target| target == "large"),
        "{targets:?}"
    );
}

/// A store in which somebody has written whatever they like.
#[derive(Clone, Debug, Default)]
struct Poisoned {
    values: Vec<u64>,
    names: Arc<Mutex<Vec<Box<str>>>>,
    bucket: Arc<AtomicU64>,
}

impl OutcomeStore for Poisoned {
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>> {
        let number = self.bucket.fetch_add(1, Ordering::Relaxed) / 4;
        let mut names = self.names.lock().unwrap();
        for share in &batch.shares {
            for (name, _) in &share.added {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let value = |at: u64| {
            let at = (at + number) % self.values.len().max(1) as u64;
            self.values.get(at as usize).copied().unwrap_or(u64::MAX)
        };
        let junk = ["", "r", "\u{0}", "é", "0000000000", "t1", &"x".repeat(4096)];
        let junk = junk.map(Box::<str>::from);
        let mut answer = Answer::default();
        answer.bucket = value(0);
        answer.instances = value(1) as u32;
        for share in &batch.shares {
            let all = names.iter().chain(&junk).enumerate();
            let counters: Vec<_> = all
                .map(|(at, name)| (name.clone(), value(at as u64)))
                .collect();
            let bucket =
                |number| tower_outcome::store::Bucket::new(number, value(2), counters.clone());
            let buckets = vec![
                bucket(answer.bucket),
                bucket(value(3)),
                bucket(answer.bucket),
            ];
            answer
                .totals
                .push(Totals::new(share.scope, Some(value(4)), buckets));
            answer.cooldowns.push(Cooldown::new(
                share.scope,
                Duration::from_millis(value(5) % 2),
            ));
            answer.probes.push(Probe::new(
                share.scope,
                value(6) % 2 == 0,
                Duration::from_millis(value(6)),
            ));
        }
        answer
            .totals
            .push(Totals::new(Scope::new(value(7)), None, Vec::new()));
        answer.notes = junk.to_vec();
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn kind(&self) -> &'static str {
        "poisoned"
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_store_says_beliefs_stay_beliefs_and_calls_are_served(
        values in proptest::collection::vec(
            prop_oneof![any::<u64>(), 0..5_u64, Just(u64::MAX), Just(1 << 53), 100..1000_u64],
            1..12,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let one = join(Poisoned { values, ..Poisoned::default() }, 1);
            for round in 0..60 {
                let (_, id) = one.call_task(Some("sums"), |_| ended(Class::Success));
                one.router.report(id, Score::new(f64::from(round % 2)).unwrap()).unwrap();
                sleep(Duration::from_millis(200)).await;
                let snapshot = one.router.snapshot();
                for target in snapshot.targets() {
                    assert!((0.0..=1.0).contains(&target.health), "{target:?}");
                    assert!((0.0..=1.0).contains(&target.quality), "{target:?}");
                    assert!(target.attempts.is_finite() && target.attempts <= 300.0, "{target:?}");
                    assert!(target.scores.is_finite() && target.scores <= 500.0, "{target:?}");
                    assert!(target.total_s.is_none_or(f64::is_finite), "{target:?}");
                }
            }
        });
    }
}
