use std::time::Duration;

use tokio::time::Instant;

use super::{
    aging::{Aging, faded},
    keep::{KeptQuality, KeptSum, KeptTask},
    tasks::{TaskKey, Tasks},
};

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
/// Noise allowed to a sum of residuals before it counts as drift, in standard deviations; and the
/// variance of one residual, that of a yes or no at 0.7.
const DRIFT_SIGMAS: f64 = 0.5;
const RESIDUAL: f64 = 0.21;
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
/// Width of the sampling, as a share of the posterior's: full width costs half as much regret
/// again, none locks on to a wrong target.
const WIDTH: f64 = 0.1;
const PRIOR_WIDTH: f64 = 0.3;
/// The same where a request explores: twice what is believed, or a cell that its prior sells short
/// is never looked into.
const EXPLORING_WIDTH: f64 = 2.0;
/// Sums are kept in units of a past age; half-lives after which they are brought up to date.
const REBASE: f64 = 40.0;

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
}

/// What is believed of a target's answers to a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Belief {
    /// Expected score, 0.02 to 0.98.
    pub(crate) quality: f64,
    /// Probability that the form is right, 0 to 1.
    pub(crate) validity: f64,
    /// Standard deviation to sample `quality` with.
    pub(crate) sd: f64,
    /// The same for the few requests that explore: wider by what the cell owes to its prior.
    pub(crate) exploring_sd: f64,
    /// Expected score over all tasks.
    pub(crate) level: f64,
    /// How much harder (negative) or easier the task is than the rest.
    pub(crate) task_effect: f64,
    /// Recent deviation that the slow sums have not taken in yet.
    pub(crate) drift: f64,
    /// Decayed number of scores behind the cell, and behind the target.
    pub(crate) cell_mass: f64,
    pub(crate) level_mass: f64,
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

    /// Starts a reading of what is believed at `now` about answers to a task.
    pub(crate) fn read(&self, task: TaskKey, now: Instant) -> Reader<'_> {
        self.reader(self.tasks.find(task), now)
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
        let (slow, fast) = (self.slow.grow(slow_age), self.fast.grow(fast_age));

        let residual = score - terms.cell;
        let freed = score - terms.own_drift - terms.drift / 2.0;
        let effect = self.tasks.effect_mut(task);
        effect.s += slow * (score - terms.level - terms.drift - terms.own_drift);
        effect.n += slow;
        let Some(level) = self.levels.get_mut(target) else {
            return Recorded { slow_age, fast_age };
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
        self.note_outlier(target, task);
        Recorded { slow_age, fast_age }
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

    /// Returns what is worth keeping over a restart.
    pub(crate) fn keep(&self, now: Instant) -> KeptQuality {
        let (slow, form) = (self.slow.shrink(now), self.form.shrink(now));
        let sum = |sum: f64, mass: f64| KeptSum {
            sum: sum * slow,
            mass: mass * slow,
        };
        let targets = self.levels.len();
        let tasks = self.tasks.places().map(|(key, place)| {
            let cells = (0..targets).map(|target| self.tasks.cell(place, target));
            let effect = self.tasks.effect(place);
            KeptTask {
                key: key.0,
                effect: sum(effect.s, effect.n),
                cells: cells.clone().map(|cell| sum(cell.s, cell.n)).collect(),
                forms: cells
                    .map(|cell| KeptSum {
                        sum: cell.valid * form,
                        mass: (cell.valid + cell.invalid) * form,
                    })
                    .collect(),
            }
        });
        KeptQuality {
            gap_s: self.slow.aging.gap(),
            levels: self
                .levels
                .iter()
                .map(|level| sum(level.s, level.n))
                .collect(),
            tasks: tasks.collect(),
        }
    }

    /// Takes up what was kept `ago` into a state that is still empty. `places` says where each
    /// target that was kept is now.
    pub(crate) fn resume(&mut self, kept: &KeptQuality, places: &[Option<usize>], ago: Duration) {
        self.slow.aging.resume(kept.gap_s);
        let slow = self.slow.aging.remains(ago);
        let form = self.form.aging.remains(ago);
        for (place, level) in places.iter().zip(&kept.levels) {
            let level = level.sound(slow);
            let Some((target, to)) = place.and_then(|at| Some((at, self.levels.get_mut(at)?)))
            else {
                continue;
            };
            to.s = level.sum;
            to.n = level.mass;
            self.all.s += level.sum;
            self.all.n += level.mass;
            // How they were spread is not kept: taken for yes and no at 0.7.
            self.all.scores += level.mass * PRIOR;
            self.all.squares += level.mass * PRIOR;
            self.all.ranks += level.mass * target as f64;
        }
        for task in &kept.tasks {
            let place = self.tasks.enter(TaskKey(task.key));
            let effect = task.effect.sound(slow);
            let to = self.tasks.effect_mut(place);
            to.s += effect.sum;
            to.n += effect.mass;
            let cells = task.cells.iter().zip(&task.forms);
            for (at, (cell, checked)) in places.iter().zip(cells) {
                let (cell, checked) = (cell.sound(slow), checked.sound(form));
                if let Some(to) = at.and_then(|at| self.tasks.cell_mut(place, at)) {
                    to.s += cell.sum;
                    to.n += cell.mass;
                    to.valid += checked.sum;
                    to.invalid += (checked.mass - checked.sum).max(0.0);
                }
            }
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

    fn reader(&self, task: u32, now: Instant) -> Reader<'_> {
        Reader {
            quality: self,
            task,
            slow: self.slow.shrink(now),
            fast: self.fast.shrink(now),
            form: self.form.shrink(now),
        }
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
            });
        }
        if let Some(by) = self.form.rebase() {
            self.tasks.scale_cells(|cell| {
                cell.valid *= by;
                cell.invalid *= by;
            });
        }
    }
}

/// A reading of one task at one time.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    quality: &'a Quality,
    task: u32,
    slow: f64,
    fast: f64,
    form: f64,
}

/// The terms of an estimate.
struct Terms {
    level: f64,
    level_mass: f64,
    effect: f64,
    /// The slow estimate.
    cell: f64,
    cell_mass: f64,
    /// Of the target on all tasks, and of this task on top of it.
    drift: f64,
    own_drift: f64,
    validity: f64,
}

impl Reader<'_> {
    /// Returns what is believed of one target.
    pub(crate) fn belief(&self, target: usize) -> Belief {
        let terms = self.terms(target);
        let quality = (terms.cell + terms.drift + terms.own_drift).clamp(LEAST, MOST);
        let level = terms.level.clamp(LEAST, MOST);
        let rest = CELL_MASS / (terms.cell_mass + CELL_MASS);
        let of_cell = WIDTH * WIDTH * quality * (1.0 - quality) / (terms.cell_mass + CELL_MASS);
        let of_prior = rest * rest * level * (1.0 - level) / (terms.level_mass + LEVEL_MASS);
        let sd = |width: f64| (of_cell + width * width * of_prior).max(0.0).sqrt();
        Belief {
            quality,
            validity: terms.validity,
            sd: sd(PRIOR_WIDTH),
            exploring_sd: sd(EXPLORING_WIDTH),
            level: terms.level,
            task_effect: terms.effect,
            drift: terms.drift + terms.own_drift,
            cell_mass: terms.cell_mass,
            level_mass: terms.level_mass,
        }
    }

    fn terms(&self, target: usize) -> Terms {
        let Self { quality, slow, .. } = *self;
        let cell = quality.tasks.cell(self.task, target);
        let effect = quality.tasks.effect(self.task);
        let effect = effect.s * slow / (effect.n * slow + TASK_MASS);
        let (level, level_mass, drift) = match quality.levels.get(target) {
            Some(level) => (
                self.level(level, target),
                level.n * slow,
                self.drift(level, target),
            ),
            None => (PRIOR, 0.0, 0.0),
        };
        let cell_mass = cell.n * slow;
        let prior = (level + effect).clamp(LEAST, MOST);
        let (valid, invalid) = (cell.valid * self.form, cell.invalid * self.form);
        // What this task shows beyond the drift of the whole.
        let recent = cell.drift_n * self.fast;
        let own_drift = drifted(cell.drift * self.fast - recent * drift, recent);
        Terms {
            level,
            level_mass,
            effect,
            cell: (cell.s * slow + CELL_MASS * prior) / (cell_mass + CELL_MASS),
            cell_mass,
            drift,
            own_drift,
            validity: (valid + VALID * VALID_MASS) / (valid + invalid + VALID_MASS),
        }
    }

    /// The level of a target: its own scores, and what is believed where there are few. What is no
    /// longer observed is believed to be like the rest, in declared order.
    fn level(&self, level: &Level, rank: usize) -> f64 {
        let Self { quality, slow, .. } = *self;
        let prior = level.expected.unwrap_or_else(|| {
            let all = quality.all;
            let rest = (slow * (all.s + quality.per_rank * all.ranks) + PRIOR * PRIOR_MASS)
                / (slow * all.n + PRIOR_MASS);
            (rest - quality.per_rank * rank as f64).max(LEAST_PRIOR)
        });
        (level.s * slow + LEVEL_MASS * prior) / (level.n * slow + LEVEL_MASS)
    }

    /// The drift of a target on all tasks. Where several are active, the one that stands out most
    /// is left out: a single task that fails says nothing about the others.
    fn drift(&self, level: &Level, target: usize) -> f64 {
        let fast = self.fast;
        let (mut sum, mut n) = (level.drift * fast, level.drift_n * fast);
        if n < 1e-3 {
            return 0.0;
        }
        let cells = level.outliers.iter().filter(|task| **task != NONE);
        let cells = cells.map(|task| self.quality.tasks.cell(*task, target));
        let active = cells.clone().filter(|cell| cell.drift_n * fast >= 0.5);
        if active.count() >= TRIM_FROM {
            let direction = sum.signum();
            let most = cells.max_by(|a, b| (a.drift * direction).total_cmp(&(b.drift * direction)));
            if let Some(most) = most.filter(|most| most.drift * direction > 0.0) {
                sum = direction * (direction * (sum - most.drift * fast)).max(0.0);
                n = (n - most.drift_n * fast).max(0.0);
            }
        }
        drifted(sum, n)
    }
}

/// The mean of `n` residuals that sum to `sum`, less what noise may be.
fn drifted(sum: f64, n: f64) -> f64 {
    let noise = DRIFT_SIGMAS * (RESIDUAL * n.max(0.0)).sqrt();
    sum.signum() * (sum.abs() - noise).max(0.0) / (n.max(0.0) + DRIFT_MASS)
}

/// The scale of forward-decayed sums.
#[derive(Debug)]
struct Scale {
    aging: Aging,
    /// The age at which weight is 1.
    base: f64,
}

impl Scale {
    fn new(half_life: Duration, samples: u32, longest: Duration, now: Instant) -> Self {
        Self {
            aging: Aging::new(half_life, samples, longest, now),
            base: 0.0,
        }
    }

    /// The factor that brings a sum up to `now`.
    fn shrink(&self, now: Instant) -> f64 {
        faded(self.aging.age(now) - self.base)
    }

    /// The weight of what is recorded at an age.
    fn grow(&self, age: f64) -> f64 {
        (age - self.base).min(2.0 * REBASE).exp2()
    }

    /// Where the base is too far back: moves it, and returns the factor for all sums.
    fn rebase(&mut self) -> Option<f64> {
        let by = self.aging.advance(false, self.aging.last()) - self.base;
        (by > REBASE).then(|| {
            self.base += by;
            faded(by)
        })
    }
}

impl Default for Belief {
    fn default() -> Self {
        Self {
            quality: PRIOR,
            validity: VALID,
            sd: 0.0,
            exploring_sd: 0.0,
            level: PRIOR,
            task_effect: 0.0,
            drift: 0.0,
            cell_mass: 0.0,
            level_mass: 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
