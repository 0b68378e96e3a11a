use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::{
    cell::{Cell, Table},
    decisions::{Decisions, Left},
    tally::End,
    words,
};
use crate::router::{Decision, Observe, Obstacle, Reason, Refused, Routed, Settled};

/// What routers tell, by target. Knows no router, so that a router can hold it.
#[derive(Debug)]
pub(super) struct Observer {
    /// Read by every request; replaced where another router takes over.
    table: ArcSwap<Table>,
    pub(super) decisions: Decisions,
    /// Attempts that came to nothing.
    pub(super) wasted: AtomicU64,
}

impl Observer {
    pub(super) fn new() -> Self {
        Self {
            table: ArcSwap::default(),
            decisions: Decisions::new(),
            wasted: AtomicU64::new(0),
        }
    }

    pub(super) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    pub(super) fn replace(&self, table: Table) {
        self.table.store(Arc::new(table));
    }
}

impl Table {
    /// Returns the places of the target that an attempt went to, and of the one that was asked for.
    /// Attempts of a router that was replaced are told by name.
    fn places(&self, routed: &Routed) -> Option<(usize, usize)> {
        if self.router == routed.router_id() {
            let place = |target: crate::router::TargetId| target.0 as usize;
            return Some((place(routed.target_id()), place(routed.requested_target())));
        }
        let to = self.find(routed.pool(), routed.target())?;
        let from = self.find(routed.pool(), routed.requested_target_name());
        Some((to, from.unwrap_or(to)))
    }

    fn cells(&self, routed: &Routed) -> Option<(&Cell, &Cell)> {
        let (to, from) = self.places(routed)?;
        Some((self.targets.get(to)?, self.targets.get(from)?))
    }
}

impl Observe for Observer {
    fn picked(&self, routed: &Routed, _: Instant) {
        let reason = routed.reason();
        if routed.attempt() > 1 || *reason == Reason::Shadow {
            return;
        }
        let table = self.table.load();
        let Some((to, from)) = table.cells(routed) else {
            return;
        };
        let Some(pool) = table.pools.get(to.pool) else {
            return;
        };
        pool.counts.requests.fetch_add(1, Ordering::Relaxed);
        // Who would have been picked if nothing had stood against anybody.
        let intended = match reason {
            Reason::Instead { of, because } if *because != Obstacle::Score => {
                let mut targets = table.of_pool(pool).iter();
                targets.find(|cell| cell.name == *of).map_or(to, |it| it)
            }
            Reason::Canary | Reason::LeastBad => from,
            _ => to,
        };
        intended.tally.intend();
    }

    fn settled(&self, routed: &Routed, settled: &Settled<'_>) {
        let outcome = settled.outcome();
        let end = End::of(outcome.verdict().class);
        let shadow = *routed.reason() == Reason::Shadow;
        if matches!(end, End::Failed | End::Limited) && !shadow {
            self.wasted.fetch_add(1, Ordering::Relaxed);
        }
        let table = self.table.load();
        let Some((to, from)) = table.cells(routed) else {
            return;
        };
        to.tally.spend(outcome.used(), settled.cost());
        // A copy is none of the traffic: who got what is told without it.
        if shadow {
            return;
        }
        let first = outcome.first_content_after();
        to.tally.end(end, settled.is_late(), settled.took(), first);
        if end != End::Served || std::ptr::eq(to, from) {
            return;
        }
        if let Some(moved) = to.moves.get(from.rank) {
            moved.add(outcome.used(), settled.cost(), millis(routed.wall()));
        }
        if to.model != from.model
            && let Some(pool) = table.pools.get(to.pool)
        {
            pool.counts.substituted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn refused(&self, refused: &Refused<'_>) {
        let table = self.table.load();
        let mut pools = table.pools.iter();
        if let Some(pool) = pools.find(|pool| *pool.name == *refused.pool()) {
            pool.counts.requests.fetch_add(1, Ordering::Relaxed);
            pool.counts.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn wants_decision(&self, routed: &Routed) -> bool {
        let Some((_, reason)) = left(routed) else {
            return false;
        };
        let bit = words::bit(reason);
        let table = self.table.load();
        let Some((to, from)) = table.cells(routed) else {
            return false;
        };
        let moved = to.moves.get(from.rank);
        let told = moved.map(|moved| &moved.told);
        self.decisions.admits(told, bit, millis(routed.wall()))
    }

    fn decided(&self, routed: &Routed, decision: &Arc<Decision>) {
        let Some((to, _)) = left(routed) else { return };
        let at = millis(routed.wall()) as f64 / 1e3;
        let from = routed.requested_target_name();
        // Of an observed pool the decision says more than the attempt does.
        let reason = decision.reason.as_ref().unwrap_or(routed.reason());
        let told = words::leaving(&words::Leaving {
            from,
            to,
            observed: *routed.reason() == Reason::Observed,
            reason,
            decision,
            limits: routed.snapshot_of(from).as_ref(),
            at,
        });
        self.decisions.keep(
            Left {
                id: routed.outcome_id().to_string(),
                at,
                pool: routed.pool().to_owned(),
                from: from.to_owned(),
                to: to.to_owned(),
                kind: told.kind,
                text: told.text,
                until: told.until,
                attempt: routed.attempt(),
                explained: true,
            },
            decision.clone(),
        );
    }
}

/// Returns who serves in place of the target that was asked for, or would if its pool were not only
/// observed, and why.
fn left(routed: &Routed) -> Option<(&str, &Reason)> {
    let reason = routed.reason();
    match reason {
        Reason::Shadow => None,
        Reason::Observed => {
            let other = routed.would_have_been()?;
            (other != routed.target()).then_some((other, reason))
        }
        _ => {
            let moved = routed.target_id() != routed.requested_target();
            moved.then(|| (routed.target(), reason))
        }
    }
}

/// Returns the milliseconds since 1970.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
