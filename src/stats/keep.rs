//! What is kept over a restart: the evidence that lasts, brought up to the time of keeping.
//!
//! What fades within a minute, such as latencies and limits, is not worth keeping.

use serde::{Deserialize, Serialize};

/// The quality of a pool's targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptQuality {
    /// Mean seconds between scores.
    pub(crate) gap_s: f64,
    /// By target.
    pub(crate) levels: Vec<KeptSum>,
    pub(crate) tasks: Vec<KeptTask>,
}

/// A sum of scores, and of their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptSum {
    pub(crate) sum: f64,
    pub(crate) mass: f64,
}

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptTask {
    pub(crate) key: u64,
    pub(crate) effect: KeptSum,
    /// By target.
    pub(crate) cells: Vec<KeptSum>,
    /// Answers of good form among those checked, by target.
    pub(crate) forms: Vec<KeptSum>,
}

/// The health of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptHealth {
    /// Mean seconds between attempts.
    pub(crate) gap_s: f64,
    pub(crate) ok: f64,
    pub(crate) bad: f64,
    /// Failures in a row.
    pub(crate) run: u32,
    pub(crate) in_doubt: bool,
    /// Share of answers that met the objective, and of how many.
    pub(crate) timely: f64,
    pub(crate) answers: f64,
}

impl KeptQuality {
    /// Leaves what belongs to no named task.
    pub(crate) fn forget_tasks(&mut self) {
        self.tasks.retain(|task| task.key == 0);
    }
}

impl KeptSum {
    /// Returns the sum faded to `weight`, or nothing where it cannot be one of scores from 0 to 1.
    pub(super) fn sound(self, weight: f64) -> Self {
        let Self { sum, mass } = self;
        // Drift and task effects are taken out of sums, so they may leave 0 to 1 a little.
        let sound = sum.is_finite() && (0.0..=MOST_MASS).contains(&mass) && sum.abs() <= 2.0 * mass;
        if sound {
            Self {
                sum: sum * weight,
                mass: mass * weight,
            }
        } else {
            Self::default()
        }
    }
}

/// Returns a count that was kept, or nothing where it cannot be one.
pub(super) fn sound(count: f64) -> f64 {
    if (0.0..=MOST_MASS).contains(&count) {
        count
    } else {
        0.0
    }
}

/// No decayed number of samples is larger than this.
const MOST_MASS: f64 = 1e9;
