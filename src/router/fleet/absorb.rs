use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    super::{Inner, OutcomeRouter, TargetEntry},
    Counter, ScopeOf,
    counter::{Went, score_of, time_of, tokens_of},
};
use crate::stats::{Readings, Spending, TaskKey, Witnessed};

/// Attempts, and requests, that are believed of one exchange.
const MOST: u64 = 100_000;
const MOST_TOKENS: u64 = 1_000_000_000;

impl OutcomeRouter {
    /// Takes in by how much others have let the counters of a scope rise, about `ago`. `unknown` is told
    /// the number of each that means nothing here, yet.
    pub(crate) fn absorb(
        &self,
        scope: ScopeOf,
        rises: &[(Counter, u64)],
        ago: Duration,
        now: Instant,
        unknown: impl FnMut(usize),
    ) {
        match scope {
            ScopeOf::Group(scope) => self.inner.absorb_group(scope, rises, ago, now, unknown),
            ScopeOf::Pool(scope) => self.inner.absorb_pool(scope, rises, ago, now, unknown),
        }
    }

    /// Leaves a quota group alone for as long as its provider has asked another instance to.
    pub(crate) fn cool(&self, scope: u64, lasts: Duration, now: Instant) {
        let inner = &self.inner;
        let index = inner.groups.iter().position(|entry| entry.scope == scope);
        let Some(index) = index else { return };
        let mut group = inner.group(index);
        group.capacity.cool(lasts, now);
        for target in inner.members(index) {
            inner.post(target, &mut group, now);
        }
    }
}

/// The tokens that were expected of an answer, those that came, and the time, in steps.
type Answer = (u8, Option<u8>, u8);

/// What others saw of one target.
#[derive(Debug, Default)]
struct OfTarget {
    witnessed: Witnessed,
    first_content: Vec<(u8, u32)>,
    answers: Vec<(Answer, u32)>,
}

impl Inner {
    fn absorb_group(
        &self,
        scope: u64,
        rises: &[(Counter, u64)],
        ago: Duration,
        now: Instant,
        mut unknown: impl FnMut(usize),
    ) {
        let Some(index) = self.groups.iter().position(|entry| entry.scope == scope) else {
            return;
        };
        let mut spent = Spending::default();
        let (mut requests_left, mut tokens_left) = (Readings::default(), Readings::default());
        let mut targets: Vec<(&TargetEntry, OfTarget)> = Vec::new();
        for (at, (counter, rise)) in rises.iter().enumerate() {
            let count = u32::try_from(*rise.min(&MOST)).unwrap_or(u32::MAX);
            let tokens = *rise.min(&MOST_TOKENS) as f64;
            // Of these only the mean is believed, as far as the limit goes.
            let read = *rise as f64;
            let readings = u32::try_from(*rise).unwrap_or(u32::MAX);
            let known = match *counter {
                Counter::Requests => set(&mut spent.requests, count),
                Counter::Tokens => set(&mut spent.tokens, tokens),
                Counter::Refused => set(&mut spent.refused, count),
                Counter::RefusedTokens => set(&mut spent.refused_tokens, tokens),
                Counter::Bare => set(&mut spent.bare, count),
                Counter::Exhausted => set(&mut spent.exhausted, count),
                Counter::Reopened => set(&mut spent.reopened, true),
                Counter::RequestReadings => set(&mut requests_left.count, readings),
                Counter::RequestsLeft => set(&mut requests_left.left, read),
                Counter::RequestsOwed => set(&mut requests_left.owed, read),
                Counter::TokenReadings => set(&mut tokens_left.count, readings),
                Counter::TokensLeft => set(&mut tokens_left.left, read),
                Counter::TokensOwed => set(&mut tokens_left.owed, read),
                Counter::Attempts(name, _)
                | Counter::FirstContent(name, _)
                | Counter::Answers(name, ..) => match self.of_target(&mut targets, index, name) {
                    Some(target) => target.add(*counter, count),
                    None => false,
                },
                _ => false,
            };
            if !known {
                unknown(at);
            }
        }
        spent.left = [requests_left, tokens_left];
        spent.answered = targets.iter().any(|(_, it)| {
            let Witnessed {
                good, slow, late, ..
            } = it.witnessed;
            good.saturating_add(slow).saturating_add(late) > 0
        });
        let mut group = self.group(index);
        if ago.is_zero() {
            group.capacity.absorb(&spent, now);
        }
        let mut probed = ago.is_zero() && spent.reopened;
        for (target, seen) in &targets {
            if let Some(member) = group.members.get_mut(target.slot) {
                let out = member.health.is_broken(now) || member.health.is_in_doubt();
                let back = seen.witnessed.good > 0 && out;
                probed |= ago.is_zero() && (back || seen.witnessed.failed_probes > 0);
                member.of_others = member
                    .of_others
                    .saturating_add(u64::from(seen.witnessed.total()));
                member.health.absorb(&seen.witnessed, ago, now);
                if ago.is_zero() {
                    // It is not idle: nobody has to find out how it is.
                    member.picked = member.picked.max(now);
                }
                for (time, count) in &seen.first_content {
                    member
                        .first_content
                        .absorb(time_of(*time), *count, ago, now);
                }
                for ((expected, tokens, time), count) in &seen.answers {
                    let tokens = tokens.map(|tokens| tokens_of(tokens).round() as u64);
                    let lengths = (tokens_of(*expected), tokens);
                    member
                        .pace
                        .absorb(lengths, time_of(*time), *count, ago, now);
                }
            }
            self.note_broken(target, &mut group, now);
        }
        if probed && let Some(news) = group.news.as_deref_mut() {
            news.lease.used();
        }
        for target in self.members(index) {
            self.post(target, &mut group, now);
        }
    }

    /// Returns what is known so far of a target of the group.
    fn of_target<'a, 'b>(
        &'a self,
        targets: &'b mut Vec<(&'a TargetEntry, OfTarget)>,
        group: usize,
        name: u64,
    ) -> Option<&'b mut OfTarget> {
        let at = match targets.iter().position(|(it, _)| it.shared_name == name) {
            Some(at) => at,
            None => {
                let found = self.members(group).find(|it| it.shared_name == name)?;
                targets.push((found, OfTarget::default()));
                targets.len() - 1
            }
        };
        targets.get_mut(at).map(|(_, of_target)| of_target)
    }

    fn absorb_pool(
        &self,
        scope: u64,
        rises: &[(Counter, u64)],
        ago: Duration,
        now: Instant,
        mut unknown: impl FnMut(usize),
    ) {
        let Some(pool) = self.pools.iter().find(|entry| entry.scope == scope) else {
            return;
        };
        // In order, so that what is rounded is rounded the same way every time.
        let mut cells: BTreeMap<(usize, u64), OfCell> = BTreeMap::new();
        let targets = self.targets.get(pool.targets.clone()).unwrap_or_default();
        for (at, (counter, rise)) in rises.iter().enumerate() {
            let count = i32::try_from(*rise.min(&MOST)).unwrap_or(i32::MAX);
            let place = match *counter {
                Counter::Scores(target, task, _)
                | Counter::Unscored(target, task, _)
                | Counter::Forms(target, task, _)
                | Counter::Unformed(target, task, _) => {
                    let target = targets.iter().find(|it| it.shared_name == target);
                    target.map(|target| (target.rank, task))
                }
                _ => None,
            };
            let Some(place) = place else {
                unknown(at);
                continue;
            };
            let cell = cells.entry(place).or_default();
            cell.from.push(at);
            match *counter {
                Counter::Scores(.., score) => cell.scores.push((score_of(score), count)),
                Counter::Unscored(.., score) => cell.scores.push((score_of(score), -count)),
                Counter::Forms(.., valid) => cell.form(valid, count),
                Counter::Unformed(.., valid) => cell.form(valid, -count),
                _ => {}
            }
        }
        if cells.is_empty() {
            return;
        }
        pool.beliefs.change(|quality| {
            for ((target, task), cell) in &cells {
                let task = TaskKey(*task);
                let known = (cell.scores.is_empty()
                    || quality.absorb(*target, task, &cell.scores, ago, now))
                    && (cell.forms == (0, 0)
                        || quality.absorb_forms(*target, task, cell.forms, ago, now));
                if !known {
                    cell.from.iter().copied().for_each(&mut unknown);
                }
            }
        });
    }
}

/// What others were told of one target's answers to one task.
#[derive(Debug, Default)]
struct OfCell {
    scores: Vec<(f64, i32)>,
    forms: (i32, i32),
    /// The numbers of the counters that it comes from.
    from: Vec<usize>,
}

impl OfCell {
    fn form(&mut self, valid: bool, count: i32) {
        let (right, wrong) = &mut self.forms;
        let sum = if valid { right } else { wrong };
        *sum = sum.saturating_add(count);
    }
}

impl OfTarget {
    fn add(&mut self, counter: Counter, count: u32) -> bool {
        let seen = &mut self.witnessed;
        match counter {
            Counter::Attempts(_, went) => {
                let sum = match went {
                    Went::Good => &mut seen.good,
                    Went::Outdated => &mut seen.outdated,
                    Went::Late => &mut seen.late,
                    Went::Slow => &mut seen.slow,
                    Went::Bad => &mut seen.bad,
                    Went::FailedProbe => &mut seen.failed_probes,
                };
                *sum = sum.saturating_add(count);
            }
            Counter::FirstContent(_, time) => self.first_content.push((time, count)),
            Counter::Answers(_, expected, tokens, time) => {
                self.answers.push(((expected, tokens, time), count));
            }
            _ => return false,
        }
        true
    }
}

fn set<T>(to: &mut T, value: T) -> bool {
    *to = value;
    true
}
