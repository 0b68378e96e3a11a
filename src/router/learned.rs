use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Inner, OutcomeRouter, fleet::Names};
use crate::stats::{KeptHealth, KeptQuality};

/// The form of what is kept.
const VERSION: u32 = 1;

/// What a router has learned, to be kept over a restart or a change of its configuration.
///
/// Holds quality by target and task, health, and the waits that providers asked for; what fades
/// within a minute is left out. It is taken up by name: what is no longer configured is ignored,
/// what is new starts fresh, and numbers that make no sense count as nothing. Tasks and tenants are
/// kept as hashes, not by their names; the key of those hashes is part of what is kept.
///
/// ```
/// # use tower_outcome::OutcomeRouter;
/// let router = OutcomeRouter::builder().model("gpt-4o").build()?;
/// let learned = router.learned();
/// let next = OutcomeRouter::builder().model("gpt-4o").model("o4-mini").learned(learned).build()?;
/// # let _ = next;
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    version: u32,
    /// Seconds since 1970.
    kept_at: f64,
    /// Keys the hashes of tasks and tenants, where nobody else knows it: what follows from the secret of a
    /// deployment is not written down.
    secret: Option<u64>,
    /// Tells whether such hashes are of the same key.
    mark: Option<u64>,
    pools: Vec<LearnedPool>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct LearnedPool {
    name: Arc<str>,
    targets: Vec<LearnedTarget>,
    quality: KeptQuality,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct LearnedTarget {
    name: Arc<str>,
    health: KeptHealth,
    /// Seconds that the provider asked us to stay away for.
    wait_s: Option<f64>,
}

impl fmt::Debug for Learned {
    /// Leaves out the key of the hashes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Learned")
            .field("kept_at", &self.kept_at)
            .field("pools", &self.pools)
            .finish_non_exhaustive()
    }
}

impl OutcomeRouter {
    /// Returns what is worth keeping of what was learned, as of `now`.
    #[must_use]
    pub fn learned_at(&self, now: Instant) -> Learned {
        let inner = &self.inner;
        let pools = inner.pools.iter().map(|pool| LearnedPool {
            name: pool.name.clone(),
            targets: pool
                .targets
                .clone()
                .filter_map(|index| {
                    let target = inner.targets.get(index)?;
                    let group = inner.group(target.group);
                    let told = group.capacity.told(now);
                    Some(LearnedTarget {
                        name: target.name.clone(),
                        health: group.members.get(target.slot)?.health.keep(now),
                        wait_s: told.map(|until| (until - now).as_secs_f64()),
                    })
                })
                .collect(),
            quality: pool.beliefs.quality().keep(now),
        });
        Learned {
            version: VERSION,
            kept_at: seconds(inner.clock.wall()),
            secret: inner.lasting.fleet.is_none().then(|| inner.secret.key()),
            mark: Some(inner.secret.mark()),
            pools: pools.collect(),
        }
    }

    /// Returns what is worth keeping of what was learned.
    #[must_use]
    pub fn learned(&self) -> Learned {
        self.learned_at(self.now())
    }
}

impl Learned {
    /// Returns whether a router can take it up: whether it was kept in the form of this version.
    #[must_use]
    pub fn is_of_this_version(&self) -> bool {
        self.version == VERSION
    }

    /// Returns what hashes the names of tasks and tenants: what was kept, or something new.
    pub(super) fn secret(&self) -> Names {
        let drawn = || RandomState::new().hash_one("tasks");
        Names::of_key(self.secret.unwrap_or_else(drawn))
    }

    /// Gives a router that was just built what is known of its targets.
    pub(super) fn resume(&self, inner: &Inner, now: Instant) {
        if !self.is_of_this_version() {
            return;
        }
        let ago = seconds(inner.clock.wall()) - self.kept_at;
        let ago = Duration::try_from_secs_f64(ago).unwrap_or_default();
        for kept in &self.pools {
            let Some(pool) = inner.pools.iter().find(|pool| pool.name == kept.name) else {
                continue;
            };
            let mut places = Vec::new();
            for known in &kept.targets {
                let mut targets = inner
                    .targets
                    .get(pool.targets.clone())
                    .into_iter()
                    .flatten();
                let target = targets.find(|target| target.name == known.name);
                places.push(target.map(|target| target.rank));
                let Some(target) = target else { continue };
                let mut group = inner.group(target.group);
                let wait = known
                    .wait_s
                    .and_then(|wait| Duration::try_from_secs_f64(wait).ok());
                let wait = wait.and_then(|wait| wait.checked_sub(ago));
                if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                    group.capacity.resume(wait, now);
                }
                if let Some(member) = group.members.get_mut(target.slot) {
                    member.health.resume(&known.health, ago);
                }
                inner.note_broken(target, &mut group, now);
                inner.post(target, &mut group, now);
            }
            let mut quality = kept.quality.clone();
            if self.mark != Some(inner.secret.mark()) {
                // Their names mean other tasks here, or none.
                quality.forget_tasks();
            }
            pool.beliefs
                .change(|known| known.resume(&quality, &places, ago));
        }
    }
}

fn seconds(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
