use std::sync::Arc;

use serde::Serialize;

use crate::{
    router::{Snapshot, State, TargetSnapshot},
    store::FleetState,
};

/// What this instance has of the others: how sharing goes, and for each target what was seen here and
/// what was heard of.
#[derive(Debug, Serialize)]
pub(super) struct FleetView<'a> {
    /// `None` where nothing is shared.
    fleet: Option<FleetState>,
    pools: Vec<OfPool<'a>>,
}

#[derive(Debug, Serialize)]
struct OfPool<'a> {
    name: &'a Arc<str>,
    targets: Vec<OfTarget<'a>>,
}

#[derive(Debug, Serialize)]
struct OfTarget<'a> {
    name: &'a Arc<str>,
    /// Attempts that ended here.
    seen: u64,
    /// Those of them that were good.
    good: u64,
    /// Attempts of other instances that were heard of.
    of_others: u64,
    /// What is made of both.
    state: State,
    /// Seconds for which that lasts, where it is known.
    state_s: Option<f64>,
    health: f64,
    quality: f64,
    rate_limited_s: Option<f64>,
}

impl<'a> FleetView<'a> {
    pub(super) fn new(fleet: Option<FleetState>, snapshot: &'a Snapshot) -> Self {
        let pools = snapshot.pools.iter().map(|pool| OfPool {
            name: &pool.name,
            targets: pool.targets.iter().map(OfTarget::new).collect(),
        });
        Self {
            fleet,
            pools: pools.collect(),
        }
    }
}

impl<'a> OfTarget<'a> {
    fn new(target: &'a TargetSnapshot) -> Self {
        Self {
            name: &target.name,
            seen: target.settled(),
            good: target.outcomes_of(crate::classify::Class::Success),
            of_others: target.of_others,
            state: target.state,
            state_s: target.state_s,
            health: target.health,
            quality: target.quality,
            rate_limited_s: target.rate_limited_s,
        }
    }
}
