use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tokio::time::Instant;

use super::{Counts, Inner, Mode, State, TargetEntry};
use crate::{
    classify::Class,
    stats::{Gate, Left, TaskKey},
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
    /// The target that it is pinned to by hand.
    pub pinned: Option<Arc<str>>,
    /// Its policy.
    pub policy: &'static str,
    /// Dollars spent on its targets that have a price; `None` where none has.
    pub dollars: Option<f64>,
    /// Of these, dollars that went into attempts that failed.
    pub failed_dollars: Option<f64>,
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
    /// The host of its upstream; `None` where it is the caller's own.
    pub upstream: Option<String>,
    /// How it is doing, in one word.
    pub state: State,
    /// Seconds that the state will last at least, where that is known.
    pub state_s: Option<f64>,
    /// Attempts opened.
    pub picks: u64,
    /// Attempts open now.
    pub in_flight: u32,
    /// Attempts settled, by class; classes that did not occur are left out.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Successes that came late.
    pub late: u64,
    /// Attempts of other instances that were heard of: those that say something of its health, so none that
    /// were refused for a limit or abandoned.
    pub of_others: u64,
    /// Probability that an attempt does not fail, 0 to 1.
    pub health: f64,
    /// Decayed number of attempts that rests on.
    pub attempts: f64,
    /// Whether its breaker keeps traffic away.
    pub broken: bool,
    /// Whether it was taken out by hand.
    pub drained: bool,
    /// Expected score of an answer over all tasks, 0 to 1.
    pub quality: f64,
    /// Decayed number of scores that rests on.
    pub scores: f64,
    /// Seconds that the provider asked us to stay away for, from now.
    pub rate_limited_s: Option<f64>,
    /// Requests believed to be left in the provider's limit.
    pub requests_left: Option<f64>,
    /// The provider's limit of requests, per its window.
    pub requests_limit: Option<f64>,
    /// Tokens believed to be left in the provider's limit.
    pub tokens_left: Option<f64>,
    /// The provider's limit of tokens, per its window.
    pub tokens_limit: Option<f64>,
    /// The smaller share of the two that is left, 0 to 1.
    pub headroom: Option<f64>,
    /// Seconds until nothing is left of one of them if all goes on as in the last ten seconds;
    /// `None` where it refills faster than it is spent.
    pub wall_in_s: Option<f64>,
    /// Typical seconds to the first content of a stream.
    pub first_content_s: Option<f64>,
    /// Typical seconds of a whole answer.
    pub total_s: Option<f64>,
    /// Attempts that reported what they used, the failed ones among them included. What the others
    /// used is unknown, and in none of the figures below.
    pub usage_reports: u64,
    /// Prompt tokens used.
    pub input_tokens: u64,
    /// Those of them that were read from the provider's cache.
    pub cached_tokens: u64,
    /// Those of them that were written to the provider's cache.
    pub written_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
    /// Those of them that were reasoning.
    pub reasoning_tokens: u64,
    /// Dollars spent, each attempt at the price of its end; `None` without a price. A price of 0 is
    /// one.
    pub dollars: Option<f64>,
    /// Of these, dollars that went into attempts that failed.
    pub failed_dollars: Option<f64>,
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
        let pools = self.pools.iter().map(|pool| {
            let targets: Vec<_> = pool
                .targets
                .clone()
                .filter_map(|index| self.snapshot_target(self.targets.get(index)?, now))
                .collect();
            PoolSnapshot {
                name: pool.name.clone(),
                aliases: pool.aliases.clone(),
                mode: pool.mode(),
                pinned: pool
                    .pinned
                    .rank()
                    .and_then(|rank| self.targets.get(pool.targets.start + rank))
                    .map(|target| target.name.clone()),
                policy: pool.policy.name(),
                dollars: sum(targets.iter().map(|target| target.dollars)),
                failed_dollars: sum(targets.iter().map(|target| target.failed_dollars)),
                targets,
            }
        });
        Snapshot {
            pools: pools.collect(),
            decisions: self.lasting.decisions.taken(),
            counts: self.lasting.counters.snapshot(),
        }
    }

    pub(super) fn snapshot_target(
        &self,
        target: &TargetEntry,
        now: Instant,
    ) -> Option<TargetSnapshot> {
        let broken = self.broken_around(target);
        let quality = self.pools.get(target.pool)?.beliefs.quality();
        let belief = quality.read(TaskKey::OTHER, now).belief(target.rank);
        let mut group = self.group(target.group);
        let [requests, tokens] = group.capacity.outlook(now);
        let told = group.capacity.told(now);
        let group = &mut *group;
        let member = group.members.get_mut(target.slot)?;
        let condition = member.condition(broken, now);
        let (state, lasts) = self.state(target, &group.capacity, &condition, now);
        let dollars = member.spent.dollars();
        let seconds = |duration: std::time::Duration| duration.as_secs_f64();
        let counts = Class::ALL
            .iter()
            .zip(member.settled)
            .filter(|(_, count)| *count > 0);
        Some(TargetSnapshot {
            name: target.name.clone(),
            model: target.model.clone(),
            upstream: target.upstream.as_ref().map(|it| it.host().to_owned()),
            state,
            state_s: lasts.map(seconds),
            picks: member.picks,
            in_flight: member.in_flight,
            outcomes: counts
                .map(|(class, count)| (class.as_str(), count))
                .collect(),
            late: member.late,
            of_others: member.of_others,
            health: condition.health,
            attempts: condition.mass,
            broken: matches!(condition.gate, Gate::Open(_)),
            drained: target.is_drained(),
            quality: belief.level,
            scores: belief.level_mass,
            rate_limited_s: told.map(|until| seconds(until.saturating_duration_since(now))),
            requests_left: requests.map(|it| it.left),
            requests_limit: requests.map(|it| it.limit),
            tokens_left: tokens.map(|it| it.left),
            tokens_limit: tokens.map(|it| it.limit),
            headroom: [requests, tokens]
                .iter()
                .flatten()
                .map(Left::share)
                .min_by(f64::total_cmp),
            wall_in_s: [requests, tokens]
                .iter()
                .flatten()
                .filter_map(|it| it.gone_in)
                .min_by(f64::total_cmp),
            first_content_s: member.first_content.typical().map(seconds),
            total_s: member.pace.typical().map(seconds),
            usage_reports: member.spent.reports,
            input_tokens: member.spent.usage.input,
            cached_tokens: member.spent.usage.cached,
            written_tokens: member.spent.usage.written,
            output_tokens: member.spent.usage.output,
            reasoning_tokens: member.spent.usage.reasoning,
            dollars: dollars.map(|(all, _)| all),
            failed_dollars: dollars.map(|(_, failed)| failed),
        })
    }
}

/// Adds up what is known.
fn sum(dollars: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let known = dollars.flatten();
    known.reduce(|sum, more| (sum + more).min(f64::MAX))
}
