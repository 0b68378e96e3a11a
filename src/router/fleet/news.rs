use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
    time::Duration,
};

use super::{
    Fleet, Lease,
    counter::{Counter, Went, score_step, time_step, token_step},
};
use crate::stats::{Evidence, Spending};

/// Counters of one scope that may wait to be told. More of them are lost, and counted.
const MOST: usize = 16_384;
/// The sum of readings that is told at once.
const MOST_READ: f64 = 1e9;

/// What has happened in a quota group since it was told last.
#[derive(Debug)]
pub(in crate::router) struct GroupNews {
    pub(in crate::router) fleet: Arc<Fleet>,
    pub(in crate::router) lease: Lease,
    /// A provider has asked for a wait.
    pub(super) cooled: bool,
    pub(super) spent: Spending,
    /// By the place of the target in the group.
    pub(super) targets: Vec<TargetNews>,
}

/// What has happened to a target. It is counted with every settlement.
#[derive(Debug, Default)]
pub(super) struct TargetNews {
    /// In the order of [`Went::ALL`].
    attempts: [u64; Went::ALL.len()],
    /// Times to the first content, and the lengths and times of whole answers, in steps.
    times: HashMap<Steps, u64, BuildHasherDefault<Mixed>>,
}

/// Steps of one answer, in one number: its kind above the three of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Steps(u32);

impl Steps {
    const NO_TOKENS: u32 = 1 << 24;
    const FIRST_CONTENT: u32 = 1 << 25;

    fn of_answer(expected: u8, tokens: Option<u8>, time: u8) -> Self {
        let low = u32::from_be_bytes([0, expected, tokens.unwrap_or(0), time]);
        let kind = if tokens.is_none() { Self::NO_TOKENS } else { 0 };
        Self(kind | low)
    }

    fn of_first_content(time: u8) -> Self {
        Self(Self::FIRST_CONTENT | u32::from(time))
    }

    fn counter(self, target: u64) -> Counter {
        let [_, expected, tokens, time] = self.0.to_be_bytes();
        if self.0 & Self::FIRST_CONTENT != 0 {
            return Counter::FirstContent(target, time);
        }
        let tokens = (self.0 & Self::NO_TOKENS == 0).then_some(tokens);
        Counter::Answers(target, expected, tokens, time)
    }
}

/// Hashes a number that nobody can choose: a multiplication spreads it well enough.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl TargetNews {
    /// Tells all of it.
    pub(super) fn tell(&self, target: u64, mut tell: impl FnMut(Counter, u64)) {
        for ((went, _), count) in Went::ALL.into_iter().zip(self.attempts) {
            if count > 0 {
                tell(Counter::Attempts(target, went), count);
            }
        }
        for (steps, count) in &self.times {
            tell(steps.counter(target), *count);
        }
    }
}

impl GroupNews {
    pub(in crate::router) fn new(fleet: Arc<Fleet>) -> Self {
        Self {
            fleet,
            lease: Lease::default(),
            cooled: false,
            spent: Spending::default(),
            targets: Vec::new(),
        }
    }

    pub(in crate::router) fn read(&mut self, left: [Option<f64>; 2]) {
        for (readings, left) in self.spent.left.iter_mut().zip(left) {
            if let Some(left) = left {
                if readings.left + readings.owed + left.abs() > MOST_READ {
                    // A mean of what a counter cannot hold would be too small.
                    *readings = Default::default();
                }
                readings.count = readings.count.saturating_add(1);
                // A counter cannot fall.
                readings.left += left.max(0.0);
                readings.owed += (-left).max(0.0);
            }
        }
    }

    pub(in crate::router) fn refused(&mut self, wait: Option<Duration>, quota: bool, tokens: f64) {
        if quota {
            self.spent.exhausted = self.spent.exhausted.saturating_add(1);
        } else {
            self.spent.refused = self.spent.refused.saturating_add(1);
            self.spent.refused_tokens += tokens;
        }
        if wait.is_some() {
            // The others are on their way into the same wall.
            self.cooled = true;
            self.fleet.wake();
        } else if !quota {
            self.spent.bare = self.spent.bare.saturating_add(1);
        }
    }

    pub(in crate::router) fn went(
        &mut self,
        slot: usize,
        evidence: Evidence,
        outdated: bool,
        probe: bool,
    ) {
        let went = match evidence {
            Evidence::Good if outdated => Went::Outdated,
            Evidence::Good => Went::Good,
            Evidence::Late => Went::Late,
            Evidence::Slow => Went::Slow,
            Evidence::Bad => Went::Bad,
        };
        let news = self.target(slot);
        news.went(went);
        if probe && evidence != Evidence::Good {
            news.went(Went::FailedProbe);
        }
        if probe {
            // Whether it is back, or is not, is worth knowing at once.
            self.fleet.wake();
        }
    }

    pub(in crate::router) fn first_content(&mut self, slot: usize, after: Duration) {
        let steps = Steps::of_first_content(time_step(after));
        *self.target(slot).times.entry(steps).or_default() += 1;
    }

    pub(in crate::router) fn answered(
        &mut self,
        slot: usize,
        expected: f64,
        tokens: Option<u64>,
        took: Duration,
    ) {
        let tokens = tokens.map(|tokens| token_step(tokens as f64));
        let steps = Steps::of_answer(token_step(expected), tokens, time_step(took));
        *self.target(slot).times.entry(steps).or_default() += 1;
    }

    fn target(&mut self, slot: usize) -> &mut TargetNews {
        if self.targets.len() <= slot {
            self.targets.resize_with(slot + 1, TargetNews::default);
        }
        #[allow(clippy::indexing_slicing, reason = "there is a place for it now")]
        &mut self.targets[slot]
    }
}

impl TargetNews {
    fn went(&mut self, went: Went) {
        if let Some(count) = self.attempts.get_mut(went as usize) {
            *count += 1;
        }
    }
}

/// What answers were worth since it was told last, by pool.
#[derive(Debug, Default)]
pub(super) struct ScoreNews {
    pub(super) counters: HashMap<(u64, Counter), u64>,
    pub(super) lost: u64,
}

impl ScoreNews {
    fn count(&mut self, pool: u64, counter: Counter) {
        if self.counters.len() >= MOST && !self.counters.contains_key(&(pool, counter)) {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        *self.counters.entry((pool, counter)).or_default() += 1;
    }
}

impl Fleet {
    /// Notes a score of a target's answer to a task, and the one that it replaces.
    pub(in crate::router) fn scored(
        &self,
        pool: u64,
        (target, task): (u64, u64),
        score: f64,
        before: Option<f64>,
    ) {
        let mut news = super::super::lock::lock(&self.scores);
        let (new, old) = (score_step(score), before.map(score_step));
        if old == Some(new) {
            return;
        }
        news.count(pool, Counter::Scores(target, task, new));
        if let Some(old) = old {
            news.count(pool, Counter::Unscored(target, task, old));
        }
    }

    /// Notes a check of form, and whether it replaces its opposite.
    pub(in crate::router) fn formed(
        &self,
        pool: u64,
        (target, task): (u64, u64),
        valid: bool,
        replaces: bool,
    ) {
        let mut news = super::super::lock::lock(&self.scores);
        news.count(pool, Counter::Forms(target, task, valid));
        if replaces {
            news.count(pool, Counter::Unformed(target, task, !valid));
        }
    }
}
