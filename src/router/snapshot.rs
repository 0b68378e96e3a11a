use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::time::Instant;

use super::{Counts, Inner, Mode, TargetEntry};
use crate::{
    classify::Class,
    stats::{Gate, TaskKey},
};

/// What a router knows, at one moment.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The pools, in declared order.
    pub pools: Vec<PoolSnapshot>,
    /// Decisions so far.
    pub decisions: u64,
    /// What happened beside attempts.
    pub counts: Counts,
}

/// One pool.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// Its other names.
    pub aliases: Vec<String>,
    /// Its mode.
    pub mode: Mode,
    /// Its policy.
    pub policy: &'static str,
    /// Its targets, in declared order.
    pub targets: Vec<TargetSnapshot>,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TargetSnapshot {
    /// Its name.
    pub name: Arc<str>,
    /// The model it serves.
    pub model: Arc<str>,
    /// Attempts opened.
    pub picks: u64,
    /// Attempts open now.
    pub in_flight: u32,
    /// Attempts settled, by class; classes that did not occur are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Successes that came late.
    pub late: u64,
    /// Probability that an attempt does not fail, 0 to 1.
    pub health: f64,
    /// Whether its breaker keeps traffic away.
    pub broken: bool,
    /// Whether it was taken out by hand.
    pub drained: bool,
    /// Expected score of an answer over all tasks, 0 to 1.
    pub quality: f64,
    /// Seconds that the provider asked us to stay away for, from now.
    pub rate_limited_s: Option<f64>,
    /// Requests believed to be left in the provider's limit.
    pub requests_left: Option<f64>,
    /// Tokens believed to be left in the provider's limit.
    pub tokens_left: Option<f64>,
    /// Typical seconds to the first content of a stream.
    pub first_content_s: Option<f64>,
    /// Typical seconds of a whole answer.
    pub total_s: Option<f64>,
    /// Prompt tokens used.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
}

impl Snapshot {
    /// Returns all targets, pool by pool.
    pub fn targets(&self) -> impl Iterator<Item = &TargetSnapshot> {
        self.pools.iter().flat_map(|pool| &pool.targets)
    }
}

impl TargetSnapshot {
    /// Returns how many attempts have settled.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Returns how many attempts ended with this class.
    #[must_use]
    pub fn outcomes_of(&self, class: Class) -> u64 {
        self.outcomes.get(class.as_str()).copied().unwrap_or(0)
    }
}

impl Inner {
    pub(super) fn snapshot(&self, now: Instant) -> Snapshot {
        let pools = self.pools.iter().map(|pool| PoolSnapshot {
            name: pool.name.clone(),
            aliases: pool.aliases.clone(),
            mode: pool.mode(),
            policy: pool.policy.name(),
            targets: pool
                .targets
                .clone()
                .filter_map(|index| self.snapshot_target(self.targets.get(index)?, now))
                .collect(),
        });
        Snapshot {
            pools: pools.collect(),
            decisions: self.decisions.taken(),
            counts: self.counters.snapshot(),
        }
    }

    fn snapshot_target(&self, target: &TargetEntry, now: Instant) -> Option<TargetSnapshot> {
        let broken = self.broken_around(target);
        let quality = self.pools.get(target.pool)?.beliefs.quality();
        let quality = quality.read(TaskKey::OTHER, now).belief(target.rank).level;
        let mut group = self.group(target.group);
        let (requests_left, tokens_left) = group.capacity.headroom(now);
        let told = group.capacity.told(now);
        let member = group.members.get_mut(target.slot)?;
        let condition = member.condition(broken, now);
        let seconds = |duration: std::time::Duration| duration.as_secs_f64();
        let counts = Class::ALL
            .iter()
            .zip(member.settled)
            .filter(|(_, count)| *count > 0);
        Some(TargetSnapshot {
            name: target.name.clone(),
            model: target.model.clone(),
            picks: member.picks,
            in_flight: member.in_flight,
            outcomes: counts
                .map(|(class, count)| (class.as_str(), count))
                .collect(),
            late: member.late,
            health: condition.health,
            broken: matches!(condition.gate, Gate::Open(_)),
            drained: target.is_drained(),
            quality,
            rate_limited_s: told.map(|until| seconds(until.saturating_duration_since(now))),
            requests_left,
            tokens_left,
            first_content_s: member.first_content.typical().map(seconds),
            total_s: member.pace.typical().map(seconds),
            input_tokens: member.input_tokens,
            output_tokens: member.output_tokens,
        })
    }
}
