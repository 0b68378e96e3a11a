//! What sharing adds to a decision: the same picks with no store, and while ten instances exchange what
//! they learn, in turns.
//!
//! A sample is one pick, timed by itself; what is printed is of all samples of a side. The other
//! instances make calls on a thread of their own, so that every exchange brings something.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::time::Duration;

use criterion::Criterion;
use tokio::{runtime::Runtime, time::Instant};
use tower_outcome::{
    Class, Outcome, OutcomeRouter, PickRequest, Pool, Score, Verdict,
    store::{Membership, MemoryStore, Sharing},
};

use super::TASKS;

const TARGETS: usize = 8;
const OTHERS: usize = 9;
const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(250);
/// Between two samples: about 5,000 calls a second.
const PAUSE: Duration = Duration::from_micros(200);

pub(crate) fn table(_: &mut Criterion) {
    // Run by the tests it only has to build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let alone = router(None);
    let (shared, memberships) = fleet(&runtime);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sample(&alone, &mut without);
        sample(&shared, &mut with);
    }
    println!("8 targets, ns per pick");
    for (name, samples) in [("no store", &mut without), ("ten instances", &mut with)] {
        samples.sort_unstable();
        let place = |share: f64| (samples.len() as f64 * share) as usize;
        let at = |share: f64| samples.get(place(share)).unwrap();
        let (p50, p90, p99, p999) = (at(0.5), at(0.9), at(0.99), at(0.999));
        println!("  {name:<14} p50 {p50:>6}   p90 {p90:>6}   p99 {p99:>6}   p99.9 {p999:>6}");
    }
    let state = memberships.first().unwrap().state();
    println!(
        "  {} exchanges, {} increments sent, {} taken in",
        state.exchanges, state.sent, state.taken
    );
    drop(memberships);
    runtime.shutdown_timeout(Duration::from_secs(1));
}

pub(crate) fn router(secret: Option<&str>) -> OutcomeRouter {
    // No objective: what these calls take is far below the millisecond from which times are told apart
    // between instances.
    let mut pool = Pool::new("pool").alias("auto");
    for n in 0..TARGETS {
        pool = pool.model(format!("model-{n}"));
    }
    let builder = OutcomeRouter::builder().pool(pool);
    let builder = match secret {
        Some(secret) => builder.shared(secret),
        None => builder,
    };
    builder.build().unwrap()
}

/// Starts ten instances, of which nine make calls, and returns the tenth.
fn fleet(runtime: &Runtime) -> (OutcomeRouter, Vec<Membership>) {
    let _guard = runtime.enter();
    let store = MemoryStore::new();
    let mut routers = Vec::new();
    let mut memberships = Vec::new();
    for _ in 0..=OTHERS {
        let router = router(Some("a secret of all ten"));
        let of_it = router.clone();
        let sharing = Sharing::new(store.clone());
        memberships.push(sharing.start(move || of_it.clone()).unwrap());
        routers.push(router);
    }
    let shared = routers.remove(0);
    for router in routers {
        runtime.spawn(async move {
            loop {
                for task in TASKS {
                    call(&router, task);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    (shared, memberships)
}

fn call(router: &OutcomeRouter, task: &str) {
    let request = PickRequest::new("auto").task(task);
    let ticket = router.pick(&request).unwrap();
    let id = ticket.outcome_id();
    ticket.settle(Outcome::new(Verdict::new(Class::Success)));
    router.report(id, Score::BEST).unwrap();
}

fn sample(router: &OutcomeRouter, samples: &mut Vec<u64>) {
    let end = Instant::now() + ROUND;
    for task in TASKS.iter().cycle() {
        let request = PickRequest::new("auto").task(task);
        let start = Instant::now();
        let ticket = router.pick(&request).unwrap();
        let took = start.elapsed();
        samples.push(took.as_nanos() as u64);
        let id = ticket.outcome_id();
        ticket.settle(Outcome::new(Verdict::new(Class::Success)));
        if samples.len().is_multiple_of(10) {
            router.report(id, Score::BEST).unwrap();
        }
        while start.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
        if start >= end {
            return;
        }
    }
}
