use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    lock::lock,
    stripes::{Padded, Stripes},
};
use crate::stats::{Belief, Quality, TaskKey};

/// What was worked out so long ago still holds, if nobody has reported anything since: the fastest
/// of what fades has a half-life of two minutes.
const HOLDS: Duration = Duration::from_millis(100);
/// Tasks that each thread remembers.
const TASKS: usize = 8;

/// What is known of the quality of a pool's targets, and what each thread worked out from it last:
/// there are many decisions to a score.
#[derive(Debug)]
pub(super) struct Beliefs {
    quality: Mutex<Quality>,
    /// Counts the changes.
    version: Padded<AtomicU64>,
    targets: usize,
    /// Whether others tell what they know of the tasks that are asked about here.
    shared: bool,
    recent: Stripes<Mutex<Recent>>,
}

#[derive(Debug, Default)]
struct Recent {
    tasks: Vec<OfTask>,
    /// Whose place the next new task takes.
    hand: usize,
}

/// What is believed of a task.
#[derive(Debug)]
pub(super) struct OfTask {
    task: TaskKey,
    version: u64,
    /// Nanoseconds since the router's epoch.
    at: u64,
    /// The decayed number of scores in the pool.
    pub(super) feedback: f64,
    /// By target.
    pub(super) beliefs: Vec<Belief>,
}

impl Beliefs {
    pub(super) fn new(quality: Quality, targets: usize, shared: bool) -> Self {
        Self {
            quality: Mutex::new(quality),
            version: Padded::default(),
            targets,
            shared,
            recent: Stripes::new(Mutex::default),
        }
    }

    /// Locks what is known.
    pub(super) fn quality(&self) -> MutexGuard<'_, Quality> {
        lock(&self.quality)
    }

    /// Changes what is known.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Quality) -> T) -> T {
        let mut quality = self.quality();
        let changed = change(&mut quality);
        self.version.fetch_add(1, Ordering::Release);
        changed
    }

    /// Hands over what is believed of a task; `at` is `now` in nanoseconds since the router's epoch.
    pub(super) fn of<T>(
        &self,
        task: TaskKey,
        now: Instant,
        at: u64,
        then: impl FnOnce(&OfTask) -> T,
    ) -> T {
        let mut recent = lock(self.recent.own());
        let version = self.version.load(Ordering::Acquire);
        let found = recent.place(task);
        if found.version != version || u128::from(found.at.abs_diff(at)) >= HOLDS.as_nanos() {
            let mut quality = self.quality();
            if self.shared {
                quality.expect(task);
            }
            found.version = self.version.load(Ordering::Acquire);
            found.at = at;
            found.feedback = quality.feedback(now);
            let reader = quality.read(task, now);
            found.beliefs.clear();
            let beliefs = (0..self.targets).map(|target| reader.belief(target));
            found.beliefs.extend(beliefs);
        }
        then(found)
    }
}

impl Recent {
    /// Returns the place of a task, or an outdated one for it.
    fn place(&mut self, task: TaskKey) -> &mut OfTask {
        let known = self.tasks.iter().position(|known| known.task == task);
        let at = known.unwrap_or_else(|| {
            let new = OfTask {
                task,
                version: u64::MAX,
                at: 0,
                feedback: 0.0,
                beliefs: Vec::new(),
            };
            if self.tasks.len() < TASKS {
                self.tasks.push(new);
                return self.tasks.len() - 1;
            }
            self.hand = (self.hand + 1) % TASKS;
            if let Some(old) = self.tasks.get_mut(self.hand) {
                let beliefs = std::mem::take(&mut old.beliefs);
                *old = OfTask { beliefs, ..new };
            }
            self.hand
        });
        #[allow(clippy::indexing_slicing, reason = "a place that was found or made")]
        &mut self.tasks[at]
    }
}
