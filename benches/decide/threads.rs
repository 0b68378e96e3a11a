//! Throughput of two threads on one router, against one.
//!
//! Both threads start a round together and count the same decisions. A round is short, so that on a
//! machine that does other work, too, some rounds are undisturbed; what is printed is the time that
//! one round in fifty did not need.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::{
    hint::spin_loop,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use criterion::Criterion;
use tokio::time::Instant;
use tower_outcome::{OutcomeRouter, PickRequest};

use super::{GAP, decide, router};

const ROUNDS: usize = 1_500;
const DECISIONS: u32 = 300;

pub(crate) fn table(_: &mut Criterion) {
    // Run by the tests it only has to build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("8 targets, ns per decision (of both threads together)");
    let mut factors = Vec::new();
    for _ in 0..3 {
        let router = router(8);
        let one = measure(&router, 1);
        let two = measure(&router, 2) / 2.0;
        println!(
            "  one thread {one:>6.0}   two threads {two:>6.0}   factor {:.2}",
            one / two
        );
        factors.push(one / two);
    }
    factors.sort_by(f64::total_cmp);
    println!("  median factor {:.2}", factors.get(1).unwrap());
    let apart = [router(8), router(8)];
    let (one, two) = (measure(&apart[0], 1), measure_apart(&apart) / 2.0);
    println!("  a router each: factor {:.2}", one / two);
}

fn measure(router: &OutcomeRouter, threads: usize) -> f64 {
    let routers: Vec<_> = (0..threads).map(|_| router.clone()).collect();
    measure_apart(&routers)
}

/// Returns nanoseconds per decision of each thread.
fn measure_apart(routers: &[OutcomeRouter]) -> f64 {
    let here = AtomicUsize::new(0);
    let start = Instant::now();
    let times: Vec<Vec<Range<Instant>>> = thread::scope(|scope| {
        let threads: Vec<_> = routers
            .iter()
            .map(|router| scope.spawn(|| rounds(router, routers.len(), &here, start)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    // From when the first begins to when the last ends: one may be put off while the other works.
    let mut slowest: Vec<_> = (0..ROUNDS)
        .filter_map(|round| {
            let threads = times.iter().filter_map(|times| times.get(round));
            let begin = threads.clone().map(|time| time.start).min()?;
            Some(threads.map(|time| time.end).max()? - begin)
        })
        .collect();
    slowest.sort_unstable();
    slowest.get(ROUNDS / 50).unwrap().as_secs_f64() * 1e9 / f64::from(DECISIONS)
}

fn rounds(
    router: &OutcomeRouter,
    threads: usize,
    here: &AtomicUsize,
    start: Instant,
) -> Vec<Range<Instant>> {
    let request = PickRequest::new("auto");
    let mut now = start;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 1..=ROUNDS {
        here.fetch_add(1, Ordering::AcqRel);
        while here.load(Ordering::Acquire) < round * threads {
            spin_loop();
        }
        let began = Instant::now();
        for _ in 0..DECISIONS {
            now += GAP;
            decide(router, &request, None, now);
        }
        times.push(began..Instant::now());
    }
    times
}
