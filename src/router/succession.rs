//! One router takes over from another: what is set up alike goes on as it is.
//!
//! The two share what is known of such targets, so that the attempts that are still open on the old
//! one are taken in by the new one, too. A target is the same if its pool, its name, its model, its
//! upstream and its credential are; what is known of its quality goes by the first three alone.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Inner, Mode, beliefs::Beliefs, entries::TargetEntry, lock::lock, pool::Pool, target::Target,
    upstream::Upstream,
};
use crate::stats::Quality;

/// Tasks per pool that are told apart.
const TASKS: usize = 4_096;

/// Names a target the same in all routers.
pub(super) fn key_of(pool: &str, target: &Target) -> u64 {
    let mut hasher = DefaultHasher::new();
    (pool, target.label(), &target.model).hash(&mut hasher);
    hasher.finish()
}

/// Returns what is believed of the targets of a pool that nobody knows yet.
pub(super) fn ranked(pool: &Pool, shared: bool, now: Instant) -> Beliefs {
    let expected: Vec<_> = pool.targets.iter().map(|it| it.expected_quality).collect();
    let quality = Quality::new(&expected, is_ordered(pool.preference), TASKS, now);
    Beliefs::new(quality, expected.len(), shared)
}

/// Whether the declared order of a pool's targets means something.
fn is_ordered(preference: Option<f64>) -> bool {
    preference != Some(0.0)
}

impl Inner {
    /// Returns the target that is set up as this one.
    pub(super) fn same_target(&self, pool: &str, target: &Target) -> Option<&TargetEntry> {
        let key = key_of(pool, target);
        let known = self.targets.iter().find(|known| known.key == key)?;
        let address = |it: &Upstream| (it.key(), it.credential.clone());
        let same = known.upstream.as_deref().map(address) == target.upstream.as_ref().map(address);
        same.then_some(known)
    }

    /// Returns what is believed of the targets of a pool, which mostly is here already, and the mode
    /// that it should have: what somebody switched by hand stays, until the configured one changes.
    pub(super) fn beliefs_and_mode(&self, pool: &Pool, now: Instant) -> (Arc<Beliefs>, Mode) {
        let Some(before) = self.pools.iter().find(|it| *it.name == *pool.name) else {
            return (
                Arc::new(ranked(pool, self.lasting.fleet.is_some(), now)),
                pool.mode,
            );
        };
        let mode = if before.configured_mode == pool.mode {
            before.mode()
        } else {
            pool.mode
        };
        let old = self.targets.get(before.targets.clone()).unwrap_or_default();
        let keys: Vec<_> = pool
            .targets
            .iter()
            .map(|it| key_of(&pool.name, it))
            .collect();
        let expected = pool.targets.iter().map(|it| it.expected_quality);
        let alike = old.iter().map(|it| it.key).eq(keys.iter().copied())
            && before.expected.iter().copied().eq(expected)
            && is_ordered(before.preference) == is_ordered(pool.preference);
        if alike {
            return (before.beliefs.clone(), mode);
        }
        let beliefs = ranked(pool, self.lasting.fleet.is_some(), now);
        let places: Vec<_> = old
            .iter()
            .map(|old| keys.iter().position(|key| *key == old.key))
            .collect();
        let kept = before.beliefs.quality().keep(now);
        beliefs.change(|quality| quality.resume(&kept, &places, Duration::ZERO));
        (Arc::new(beliefs), mode)
    }

    /// Lets go of the targets that did not go over to the successor: nothing that still happens to
    /// them makes their siblings suspected.
    pub(super) fn retire(&self, successor: &Self) {
        for target in &self.targets {
            let Some(entry) = self.groups.get(target.group) else {
                continue;
            };
            let goes_on = successor.targets.iter().any(|new| {
                let of_it = successor.groups.get(new.group);
                new.slot == target.slot
                    && of_it.is_some_and(|it| Arc::ptr_eq(&it.shared, &entry.shared))
            });
            let mut group = lock(&entry.shared.group);
            let member = group.members.get_mut(target.slot).filter(|_| !goes_on);
            let Some(member) = member else { continue };
            member.retired = true;
            if std::mem::take(&mut member.broken)
                && let Some(provider) = self.providers.get(target.provider)
            {
                provider.around.broken.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}
