use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Fleet, Lease,
    counter::{Counter, Went, score_step, time_step, token_step},
};
use crate::stats::{Evidence, Spending};

/// Counters of one scope that may wait to be told. More of them are lost, and counted.
const MOST: usize = 16_384;

/// What has happened in a quota group since it was told last.
#[derive(Debug)]
pub(in crate::router) struct GroupNews {
    pub(in crate::router) fleet: Arc<Fleet>,
    pub(in crate::router) lease: Lease,
    /// A provider has asked for a wait.
    pub(super) cooled: bool,
    pub(super) spent: Spending,
    pub(super) reopened: u32,
    /// By the place of the target in the group.
    pub(super) targets: Vec<TargetNews>,
}

/// What has happened to a target: each counter but for the target's name.
pub(super) type TargetNews = HashMap<OfTarget, u64>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum OfTarget {
    Attempts(Went),
    FirstContent(u8),
    Answers(u8, Option<u8>, u8),
}

impl OfTarget {
    pub(super) fn of(self, target: u64) -> Counter {
        match self {
            Self::Attempts(went) => Counter::Attempts(target, went),
            Self::FirstContent(time) => Counter::FirstContent(target, time),
            Self::Answers(expected, tokens, time) => {
                Counter::Answers(target, expected, tokens, time)
            }
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
            reopened: 0,
            targets: Vec::new(),
        }
    }

    pub(in crate::router) fn sent(&mut self, tokens: f64, reopened: bool) {
        self.spent.requests = self.spent.requests.saturating_add(1);
        self.spent.tokens += tokens;
        self.reopened = self.reopened.saturating_add(u32::from(reopened));
    }

    pub(in crate::router) fn read(&mut self, left: [Option<f64>; 2]) {
        for (readings, left) in self.spent.left.iter_mut().zip(left) {
            if let Some(left) = left {
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
        self.count(slot, OfTarget::Attempts(went));
        if probe && evidence != Evidence::Good {
            self.count(slot, OfTarget::Attempts(Went::FailedProbe));
        }
        if probe {
            // Whether it is back, or is not, is worth knowing at once.
            self.fleet.wake();
        }
    }

    pub(in crate::router) fn first_content(&mut self, slot: usize, after: Duration) {
        self.count(slot, OfTarget::FirstContent(time_step(after)));
    }

    pub(in crate::router) fn answered(
        &mut self,
        slot: usize,
        expected: f64,
        tokens: Option<u64>,
        took: Duration,
    ) {
        let tokens = tokens.map(|tokens| token_step(tokens as f64));
        let counter = OfTarget::Answers(token_step(expected), tokens, time_step(took));
        self.count(slot, counter);
    }

    fn count(&mut self, slot: usize, counter: OfTarget) {
        if self.targets.len() <= slot {
            self.targets.resize_with(slot + 1, HashMap::new);
        }
        if let Some(news) = self.targets.get_mut(slot) {
            *news.entry(counter).or_default() += 1;
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
