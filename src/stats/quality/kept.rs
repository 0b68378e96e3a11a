use std::time::Duration;

use tokio::time::Instant;

use super::{
    super::{
        keep::{KeptQuality, KeptSum, KeptTask},
        tasks::TaskKey,
    },
    PRIOR, Quality,
};

impl Quality {
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
}
