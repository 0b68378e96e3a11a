use std::time::Duration;

use tokio::time::Instant;

use super::{Cell, FAST, FORM, Quality, SLOW};
use crate::stats::tasks::TaskKey;

/// In how many steps many scores are taken in.
const STEPS: u32 = 16;

impl Cell {
    /// Adds what others contributed to another cell that becomes part of this one.
    pub(in crate::stats) fn add_others(&mut self, other: &Self) {
        for (sum, more) in self.others.iter_mut().zip(other.others) {
            sum.add(more);
        }
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
        let new: i32 = scores
            .iter()
            .map(|(_, count)| *count)
            .fold(0, i32::saturating_add);
        let new = new.max(0).unsigned_abs();
        let slow_age = self.slow.aging.advance_by(new, now);
        let fast_age = self.fast.aging.advance_by(new, now);
        self.rebase_when_due();
        let slow_each = self.slow.aging.remains(ago);
        let fast_each = self.fast.aging.remains(ago);
        let (slow, fast) = (self.slow.grow(slow_age), self.fast.grow(fast_age));
        // What is only corrected weighs what it did, as far as that is known here.
        let (mut slow_weight, mut fast_weight) = (slow * slow_each, fast * fast_each);
        if let Some(cell) = self.tasks.cell_mut(task, target).filter(|_| new > 0) {
            let each = |weight: f64| weight / f64::from(new);
            slow_weight = each(cell.others[SLOW].admit_in(new, slow_each, slow));
            fast_weight = each(cell.others[FAST].admit_in(new, fast_each, fast));
        }
        // What one sum takes in, the others must know of: all at once, each would explain the whole.
        let steps = new.clamp(1, STEPS);
        for _ in 0..steps {
            let terms = self.reader(task, now).terms(target);
            for (score, count) in scores {
                let count = f64::from(*count) / f64::from(steps);
                let weights = (count * slow_weight, count * fast_weight);
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
        let new = valid.saturating_add(invalid).max(0).unsigned_abs();
        let age = self.form.aging.advance_by(new, now);
        self.rebase_when_due();
        let unit = self.form.grow(age);
        let each = self.form.aging.remains(ago);
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            let weight = if new > 0 {
                cell.others[FORM].admit_in(new, each, unit) / f64::from(new)
            } else {
                unit * each
            };
            cell.valid = (cell.valid + weight * f64::from(valid)).max(0.0);
            cell.invalid = (cell.invalid + weight * f64::from(invalid)).max(0.0);
        }
        true
    }
}
