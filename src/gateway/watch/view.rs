use std::sync::{PoisonError, atomic::Ordering};

use serde::Serialize;

use super::{
    Known,
    cell::{Cell, PoolCell, Table},
    figures::{band, per_second, share, short},
    observer::Observer,
    tally::Counted,
    words,
};
use crate::{
    router::{Mode, OutcomeRouter, PoolSnapshot, Snapshot, State, TargetSnapshot},
    store::FleetState,
};

/// Over how many seconds shares, rates and costs are told.
const MINUTE: u64 = 60;
/// Over how many seconds what is so now is told: as far as the samples of the history reach.
const NOW: u64 = 10;
const FIVE_MINUTES: u64 = 300;
const TEN_SECONDS: u64 = 10;
/// With fewer attempts in the last minute, success is told of the last five.
const FEW: u64 = 20;
const HOUR: f64 = 3600.0;

/// Everything that a dashboard shows at one moment.
#[derive(Clone, Debug, Serialize)]
pub(in crate::gateway) struct View {
    at: f64,
    started_at: f64,
    version: &'static str,
    clients: bool,
    config: super::Loaded,
    demo: Option<super::Story>,
    /// How sharing with other instances goes, where anything is shared.
    fleet: Option<FleetState>,
    totals: Totals,
    pools: Vec<PoolView>,
    moves: Vec<MoveView>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Totals {
    requests: u64,
    substituted: u64,
    wasted: u64,
    refused: u64,
    passed_through: u64,
    waiting: u64,
    in_flight: u64,
    dollars_per_hour: Option<f64>,
    per_second: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
struct PoolView {
    name: String,
    mode: Mode,
    policy: &'static str,
    pinned: Option<String>,
    aliases: Vec<String>,
    requests: u64,
    substituted: u64,
    /// Not known by pool.
    waiting: Option<u64>,
    in_flight: u64,
    dollars: Option<f64>,
    dollars_per_hour: Option<f64>,
    targets: Vec<TargetView>,
}

#[derive(Clone, Debug, Serialize)]
struct TargetView {
    name: String,
    model: String,
    upstream: Option<String>,
    rank: usize,
    state: State,
    why: Option<String>,
    until: Option<f64>,
    drained: bool,
    success: Option<f64>,
    success_low: Option<f64>,
    success_high: Option<f64>,
    health: f64,
    quality: f64,
    scores: f64,
    share: Option<f64>,
    intended: Option<f64>,
    /// The same over the last few seconds: what a chart is extended with.
    share_now: Option<f64>,
    intended_now: Option<f64>,
    requests_left: Option<f64>,
    requests_limit: Option<f64>,
    tokens_left: Option<f64>,
    tokens_limit: Option<f64>,
    headroom: Option<f64>,
    wall_in_s: Option<f64>,
    first_content_p50_s: Option<f64>,
    first_content_p95_s: Option<f64>,
    total_p50_s: Option<f64>,
    total_p95_s: Option<f64>,
    dollars_per_hour: Option<f64>,
    dollars: Option<f64>,
    in_flight: u32,
    attempts: u64,
    /// Attempts of other instances that were heard of.
    of_others: u64,
    failed: u64,
    limited: u64,
    late: u64,
    tokens: u64,
}

#[derive(Clone, Debug, Serialize)]
struct MoveView {
    pool: String,
    from: String,
    to: String,
    count: u64,
    last_at: f64,
    dollars: Option<f64>,
    /// What the requested model would have cost for the same tokens.
    dollars_instead: Option<f64>,
}

impl View {
    /// Looks at everything, at a time in seconds since 1970.
    pub(super) fn new(
        observer: &Observer,
        router: &OutcomeRouter,
        snapshot: &Snapshot,
        known: &Known,
        fleet: Option<FleetState>,
        at: f64,
    ) -> Self {
        let table = observer.table();
        let views = snapshot.pools.iter().zip(&table.pools);
        let pools: Vec<_> = views
            .map(|(pool, cell)| PoolView::new(pool, cell, &table, at))
            .collect();
        let attempts: f64 = table
            .targets
            .iter()
            .filter_map(|cell| {
                let (lately, seconds) = lately(cell, &cell.tally.read(), at, TEN_SECONDS);
                per_second(lately.attempts as f64, seconds)
            })
            .sum();
        let passed = snapshot.counts.passed_through.iter();
        let totals = Totals {
            requests: pools.iter().map(|pool| pool.requests).sum(),
            substituted: pools.iter().map(|pool| pool.substituted).sum(),
            wasted: observer.wasted.load(Ordering::Relaxed),
            refused: table
                .pools
                .iter()
                .map(|pool| pool.counts.refused.load(Ordering::Relaxed))
                .sum(),
            passed_through: known.passed + passed.map(|(_, count)| count).sum::<u64>(),
            waiting: snapshot.counts.waiting,
            in_flight: pools.iter().map(|pool| pool.in_flight).sum(),
            dollars_per_hour: sum(pools.iter().map(|pool| pool.dollars_per_hour)),
            per_second: short(attempts),
        };
        Self {
            at,
            started_at: known.started_at,
            version: env!("CARGO_PKG_VERSION"),
            clients: known.clients,
            config: known.loaded.clone(),
            demo: known.story.clone(),
            fleet,
            totals,
            pools,
            moves: moves(&table, router),
        }
    }
}

impl PoolView {
    fn new(pool: &PoolSnapshot, cell: &PoolCell, table: &Table, at: f64) -> Self {
        let cells = table.of_pool(cell);
        let counted: Vec<Counted> = cells.iter().map(|cell| cell.tally.read()).collect();
        let minute = cells.iter().zip(&counted);
        let minute: Vec<_> = minute
            .map(|(cell, counted)| lately(cell, counted, at, MINUTE).0)
            .collect();
        let served = minute.iter().map(|it| it.served).sum();
        let intended = minute.iter().map(|it| it.intended).sum();
        let now = cells.iter().zip(&counted);
        let now: Vec<_> = now
            .map(|(cell, counted)| lately(cell, counted, at, NOW).0)
            .collect();
        let served_now = now.iter().map(|it| it.served).sum();
        let intended_now = now.iter().map(|it| it.intended).sum();
        let targets: Vec<_> = pool
            .targets
            .iter()
            .zip(cells)
            .zip(counted.iter().zip(minute.iter().zip(&now)))
            .enumerate()
            .map(
                |(rank, ((target, cell), (counted, (minute, now))))| TargetView {
                    share: share(minute.served, served).and_then(short),
                    intended: share(minute.intended, intended).and_then(short),
                    share_now: share(now.served, served_now).and_then(short),
                    intended_now: share(now.intended, intended_now).and_then(short),
                    rank,
                    ..TargetView::new(target, pool.pinned.as_deref(), cell, counted, minute, at)
                },
            )
            .collect();
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            name: pool.name.to_string(),
            mode: pool.mode,
            policy: pool.policy,
            pinned: pool.pinned.as_deref().map(str::to_owned),
            aliases: pool.aliases.clone(),
            requests: load(&cell.counts.requests),
            substituted: load(&cell.counts.substituted),
            waiting: None,
            in_flight: pool.targets.iter().map(|it| u64::from(it.in_flight)).sum(),
            dollars: sum(targets.iter().map(|target| target.dollars)),
            dollars_per_hour: sum(targets.iter().map(|target| target.dollars_per_hour)),
            targets,
        }
    }
}

impl TargetView {
    fn new(
        target: &TargetSnapshot,
        pinned: Option<&str>,
        cell: &Cell,
        counted: &Counted,
        minute: &Counted,
        at: f64,
    ) -> Self {
        let (five_minutes, seconds) = lately(cell, counted, at, FIVE_MINUTES);
        let told = |it: &Counted| it.served + it.failed;
        let success = if told(minute) < FEW {
            &five_minutes
        } else {
            minute
        };
        let success = band(success.served, told(success)).map(|band| band.map(short));
        let [success, success_low, success_high] = success.unwrap_or_default();
        let [[first_p50, first_p95], [total_p50, total_p95]] = quantiles(cell);
        // Without a price nobody knows; a price of 0 is one.
        let has_price = target.dollars.is_some();
        let known = |dollars: f64| short(dollars).filter(|_| has_price);
        let pinned_away = pinned.is_some_and(|pinned| *pinned != *target.name);
        Self {
            name: target.name.to_string(),
            model: target.model.to_string(),
            upstream: target.upstream.clone(),
            rank: 0,
            state: target.state,
            why: words::state(target, pinned_away),
            until: target.state_s.and_then(|lasts| short(at + lasts)),
            drained: target.drained,
            success,
            success_low,
            success_high,
            health: target.health,
            quality: target.quality,
            scores: target.scores,
            share: None,
            intended: None,
            share_now: None,
            intended_now: None,
            requests_left: target.requests_left.and_then(short),
            requests_limit: target.requests_limit.and_then(short),
            tokens_left: target.tokens_left.and_then(short),
            tokens_limit: target.tokens_limit.and_then(short),
            headroom: target.headroom.and_then(short),
            wall_in_s: target.wall_in_s.and_then(short),
            first_content_p50_s: first_p50,
            first_content_p95_s: first_p95,
            total_p50_s: total_p50,
            total_p95_s: total_p95,
            dollars_per_hour: per_second(five_minutes.dollars, seconds)
                .and_then(|per_second| known(per_second * HOUR)),
            dollars: known(counted.dollars),
            in_flight: target.in_flight,
            attempts: counted.attempts,
            of_others: target.of_others,
            failed: counted.failed,
            limited: counted.limited,
            late: counted.late,
            tokens: counted.tokens,
        }
    }
}

/// Tells who got another target than the one that was asked for, the most frequent first.
fn moves(table: &Table, router: &OutcomeRouter) -> Vec<MoveView> {
    let mut moves = Vec::new();
    for pool in &table.pools {
        let targets = table.of_pool(pool);
        for to in targets {
            for (from, moved) in targets.iter().zip(&to.moves) {
                let count = moved.count.load(Ordering::Relaxed);
                if count == 0 {
                    continue;
                }
                let price = router.price(&pool.name, &from.name);
                moves.push(MoveView {
                    pool: pool.name.to_string(),
                    from: from.name.to_string(),
                    to: to.name.to_string(),
                    count,
                    last_at: moved.last_at.load(Ordering::Relaxed) as f64 / 1e3,
                    dollars: moved.dollars().and_then(short),
                    dollars_instead: price
                        .and_then(|price| moved.dollars_at(price))
                        .and_then(short),
                });
            }
        }
    }
    moves.sort_by_key(|moved| std::cmp::Reverse(moved.count));
    moves
}

fn lately(cell: &Cell, counted: &Counted, at: f64, seconds: u64) -> (Counted, f64) {
    let trail = cell.trail.lock().unwrap_or_else(PoisonError::into_inner);
    trail.lately(counted, at, seconds)
}

fn quantiles(cell: &Cell) -> [[Option<f64>; 2]; 2] {
    let trail = cell.trail.lock().unwrap_or_else(PoisonError::into_inner);
    let quantiles = trail.quantiles(&cell.tally, [0.5, 0.95]);
    quantiles.map(|both| both.map(|seconds| seconds.and_then(short)))
}

/// Adds up what is known.
fn sum(dollars: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    dollars.flatten().reduce(|sum, more| sum + more)
}
