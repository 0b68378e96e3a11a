use std::time::Duration;

use tokio::time::Instant;

use super::{Cell, FAST, Quality, SLOW};
use crate::stats::{others::Others, tasks::TaskKey};

/// What many scores of others weigh: each of the new ones, and each of those that are taken back.
#[derive(Clone, Copy)]
struct Weights {
    new: f64,
    back: f64,
}

impl Weights {
    fn of(self, count: f64) -> f64 {
        count * if count < 0.0 { self.back } else { self.new }
    }
}

/// Takes so many samples back and lets so many in, of which each would count `each` where one of now
/// counts `unit`.
fn exchange(others: &mut Others, plus: u32, minus: u32, each: f64, unit: f64) -> Weights {
    let back = others.take_back_in(minus, each, unit);
    let new = others.admit_in(plus, each, unit);
    Weights {
        new: new / f64::from(plus.max(1)),
        back: back / f64::from(minus.max(1)),
    }
}

/// Returns a count that is not below 0.
fn positive(count: i32) -> u32 {
    count.max(0).unsigned_abs()
}

/// In how many steps many scores are taken in.
const STEPS: u32 = 16;

impl Cell {
    /// Adds what others contributed to another cell that becomes part of this one.
    pub(in crate::stats) fn add_others(&mut self, other: &Self) {
        for (sum, more) in self.others.iter_mut().zip(other.others) {
            sum.add(more);
        }
        self.given += other.given;
    }
}

impl Quality {
    /// Lets a task be known, where there is room for another: what others say of tasks that nobody
    /// asks about here is not taken in.
    pub(crate) fn expect(&mut self, task: TaskKey) {
        self.tasks.enter_if_room(task);
    }

    /// Takes in scores that others have received, about `ago`, for a target's answers to a task: how
    /// often each value came, less how often it was taken back. Returns whether the task is known.
    pub(crate) fn absorb(
        &mut self,
        target: usize,
        task: TaskKey,
        scores: &[(f64, i32)],
        ago: Duration,
        now: Instant,
    ) -> bool {
        let Some(task) = self.tasks.known(task) else {
            return false;
        };
        let (plus, minus) = scores
            .iter()
            .fold((0_u32, 0_u32), |(plus, minus), (_, count)| {
                let minus = minus.saturating_add(positive(count.saturating_neg()));
                (plus.saturating_add(positive(*count)), minus)
            });
        let new = plus.saturating_sub(minus);
        let slow_age = self.slow.aging.advance_by(new, now);
        let fast_age = self.fast.aging.advance_by(new, now);
        self.rebase_when_due();
        let slow_each = self.slow.aging.remains(ago);
        let fast_each = self.fast.aging.remains(ago);
        let (slow, fast) = (self.slow.grow(slow_age), self.fast.grow(fast_age));
        let Some(cell) = self.tasks.cell_mut(task, target) else {
            return true;
        };
        // What is taken back weighs what it did, as far as it was ever let in.
        let mass = cell.others[SLOW].weight();
        let slow = exchange(&mut cell.others[SLOW], plus, minus, slow_each, slow);
        let fast = exchange(&mut cell.others[FAST], plus, minus, fast_each, fast);
        // Nor is a score taken back that they cannot have given: it is their mean, then.
        let sum = |taken: bool| {
            let of = scores.iter().filter(|(_, count)| (*count < 0) == taken);
            of.map(|(score, count)| score.clamp(0.0, 1.0) * f64::from(*count).abs())
                .sum::<f64>()
        };
        let rest = mass - slow.back * f64::from(minus);
        let left = cell.given - slow.back * sum(true);
        let near = 0.01 * mass;
        let mean = if mass > 0.0 { cell.given / mass } else { 0.0 };
        let possible = left >= -near && left <= rest + near;
        let kept = if possible {
            left.clamp(0.0, rest.max(0.0))
        } else {
            mean * rest
        };
        cell.given = kept + slow.new * sum(false);
        // What one sum takes in, the others must know of: all at once, each would explain the whole.
        let steps = new.clamp(1, STEPS);
        for _ in 0..steps {
            let terms = self.reader(task, now).terms(target);
            for (score, count) in scores {
                let count = f64::from(*count) / f64::from(steps);
                let weights = (slow.of(count), fast.of(count));
                let score = if count < 0.0 && !possible {
                    mean
                } else {
                    *score
                };
                self.learn(target, task, score.clamp(0.0, 1.0), &terms, weights);
            }
        }
        self.note_outlier(target, task);
        true
    }

    /// Takes in how often others found the form of a target's answers right and wrong, less how often
    /// that was taken back. Returns whether the task is known.
    pub(crate) fn absorb_forms(
        &mut self,
        target: usize,
        task: TaskKey,
        (valid, invalid): (i32, i32),
        ago: Duration,
        now: Instant,
    ) -> bool {
        let Some(task) = self.tasks.known(task) else {
            return false;
        };
        let new = positive(valid.saturating_add(invalid));
        let age = self.form.aging.advance_by(new, now);
        self.rebase_when_due();
        let unit = self.form.grow(age);
        let each = self.form.aging.remains(ago);
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            let [.., right, wrong] = &mut cell.others;
            let back = |others: &mut Others, count: i32| {
                others.take_back_in(positive(count.saturating_neg()), each, unit)
            };
            let back = (back(right, valid), back(wrong, invalid));
            // The two have room for so many together.
            let mut all = *right;
            all.add(*wrong);
            let plus = positive(valid).saturating_add(positive(invalid));
            let weight = all.admit_in(plus, each, unit) / f64::from(plus.max(1));
            let new = |count: i32| weight * f64::from(positive(count));
            right.add_weight(new(valid));
            wrong.add_weight(new(invalid));
            cell.valid = (cell.valid + new(valid) - back.0).max(0.0);
            cell.invalid = (cell.invalid + new(invalid) - back.1).max(0.0);
        }
        true
    }
}
