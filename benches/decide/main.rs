//! What a decision costs, beside the formulas alone in the same run, and what a second thread adds.
//!
//! A decision is a pick among the targets of one pool and the settlement of a success.
//! `cargo bench --bench decide` prints times; the table of threads comes first.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod bare;
mod sharing;
mod threads;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::time::Instant;
use tower_outcome::{Class, Outcome, OutcomeRouter, PickRequest, Pool, Score, Verdict};

/// Each request comes so long after the one before it, and is answered within half of that.
const GAP: Duration = Duration::from_millis(1);
const TOOK: Duration = Duration::from_micros(500);
const OBJECTIVE: Duration = Duration::from_millis(2);
const TASKS: [&str; 4] = ["chat", "code", "extract", "translate"];

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = threads::table, sharing::table, formulas, decisions, scored
}
criterion_main!(benches);

fn router(targets: usize) -> OutcomeRouter {
    let mut pool = Pool::new("pool").alias("auto").objective(OBJECTIVE);
    for n in 0..targets {
        pool = pool.model(format!("model-{n}"));
    }
    OutcomeRouter::builder().pool(pool).build().unwrap()
}

/// Picks and settles, with a score if there is one.
fn decide(router: &OutcomeRouter, request: &PickRequest<'_>, score: Option<Score>, now: Instant) {
    let ticket = router.pick_at(black_box(request), now).unwrap();
    let id = ticket.outcome_id();
    ticket.settle_at(Outcome::new(Verdict::new(Class::Success)), now + TOOK);
    if let Some(score) = score {
        router.report_at(id, score, now + TOOK).unwrap();
    }
}

fn formulas(criterion: &mut Criterion) {
    let mut targets = bare::targets();
    let mut now = 0.0;
    let mut number = 0;
    criterion.bench_function("bare formulas/8", |b| {
        b.iter(|| {
            now += GAP.as_secs_f64();
            number += 1;
            bare::decide(black_box(&mut targets), now, number)
        });
    });
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide and settle");
    for targets in [2, 8, 64] {
        let router = router(targets);
        let request = PickRequest::new("auto");
        let mut now = router.now();
        group.bench_function(targets.to_string(), |b| {
            b.iter(|| {
                now += GAP;
                decide(&router, &request, None, now);
            });
        });
    }
    group.finish();
}

/// With four tasks, and scores for 10 of 100 requests.
fn scored(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide and settle, scored");
    for targets in [2, 8, 64] {
        let router = router(targets);
        let requests = TASKS.map(|task| PickRequest::new("auto").task(task));
        let mut requests = requests.iter().cycle();
        let mut now = router.now();
        let mut number = 0;
        group.bench_function(targets.to_string(), |b| {
            b.iter(|| {
                now += GAP;
                number += 1;
                let score = if number % 30 == 0 {
                    Score::WORST
                } else {
                    Score::BEST
                };
                let score = (number % 10 == 0).then_some(score);
                decide(&router, requests.next().unwrap(), score, now);
            });
        });
    }
    group.finish();
}
