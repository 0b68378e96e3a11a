use tokio::time::Instant;

use super::{
    super::tasks::TaskKey, CELL_MASS, DRIFT_MASS, LEAST, LEAST_PRIOR, LEVEL_MASS, Level, MOST,
    NONE, PRIOR, PRIOR_MASS, Quality, TASK_MASS, TRIM_FROM, VALID, VALID_MASS,
};

/// Noise allowed to a sum of residuals before it counts as drift, in standard deviations; and the
/// variance of one residual, that of a yes or no at 0.7.
const DRIFT_SIGMAS: f64 = 0.5;
const RESIDUAL: f64 = 0.21;
/// Width of the sampling, as a share of the posterior's: full width costs half as much regret
/// again, none locks on to a wrong target.
const WIDTH: f64 = 0.1;
const PRIOR_WIDTH: f64 = 0.3;
/// The same where a request explores: twice what is believed, or a cell that its prior sells short
/// is never looked into.
const EXPLORING_WIDTH: f64 = 2.0;

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

impl Quality {
    /// Starts a reading of what is believed at `now` about answers to a task.
    pub(crate) fn read(&self, task: TaskKey, now: Instant) -> Reader<'_> {
        self.reader(self.tasks.find(task), now)
    }

    pub(super) fn reader(&self, task: u32, now: Instant) -> Reader<'_> {
        Reader {
            quality: self,
            task,
            slow: self.slow.shrink(now),
            fast: self.fast.shrink(now),
            form: self.form.shrink(now),
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
pub(super) struct Terms {
    pub(super) level: f64,
    pub(super) level_mass: f64,
    pub(super) effect: f64,
    /// The slow estimate.
    pub(super) cell: f64,
    pub(super) cell_mass: f64,
    /// Of the target on all tasks, and of this task on top of it.
    pub(super) drift: f64,
    pub(super) own_drift: f64,
    pub(super) validity: f64,
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
            level,
            task_effect: terms.effect,
            drift: terms.drift + terms.own_drift,
            cell_mass: terms.cell_mass,
            level_mass: terms.level_mass,
        }
    }

    pub(super) fn terms(&self, target: usize) -> Terms {
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
pub(super) fn drifted(sum: f64, n: f64) -> f64 {
    let noise = DRIFT_SIGMAS * (RESIDUAL * n.max(0.0)).sqrt();
    sum.signum() * (sum.abs() - noise).max(0.0) / (n.max(0.0) + DRIFT_MASS)
}
