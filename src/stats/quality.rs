use std::time::Duration;

use tokio::time::Instant;

use super::{
    others::Others,
    tasks::{TaskKey, Tasks},
};

mod kept;
mod reader;
mod scale;
mod shared;

pub(crate) use reader::Belief;
use reader::Terms;
use scale::Scale;

/// A model's quality changes with its releases and prompts, not within minutes; with little
/// feedback, the half-life spans the last 200 scores.
const HALF_LIFE: Duration = Duration::from_secs(3600);
const SAMPLES: u32 = 200;
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A silent drop has to show within minutes.
const DRIFT_HALF_LIFE: Duration = Duration::from_secs(120);
const DRIFT_SAMPLES: u32 = 40;
const DRIFT_LONGEST: Duration = Duration::from_secs(3600);
/// Form is checked on every answer, so it is known sooner than quality.
const FORM_HALF_LIFE: Duration = Duration::from_secs(600);
const FORM_SAMPLES: u32 = 20;
const FORM_LONGEST: Duration = Duration::from_secs(3600);

/// What is believed of a pool that nobody has scored, and with the weight of how many scores.
const PRIOR: f64 = 0.70;
const PRIOR_MASS: f64 = 12.0;
/// The declared order is the user's guess: each rank is believed to be this much worse.
const PER_RANK: f64 = 0.02;
const LEAST_PRIOR: f64 = 0.05;
/// Scores it takes to outweigh what is believed of a target, of a cell, and of a task.
const LEVEL_MASS: f64 = 30.0;
const CELL_MASS: f64 = 30.0;
const TASK_MASS: f64 = 10.0;
const DRIFT_MASS: f64 = 12.0;
/// Active tasks from which on the one that stands out most is left out of the drift of the whole.
const TRIM_FROM: usize = 3;
/// Variance from which on scores tell answers apart: a standard deviation of a tenth.
const TELLING: f64 = 0.01;
/// Answers of bad form are rare: a cell starts at 99 %, with the weight of five checks.
const VALID: f64 = 0.99;
const VALID_MASS: f64 = 5.0;
/// An estimate is never certain.
const LEAST: f64 = 0.02;
const MOST: f64 = 0.98;

/// How good the answers of a pool's targets are, by task, from reported scores.
///
/// Three sums share the evidence: the level of a target over all tasks, the effect of a task over
/// all targets, and the cell where both meet. A fast sum of residuals on top of them, the drift,
/// shows within minutes when a target's answers get worse on all tasks at once.
///
/// Sums are kept forward-decayed (Cormode et al., "Forward decay", ICDE 2009): a score is added
/// with the weight that its age has against a common base, so that nothing needs touching as time
/// goes by, and one factor per reading brings any number of sums up to date.
#[derive(Debug)]
pub(crate) struct Quality {
    /// How much worse each rank is believed to be.
    per_rank: f64,
    slow: Scale,
    fast: Scale,
    form: Scale,
    /// Sum of all scores, of all ranks, and of all weights, over the targets.
    all: All,
    levels: Vec<Level>,
    tasks: Tasks,
}

#[derive(Clone, Copy, Debug, Default)]
struct All {
    s: f64,
    ranks: f64,
    n: f64,
    /// Of the scores as they were reported, and of their squares.
    scores: f64,
    squares: f64,
}

/// One target over all tasks.
#[derive(Clone, Debug)]
struct Level {
    /// What the user expects of it.
    expected: Option<f64>,
    s: f64,
    n: f64,
    drift: f64,
    drift_n: f64,
    /// The tasks whose residuals stand out most.
    outliers: [u32; OUTLIERS],
}

const OUTLIERS: usize = 8;
const SLOW: usize = 0;
const FAST: usize = 1;
const RIGHT: usize = 2;
const WRONG: usize = 3;
const NONE: u32 = u32::MAX;

/// One target on one task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) s: f64,
    pub(super) n: f64,
    pub(super) drift: f64,
    pub(super) drift_n: f64,
    pub(super) valid: f64,
    pub(super) invalid: f64,
    /// What of the slow sums, the fast ones, and the checks of form that were right and wrong others
    /// have contributed.
    others: [Others; 4],
    /// The sum of the scores that others gave, in the slow sums.
    given: f64,
}

/// When and where a score went, so that it can be corrected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recorded {
    slow_age: f64,
    fast_age: f64,
}

/// When a check of form was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FormAge(f64);

impl Quality {
    /// Creates the state of a pool; `expected` has one entry per target, in declared order.
    /// `ordered` says whether that order means anything.
    pub(crate) fn new(expected: &[Option<f64>], ordered: bool, tasks: usize, now: Instant) -> Self {
        let level = |expected: &Option<f64>| Level {
            expected: *expected,
            s: 0.0,
            n: 0.0,
            drift: 0.0,
            drift_n: 0.0,
            outliers: [NONE; OUTLIERS],
        };
        Self {
            per_rank: if ordered { PER_RANK } else { 0.0 },
            slow: Scale::new(HALF_LIFE, SAMPLES, LONGEST, now),
            fast: Scale::new(DRIFT_HALF_LIFE, DRIFT_SAMPLES, DRIFT_LONGEST, now),
            form: Scale::new(FORM_HALF_LIFE, FORM_SAMPLES, FORM_LONGEST, now),
            all: All::default(),
            levels: expected.iter().map(level).collect(),
            tasks: Tasks::new(expected.len(), tasks),
        }
    }

    /// Takes in a score of a target's answer to a task. All updates use the values before it.
    pub(crate) fn record(
        &mut self,
        target: usize,
        task: TaskKey,
        score: f64,
        now: Instant,
    ) -> Recorded {
        let task = self.tasks.enter(task);
        let slow_age = self.slow.aging.advance(true, now);
        let fast_age = self.fast.aging.advance(true, now);
        let terms = self.reader(task, now).terms(target);
        self.rebase_when_due();
        let weights = (self.slow.grow(slow_age), self.fast.grow(fast_age));
        self.learn(target, task, score, &terms, weights);
        self.note_outlier(target, task);
        Recorded { slow_age, fast_age }
    }

    /// Adds a score to all sums, with its weights in the slow ones and in the fast ones.
    fn learn(
        &mut self,
        target: usize,
        task: u32,
        score: f64,
        terms: &Terms,
        (slow, fast): (f64, f64),
    ) {
        let residual = score - terms.cell;
        let freed = score - terms.own_drift - terms.drift / 2.0;
        let effect = self.tasks.effect_mut(task);
        effect.s += slow * (score - terms.level - terms.drift - terms.own_drift);
        effect.n += slow;
        let Some(level) = self.levels.get_mut(target) else {
            return;
        };
        let of_level = slow * (freed - terms.effect);
        level.s += of_level;
        level.n += slow;
        level.drift += fast * residual;
        level.drift_n += fast;
        self.all.s += of_level;
        self.all.ranks += slow * target as f64;
        self.all.n += slow;
        self.all.scores += slow * score;
        self.all.squares += slow * score * score;
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            cell.s += slow * freed;
            cell.n += slow;
            cell.drift += fast * residual;
            cell.drift_n += fast;
        }
    }

    /// Replaces a score that was recorded before: the difference counts with the weight that the
    /// old one still has.
    pub(crate) fn correct(
        &mut self,
        target: usize,
        task: TaskKey,
        (old, new): (f64, f64),
        recorded: Recorded,
    ) {
        let difference = new - old;
        let slow = difference * self.slow.grow(recorded.slow_age);
        self.all.scores += slow;
        self.all.squares += slow * (new + old);
        let fast = difference * self.fast.grow(recorded.fast_age);
        let task = self.tasks.find(task);
        self.tasks.effect_mut(task).s += slow;
        self.all.s += slow;
        if let Some(level) = self.levels.get_mut(target) {
            level.s += slow;
            level.drift += fast;
        }
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            cell.s += slow;
            cell.drift += fast;
        }
    }

    /// Takes in whether the form of a target's answer to a task was right.
    pub(crate) fn record_form(
        &mut self,
        target: usize,
        task: TaskKey,
        valid: bool,
        now: Instant,
    ) -> FormAge {
        let task = self.tasks.enter(task);
        let age = self.form.aging.advance(true, now);
        self.rebase_when_due();
        let weight = self.form.grow(age);
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            if valid {
                cell.valid += weight;
            } else {
                cell.invalid += weight;
            }
        }
        FormAge(age)
    }

    /// Turns a check of form that was recorded at `age` into its opposite.
    pub(crate) fn correct_form(&mut self, target: usize, task: TaskKey, valid: bool, age: FormAge) {
        let weight = self.form.grow(age.0);
        let task = self.tasks.find(task);
        if let Some(cell) = self.tasks.cell_mut(task, target) {
            let weight = if valid { weight } else { -weight };
            cell.valid = (cell.valid + weight).max(0.0);
            cell.invalid = (cell.invalid - weight).max(0.0);
        }
    }

    /// Returns the decayed number of scores in the pool that tell something: where all are the same,
    /// whatever was answered, none does.
    pub(crate) fn feedback(&self, now: Instant) -> f64 {
        let All {
            n, scores, squares, ..
        } = self.all;
        if n <= 0.0 {
            return 0.0;
        }
        let mean = scores / n;
        let variance = (squares / n - mean * mean).max(0.0);
        n * self.slow.shrink(now) * (variance / TELLING).min(1.0)
    }

    /// Keeps the list of the tasks that a target's drift comes from. All fade at the same pace, so
    /// their order changes only here.
    fn note_outlier(&mut self, target: usize, task: u32) {
        let tasks = &self.tasks;
        let Some(level) = self.levels.get_mut(target) else {
            return;
        };
        if level.outliers.contains(&task) {
            return;
        }
        let size = |task: u32| match task {
            NONE => -1.0,
            task => tasks.cell(task, target).drift.abs(),
        };
        let least = level
            .outliers
            .iter_mut()
            .min_by(|a, b| size(**a).total_cmp(&size(**b)));
        if let Some(least) = least.filter(|least| size(**least) < size(task)) {
            *least = task;
        }
    }

    fn rebase_when_due(&mut self) {
        if let Some(by) = self.slow.rebase() {
            self.all.s *= by;
            self.all.ranks *= by;
            self.all.n *= by;
            self.all.scores *= by;
            self.all.squares *= by;
            for level in &mut self.levels {
                level.s *= by;
                level.n *= by;
            }
            self.tasks.scale(|effect| {
                effect.s *= by;
                effect.n *= by;
            });
            self.tasks.scale_cells(|cell| {
                cell.s *= by;
                cell.n *= by;
                cell.others[SLOW].fade(by);
                cell.given *= by;
            });
        }
        if let Some(by) = self.fast.rebase() {
            for level in &mut self.levels {
                level.drift *= by;
                level.drift_n *= by;
            }
            self.tasks.scale_cells(|cell| {
                cell.drift *= by;
                cell.drift_n *= by;
                cell.others[FAST].fade(by);
            });
        }
        if let Some(by) = self.form.rebase() {
            self.tasks.scale_cells(|cell| {
                cell.valid *= by;
                cell.invalid *= by;
                cell.others[RIGHT].fade(by);
                cell.others[WRONG].fade(by);
            });
        }
    }
}

#[cfg(test)]
mod tests;
