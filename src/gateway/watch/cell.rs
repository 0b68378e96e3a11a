use std::{
    collections::HashMap,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    tally::{Tally, add, billionths, dollars},
    trail::Trail,
};
use crate::{
    classify::Usage,
    router::{Price, Snapshot},
};

/// What is watched: the targets of one router, in its order.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Tells one router from another.
    pub(super) router: usize,
    pub(super) pools: Vec<PoolCell>,
    pub(super) targets: Vec<Arc<Cell>>,
}

/// One pool. Its counts are kept over a change of the configuration.
#[derive(Debug)]
pub(super) struct PoolCell {
    pub(super) name: Arc<str>,
    pub(super) targets: Range<usize>,
    pub(super) counts: Arc<PoolCounts>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct PoolCounts {
    /// Requests for which a target was picked, or refused.
    pub(super) requests: AtomicU64,
    /// Requests answered by another model than the one asked for.
    pub(super) substituted: AtomicU64,
    /// Requests for which nobody could be picked.
    pub(super) refused: AtomicU64,
}

/// One target.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) name: Arc<str>,
    pub(super) model: Arc<str>,
    /// Its place in its pool.
    pub(super) rank: usize,
    /// The place of its pool.
    pub(super) pool: usize,
    pub(super) tally: Arc<Tally>,
    /// Who was asked for where it served, by rank.
    pub(super) moves: Box<[Arc<Move>]>,
    pub(super) trail: Arc<Mutex<Trail>>,
}

/// The requests for one target that another one answered.
#[derive(Debug, Default)]
pub(super) struct Move {
    pub(super) count: AtomicU64,
    /// When it last happened, in milliseconds since 1970.
    pub(super) last_at: AtomicU64,
    dollars: AtomicU64,
    /// Answers that have a cost.
    priced: AtomicU64,
    input: AtomicU64,
    cached: AtomicU64,
    written: AtomicU64,
    output: AtomicU64,
    /// Which kinds of reasons were told lately: their bits, below the stretch of time.
    pub(super) told: AtomicU64,
}

impl Table {
    /// Makes a place for everything in a snapshot; what `old` knows by the same names is kept.
    pub(super) fn new(router: usize, snapshot: &Snapshot, old: &Self, at: f64) -> Self {
        let known: HashMap<_, _> = old
            .targets
            .iter()
            .map(|cell| (old.key(cell), cell))
            .collect();
        let mut table = Self {
            router,
            ..Self::default()
        };
        for (index, pool) in snapshot.pools.iter().enumerate() {
            let start = table.targets.len();
            for (rank, target) in pool.targets.iter().enumerate() {
                let cell = known.get(&(&*pool.name, &*target.name));
                let moves = pool.targets.iter().map(|from| {
                    let kept = cell.and_then(|cell| old.move_from(cell, &from.name));
                    kept.cloned().unwrap_or_default()
                });
                let moves = moves.collect();
                let tally = cell.map_or_else(|| Arc::new(Tally::new()), |it| it.tally.clone());
                let trail = cell.map_or_else(
                    || Arc::new(Mutex::new(Trail::new(&tally, at))),
                    |it| it.trail.clone(),
                );
                table.targets.push(Arc::new(Cell {
                    name: target.name.clone(),
                    model: target.model.clone(),
                    rank,
                    pool: index,
                    tally,
                    moves,
                    trail,
                }));
            }
            let mut pools = old.pools.iter();
            let counts = pools
                .find(|it| it.name == pool.name)
                .map(|it| it.counts.clone());
            table.pools.push(PoolCell {
                name: pool.name.clone(),
                targets: start..table.targets.len(),
                counts: counts.unwrap_or_default(),
            });
        }
        table
    }

    pub(super) fn of_pool(&self, pool: &PoolCell) -> &[Arc<Cell>] {
        self.targets.get(pool.targets.clone()).unwrap_or_default()
    }

    /// Returns the place of a target of this name in a pool of this name.
    pub(super) fn find(&self, pool: &str, target: &str) -> Option<usize> {
        let pool = self.pools.iter().find(|it| *it.name == *pool)?;
        let targets = self.of_pool(pool);
        let rank = targets.iter().position(|cell| *cell.name == *target)?;
        Some(pool.targets.start + rank)
    }

    fn key<'a>(&'a self, cell: &'a Cell) -> (&'a str, &'a str) {
        let pool = self.pools.get(cell.pool).map_or("", |pool| &*pool.name);
        (pool, &cell.name)
    }

    fn move_from<'a>(&self, cell: &'a Cell, from: &str) -> Option<&'a Arc<Move>> {
        let targets = self.of_pool(self.pools.get(cell.pool)?);
        let rank = targets.iter().position(|it| *it.name == *from)?;
        cell.moves.get(rank)
    }
}

impl Move {
    pub(super) fn add(&self, usage: Option<&Usage>, cost: Option<f64>, millis: u64) {
        add(&self.count, 1);
        self.last_at.fetch_max(millis, Ordering::Relaxed);
        let (Some(usage), Some(cost)) = (usage, cost) else {
            return;
        };
        add(&self.priced, 1);
        add(&self.dollars, billionths(cost));
        add(&self.input, usage.input);
        add(&self.cached, usage.cached);
        add(&self.written, usage.written);
        add(&self.output, usage.output);
    }

    /// Returns what these answers cost, as far as that is known.
    pub(super) fn dollars(&self) -> Option<f64> {
        let priced = self.priced.load(Ordering::Relaxed) > 0;
        priced.then(|| dollars(&self.dollars))
    }

    /// Returns what the same tokens cost at another price.
    pub(super) fn dollars_at(&self, price: Price) -> Option<f64> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let usage = Usage::new(load(&self.input), load(&self.output))
            .cached(load(&self.cached))
            .written(load(&self.written));
        self.dollars().map(|_| price.cost(&usage))
    }
}
