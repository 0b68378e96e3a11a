//! Throughput of two threads on one router, against one.
//!
//! Both threads start a round together and count the same decisions. A round is short, so that on a
//! machine that does other work, too, many rounds are undisturbed; what is printed is the time that
//! a tenth of the rounds did not need.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use tower_outcome::{OutcomeRouter, PickRequest};

use super::{GAP, decide, router};

const ROUNDS: usize = 1_500;
const DECISIONS: u32 = 300;

pub fn table(_: &mut Criterion) {
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
    let start = tokio::time::Instant::now();
    let times: Vec<Vec<Duration>> = thread::scope(|scope| {
        let threads: Vec<_> = routers
            .iter()
            .map(|router| scope.spawn(|| rounds(router, routers.len(), &here, start)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let mut slowest: Vec<_> = (0..ROUNDS)
        .filter_map(|round| times.iter().filter_map(|times| times.get(round)).max())
        .collect();
    slowest.sort_unstable();
    slowest.get(ROUNDS / 10).unwrap().as_secs_f64() * 1e9 / f64::from(DECISIONS)
}

fn rounds(
    router: &OutcomeRouter,
    threads: usize,
    here: &AtomicUsize,
    start: tokio::time::Instant,
) -> Vec<Duration> {
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
        times.push(began.elapsed());
    }
    times
}
