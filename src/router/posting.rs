use std::{mem, sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::{Inner, TargetEntry, entries::ProviderEntry, group::Group};

impl Inner {
    /// Returns how many targets of the same upstream are broken, itself included, and which break
    /// that was.
    pub(super) fn broken_around(&self, target: &TargetEntry) -> (u32, u32) {
        let provider = self.providers.get(target.provider);
        provider.map_or((0, 0), |ProviderEntry { around, .. }| {
            let broken = around.broken.load(Ordering::Relaxed);
            (broken, around.breaks.load(Ordering::Relaxed))
        })
    }

    /// Lets the upstream of a target know whether it is broken.
    pub(super) fn note_broken(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        let Some(member) = group.members.get_mut(target.slot) else {
            return;
        };
        // One that was taken out is probed by nobody: it must not keep its siblings suspected.
        let of_use = !(target.is_drained() || member.retired);
        let broken = of_use && member.health.is_broken(now);
        if broken != mem::replace(&mut member.broken, broken)
            && let Some(ProviderEntry { around, .. }) = self.providers.get(target.provider)
        {
            if broken {
                around.breaks.fetch_add(1, Ordering::Relaxed);
                around.broken.fetch_add(1, Ordering::Relaxed);
            } else {
                around.broken.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns within which time a target should answer, where that was set.
    pub(super) fn objective(&self, target: &TargetEntry) -> Option<Duration> {
        let pool = || self.pools.get(target.pool)?.objective;
        target.objective.or_else(pool)
    }

    /// Posts how a target and its group are, for decisions to read without the lock.
    pub(super) fn post(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        self.post_room(target, group, now);
        if let Some(member) = group.members.get_mut(target.slot) {
            let objective = self.objective(target);
            target.posted.post(member, objective, self.epoch, now);
        }
    }

    /// Posts what a pick changes.
    pub(super) fn post_pick(&self, target: &TargetEntry, group: &mut Group, now: Instant) {
        self.post_room(target, group, now);
        if let Some(member) = group.members.get_mut(target.slot) {
            target.posted.picked(member, self.epoch, now);
        }
    }

    pub(super) fn post_room(&self, target: &TargetEntry, group: &Group, now: Instant) {
        if let Some(entry) = self.groups.get(target.group) {
            let room = &entry.shared.room;
            room.set(group.capacity.free_below(now).unwrap_or(0.0));
        }
    }
}
