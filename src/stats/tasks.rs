use std::collections::HashMap;

use super::quality::Cell;

/// The place of what has no name, and of what has lost its own.
pub(super) const OTHER: u32 = 0;

/// Names a task; two names with the same 64 bits are the same task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TaskKey(pub(crate) u64);

impl TaskKey {
    /// The task of requests that name none.
    pub(crate) const OTHER: Self = Self(0);
}

/// The tasks of a pool: bounded, the least recently scored of them merging into `other`.
///
/// Replacement is the clock algorithm: a hand goes round and takes the first place that nobody has
/// used since it last came by.
#[derive(Debug)]
pub(super) struct Tasks {
    targets: usize,
    capacity: usize,
    places: HashMap<TaskKey, u32>,
    tasks: Vec<Task>,
    /// `targets` cells per task.
    cells: Vec<Cell>,
    hand: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Task {
    key: TaskKey,
    used: bool,
    effect: Effect,
}

/// How much harder or easier a task is than the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effect {
    pub(super) s: f64,
    pub(super) n: f64,
}

impl Tasks {
    pub(super) fn new(targets: usize, capacity: usize) -> Self {
        Self {
            targets,
            capacity: capacity.max(1),
            places: HashMap::new(),
            tasks: vec![Task::default()],
            cells: vec![Cell::default(); targets],
            hand: 0,
        }
    }

    /// Returns the place of a task, that of `other` where it has none.
    pub(super) fn find(&self, key: TaskKey) -> u32 {
        if key == TaskKey::OTHER {
            return OTHER;
        }
        self.places.get(&key).copied().unwrap_or(OTHER)
    }

    /// Returns the place of a task, giving it one where it has none.
    pub(super) fn enter(&mut self, key: TaskKey) -> u32 {
        if key == TaskKey::OTHER {
            return OTHER;
        }
        if let Some(place) = self.places.get(&key).copied() {
            if let Some(task) = self.tasks.get_mut(place as usize) {
                task.used = true;
            }
            return place;
        }
        let place = if self.tasks.len() <= self.capacity {
            self.tasks.push(Task::default());
            self.cells
                .resize(self.tasks.len() * self.targets, Cell::default());
            u32::try_from(self.tasks.len() - 1).unwrap_or(OTHER)
        } else {
            self.evict()
        };
        if let Some(task) = self.tasks.get_mut(place as usize) {
            *task = Task {
                key,
                used: true,
                effect: Effect::default(),
            };
        }
        self.places.insert(key, place);
        place
    }

    /// Returns the place of a task that has one.
    pub(super) fn known(&self, key: TaskKey) -> Option<u32> {
        if key == TaskKey::OTHER {
            return Some(OTHER);
        }
        self.places.get(&key).copied()
    }

    /// Gives a task a place, unless another one would lose it.
    pub(super) fn enter_if_room(&mut self, key: TaskKey) {
        if self.tasks.len() <= self.capacity || self.known(key).is_some() {
            self.enter(key);
        }
    }

    /// Returns every task and its place.
    pub(super) fn places(&self) -> impl Iterator<Item = (TaskKey, u32)> + Clone {
        let named = self.places.iter().map(|(key, place)| (*key, *place));
        std::iter::once((TaskKey::OTHER, OTHER)).chain(named)
    }

    pub(super) fn effect(&self, place: u32) -> Effect {
        self.tasks
            .get(place as usize)
            .map_or(Effect::default(), |task| task.effect)
    }

    pub(super) fn effect_mut(&mut self, place: u32) -> &mut Effect {
        // There is always the place of `other`.
        let place = (place as usize).min(self.tasks.len() - 1);
        #[allow(clippy::indexing_slicing, reason = "the place is in range")]
        &mut self.tasks[place].effect
    }

    pub(super) fn cell(&self, place: u32, target: usize) -> Cell {
        let cell = self.cells.get(place as usize * self.targets + target);
        cell.copied().unwrap_or_default()
    }

    pub(super) fn cell_mut(&mut self, place: u32, target: usize) -> Option<&mut Cell> {
        self.cells.get_mut(place as usize * self.targets + target)
    }

    pub(super) fn scale(&mut self, by: impl Fn(&mut Effect)) {
        for task in &mut self.tasks {
            by(&mut task.effect);
        }
    }

    pub(super) fn scale_cells(&mut self, by: impl Fn(&mut Cell)) {
        for cell in &mut self.cells {
            by(cell);
        }
    }

    /// Frees the place of a task that was not used for long; what it knew goes to `other`.
    fn evict(&mut self) -> u32 {
        loop {
            self.hand = self.hand % self.capacity + 1;
            let Some(task) = self.tasks.get_mut(self.hand) else {
                return OTHER;
            };
            if std::mem::take(&mut task.used) {
                continue;
            }
            let gone = *task;
            self.places.remove(&gone.key);
            let place = u32::try_from(self.hand).unwrap_or(OTHER);
            let other = self.effect_mut(OTHER);
            other.s += gone.effect.s;
            other.n += gone.effect.n;
            for target in 0..self.targets {
                let cell = self.cell_mut(place, target).map(std::mem::take);
                if let (Some(cell), Some(other)) = (cell, self.cell_mut(OTHER, target)) {
                    other.add(cell);
                }
            }
            return place;
        }
    }
}

impl Cell {
    fn add(&mut self, other: Self) {
        self.s += other.s;
        self.n += other.n;
        self.drift += other.drift;
        self.drift_n += other.drift_n;
        self.valid += other.valid;
        self.invalid += other.invalid;
        self.add_others(&other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGETS: usize = 2;

    fn total(tasks: &Tasks, of: impl Fn(Cell) -> f64) -> f64 {
        tasks.cells.iter().map(|cell| of(*cell)).sum()
    }

    proptest! {
        #[test]
        fn however_many_tasks_there_are_their_places_are_few_and_nothing_is_lost(
            capacity in 1..6_usize,
            uses in proptest::collection::vec((0..40_u64, 0..TARGETS, 0.0..=1.0), 1..300),
        ) {
            let mut tasks = Tasks::new(TARGETS, capacity);
            let (mut effects, mut sums, mut latest) = (0.0, 0.0, OTHER);
            for (key, target, score) in &uses {
                latest = tasks.enter(TaskKey(*key));
                let effect = tasks.effect_mut(latest);
                (effect.s, effect.n) = (effect.s + score, effect.n + 1.0);
                let cell = tasks.cell_mut(latest, *target).unwrap();
                (cell.s, cell.n) = (cell.s + score, cell.n + 1.0);
                (cell.drift, cell.valid) = (cell.drift - score, cell.valid + 1.0);
                (effects, sums) = (effects + score, sums + score);
                prop_assert_eq!(tasks.find(TaskKey(*key)), latest);
                prop_assert!(tasks.tasks.len() <= capacity + 1);
                prop_assert!(tasks.places.len() <= capacity);
                prop_assert_eq!(tasks.cells.len(), tasks.tasks.len() * TARGETS);
            }
            let n = uses.len() as f64;
            prop_assert!(latest as usize <= capacity);
            prop_assert!((tasks.tasks.iter().map(|task| task.effect.s).sum::<f64>() - effects).abs() < 1e-9);
            prop_assert!((tasks.tasks.iter().map(|task| task.effect.n).sum::<f64>() - n).abs() < 1e-9);
            prop_assert!((total(&tasks, |cell| cell.s) - sums).abs() < 1e-9);
            prop_assert!((total(&tasks, |cell| cell.n) - n).abs() < 1e-9);
            prop_assert!((total(&tasks, |cell| cell.drift) + sums).abs() < 1e-9);
            prop_assert!((total(&tasks, |cell| cell.valid) - n).abs() < 1e-9);
            for (key, place) in &tasks.places {
                prop_assert_eq!(tasks.tasks[*place as usize].key, *key);
            }
        }
    }
}
