use tokio::time::Instant;

use crate::{
    classify::Class,
    stats::{Capacity, Health, LogLatency, Quality},
};

/// The targets that share a provider's limit, under one lock: a decision takes it once per group,
/// and a pick and a settlement touch one group each.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) capacity: Capacity,
    pub(super) members: Vec<Member>,
}

/// What is known of one target.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) health: Health,
    pub(super) first_content: LogLatency,
    pub(super) total: LogLatency,
    pub(super) quality: Quality,
    pub(super) in_flight: u32,
    pub(super) picks: u64,
    pub(super) settled: [u64; Class::ALL.len()],
    pub(super) late: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

impl Group {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            capacity: Capacity::new(now),
            members: Vec::new(),
        }
    }
}

impl Member {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            health: Health::new(now),
            first_content: LogLatency::new(now),
            total: LogLatency::new(now),
            quality: Quality::new(now),
            in_flight: 0,
            picks: 0,
            settled: [0; Class::ALL.len()],
            late: 0,
            input_tokens: 0,
            output_tokens: 0,
        }
    }
}
