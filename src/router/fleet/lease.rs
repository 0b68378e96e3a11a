use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;

use super::super::{Inner, OutcomeRouter, group::Group, posted::nanos};

/// How long it may take until it is known who may probe.
const ASKING: Duration = Duration::from_millis(250);
/// For how long the right lasts.
const LASTS: Duration = Duration::from_secs(2);
/// Who has asked for so long, and has heard of no probe, probes without leave: others have it and do not
/// use it, or a store hands out none.
const PATIENCE: Duration = Duration::from_secs(60);

/// The right to probe a quota group, which one instance at a time has.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::router) struct Lease {
    /// A probe would begin here.
    wanted: bool,
    /// When it was asked for, first since the last probe that is known of, and last.
    asked: Option<(Instant, Instant)>,
    /// Until when it is ours, or was without a probe.
    ours: Option<Instant>,
    /// Until when it is somebody's.
    taken: Option<Instant>,
}

impl Lease {
    /// Uses it up, whoever did: it is for one probe.
    pub(in crate::router) fn used(&mut self) {
        self.ours = None;
        self.asked = None;
    }
}

impl Inner {
    /// Returns whether a probe of the group may begin, or else when to look again. Asks for the right to
    /// it, where others have a say.
    pub(in crate::router) fn may_probe(
        &self,
        group: &mut Group,
        now: Instant,
    ) -> Result<(), Instant> {
        let Some(news) = group.news.as_deref_mut() else {
            return Ok(());
        };
        let present = news.fleet.present_until.load(Ordering::Relaxed);
        if nanos(self.epoch, now) >= present {
            return Ok(());
        }
        let lease = &mut news.lease;
        let runs = |until: Option<Instant>| until.filter(|until| now < *until);
        if runs(lease.ours).is_some() {
            return Ok(());
        }
        let (first, last) = lease.asked.unwrap_or((now, now));
        // Who calls more rarely than it lasts comes too late each time.
        let missed = lease.ours.is_some() && now >= last + LASTS;
        if missed || now >= first + PATIENCE {
            return Ok(());
        }
        lease.asked = Some((first, now));
        if let Some(taken) = runs(lease.taken) {
            return Err(taken);
        }
        lease.wanted = true;
        news.fleet.wake();
        Err(now + ASKING)
    }
}

impl OutcomeRouter {
    /// Draws in which order the instances take what is left of limits, until the next time.
    pub(crate) fn take_turns(&self, instances: u32, now: Instant) {
        let inner = &self.inner;
        for index in 0..inner.groups.len() {
            let turn = (self.jitter() * f64::from(instances)).floor();
            let mut group = inner.group(index);
            group.capacity.take_turn(turn);
            for target in inner.members(index) {
                inner.post_room(target, &group, now);
            }
        }
    }

    /// Returns the quota groups that would be probed now.
    pub(crate) fn take_wanted_probes(&self) -> Vec<u64> {
        let inner = &self.inner;
        let groups = inner.groups.iter().enumerate();
        let wanted = groups.filter(|(index, _)| {
            let mut group = inner.group(*index);
            let lease = group.news.as_deref_mut().map(|news| &mut news.lease);
            lease.is_some_and(|lease| std::mem::take(&mut lease.wanted))
        });
        wanted.map(|(_, entry)| entry.scope).collect()
    }

    /// Takes in who may probe a quota group, and for how long nobody else may.
    pub(crate) fn probe_is(&self, scope: u64, ours: bool, lasts: Duration, now: Instant) {
        let inner = &self.inner;
        let index = inner.groups.iter().position(|entry| entry.scope == scope);
        let Some(index) = index else { return };
        let mut group = inner.group(index);
        if let Some(news) = group.news.as_deref_mut() {
            let until = now + lasts.min(LONGEST);
            news.lease.ours = ours.then_some(until);
            news.lease.taken = Some(until);
        }
    }
}

/// No lease lasts longer, whatever a store says.
const LONGEST: Duration = Duration::from_secs(5);
