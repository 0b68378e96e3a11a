use std::{
    collections::{BTreeMap, HashMap},
    mem,
    time::Duration,
};

use tokio::time::Instant;

use super::{Answer, Batch, Cooldown, Note, Scope, Seen, Share, Totals};
use crate::router::{Counter, OutcomeRouter, ScopeOf, Stray};

/// Counters of one scope that one batch may raise.
const PER_SHARE: usize = 4_096;
/// Counters that may wait to be sent.
const WAITING: usize = 65_536;
/// What could not be sent for so long is no longer true.
const STALE: Duration = Duration::from_secs(60);
/// Buckets that a store keeps, and this remembers what it has seen of.
const BUCKETS: u64 = 16;
const BUCKET: Duration = Duration::from_secs(10);
/// Counters of one bucket that are looked at: as many as all instances can have in it.
const PER_BUCKET: usize = 65_536;
const NOTES: usize = 256;
/// Counters of a bucket that are looked at again until they are understood or gone.
const PUZZLING: usize = 4_096;

/// One instance's side of the exchange: what it has yet to tell, and what of the others' it has taken in.
///
/// Counters in the store only rise, and are read as a whole. What others have added is what is there
/// less what this instance has, and what is new of it is what goes beyond that at the last time: a reply
/// that is lost costs nothing, and nothing is taken in twice.
#[derive(Debug, Default)]
pub(super) struct Link {
    sequence: u64,
    unsent: BTreeMap<ScopeOf, BTreeMap<Counter, u64>>,
    waiting: usize,
    /// When the oldest of it happened.
    unsent_since: Option<Instant>,
    /// What was sent, and may have arrived or not.
    pending: Option<Pending>,
    cooldowns: BTreeMap<u64, Instant>,
    notes: Vec<Stray>,
    sides: HashMap<ScopeOf, Side>,
    counts: Counts,
}

/// What has been exchanged so far, in counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Increments that arrived.
    pub(super) sent: u64,
    /// Increments that never will.
    pub(super) dropped: u64,
    /// Increments of others that were taken in.
    pub(super) taken: u64,
    /// Counters of others that meant nothing here, at the last exchange.
    pub(super) unknown: u64,
}

/// By how much counters rise.
type Added = Vec<(Box<str>, u64)>;

#[derive(Debug)]
struct Pending {
    sequence: u64,
    shares: Vec<(ScopeOf, Added)>,
    since: Instant,
}

/// What is known of one scope.
#[derive(Debug, Default)]
struct Side {
    seen: Option<Seen>,
    buckets: BTreeMap<u64, Known>,
}

#[derive(Debug, Default)]
struct Known {
    own: HashMap<Box<str>, u64>,
    /// What of the others' was taken in.
    others: HashMap<Box<str>, u64>,
    /// What was not understood: of a target or a task that may be known later.
    puzzling: Vec<(Box<str>, u64)>,
}

impl Link {
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns what to bring to the next exchange.
    pub(super) fn batch(&mut self, router: &OutcomeRouter, instance: u64, now: Instant) -> Batch {
        self.gather(router, now);
        self.forget_stale(now);
        if self.pending.is_none() {
            self.pend(now);
        }
        let shares = self.pending.as_ref().map(|pending| &pending.shares);
        let shares = router.scopes().map(|scope| {
            let added = shares.and_then(|all| all.iter().find(|(of, _)| *of == scope));
            Share {
                scope: Scope::new(scope.hash()),
                added: added.map(|(_, added)| added.clone()).unwrap_or_default(),
                seen: self.sides.get(&scope).and_then(|side| side.seen),
            }
        });
        let left = |until: &Instant| until.saturating_duration_since(now);
        let cooldowns = self.cooldowns.iter();
        let cooldowns = cooldowns.map(|(group, until)| Cooldown {
            group: Scope::new(*group),
            lasts: left(until),
        });
        let notes = self.notes.iter();
        Batch {
            instance,
            sequence: self
                .pending
                .as_ref()
                .map_or(self.sequence, |it| it.sequence),
            shares: shares.collect(),
            cooldowns: cooldowns.collect(),
            probes: router
                .take_wanted_probes()
                .into_iter()
                .map(Scope::new)
                .collect(),
            notes: notes
                .map(|stray| Note::new(stray.owner(), stray.text()))
                .collect(),
        }
    }

    fn gather(&mut self, router: &OutcomeRouter, now: Instant) {
        let Self {
            unsent,
            waiting,
            counts,
            ..
        } = self;
        let lost = router.take_news(|scope, counter, count| {
            let of_scope = unsent.entry(scope).or_default();
            match of_scope.get_mut(&counter) {
                Some(sum) => *sum = sum.saturating_add(count),
                None if *waiting >= WAITING => {
                    counts.dropped = counts.dropped.saturating_add(count);
                }
                None => {
                    *waiting += 1;
                    of_scope.insert(counter, count);
                }
            }
        });
        self.counts.dropped = self.counts.dropped.saturating_add(lost);
        if self.waiting > 0 {
            self.unsent_since.get_or_insert(now);
        }
        for (group, lasts) in router.take_cooldowns(now) {
            self.cooldowns.insert(group, now + lasts);
        }
        self.cooldowns.retain(|_, until| now < *until);
        let room = NOTES.saturating_sub(self.notes.len());
        self.notes.extend(router.take_strays(room));
    }

    fn forget_stale(&mut self, now: Instant) {
        let is_stale = |since: Instant| now >= since + STALE;
        if let Some(pending) = self.pending.take_if(|pending| is_stale(pending.since)) {
            // Whether it arrived is not known: a number of its own keeps it from being taken for the next.
            self.counts.dropped = self.counts.dropped.saturating_add(pending.increments());
        }
        if self.unsent_since.is_some_and(is_stale) {
            let all = self.unsent.values().flat_map(BTreeMap::values);
            let lost = all.fold(0, |sum: u64, count| sum.saturating_add(*count));
            self.counts.dropped = self.counts.dropped.saturating_add(lost);
            self.unsent.clear();
            self.waiting = 0;
            self.unsent_since = None;
        }
    }

    /// Moves what is unsent to what is sent.
    fn pend(&mut self, now: Instant) {
        let mut shares = Vec::new();
        for (scope, counters) in &mut self.unsent {
            let chosen: Vec<Counter> = counters.keys().take(PER_SHARE).copied().collect();
            let added = chosen.iter().filter_map(|counter| {
                let count = counters.remove(counter)?;
                Some((counter.to_string().into_boxed_str(), count))
            });
            let added: Vec<_> = added.collect();
            self.waiting = self.waiting.saturating_sub(added.len());
            shares.push((*scope, added));
        }
        self.unsent.retain(|_, counters| !counters.is_empty());
        let since = mem::take(&mut self.unsent_since).unwrap_or(now);
        if self.waiting > 0 {
            self.unsent_since = Some(since);
        }
        if shares.is_empty() {
            return;
        }
        self.sequence += 1;
        self.pending = Some(Pending {
            sequence: self.sequence,
            shares,
            since,
        });
    }

    /// Takes in what a store answered to the last batch.
    pub(super) fn answered(&mut self, router: &OutcomeRouter, answer: Answer, now: Instant) {
        self.counts.unknown = 0;
        let current = answer.bucket;
        let scopes: HashMap<u64, ScopeOf> =
            router.scopes().map(|scope| (scope.hash(), scope)).collect();
        let mut pending = self.pending.take();
        for totals in answer.totals {
            let Some(scope) = scopes.get(&totals.scope.hash()).copied() else {
                continue;
            };
            let added = pending.as_mut().and_then(|pending| pending.take(scope));
            if let Some(added) = added {
                self.note_own(scope, &totals, added);
            }
            self.take_in(router, scope, totals, current, now);
        }
        router.take_turns(answer.instances, now);
        // What belongs to a scope that the store passed over, or that went with a reload.
        let lost = pending.map_or(0, |pending| pending.increments());
        self.counts.dropped = self.counts.dropped.saturating_add(lost);
        self.sides
            .retain(|scope, _| scopes.contains_key(&scope.hash()));
        self.cooldowns.clear();
        self.notes.clear();
        for Cooldown { group, lasts } in answer.cooldowns {
            router.cool(group.hash(), lasts, now);
        }
        for probe in answer.probes {
            router.probe_is(probe.group.hash(), probe.granted, probe.lasts, now);
        }
        for note in answer.notes.iter().take(4 * NOTES) {
            router.take_in(note, now);
        }
    }

    fn note_own(&mut self, scope: ScopeOf, totals: &Totals, added: Added) {
        let Some(bucket) = totals.added_to else {
            let lost = sum(&added);
            self.counts.dropped = self.counts.dropped.saturating_add(lost);
            return;
        };
        self.counts.sent = self.counts.sent.saturating_add(sum(&added));
        let side = self.sides.entry(scope).or_default();
        let own = &mut side.buckets.entry(bucket).or_default().own;
        for (counter, count) in added {
            let sum = own.entry(counter).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    fn take_in(
        &mut self,
        router: &OutcomeRouter,
        scope: ScopeOf,
        totals: Totals,
        current: u64,
        now: Instant,
    ) {
        let side = self.sides.entry(scope).or_default();
        let oldest = current.saturating_sub(BUCKETS);
        side.buckets.retain(|number, _| *number >= oldest);
        let mut buckets = totals.buckets;
        buckets.retain(|bucket| (oldest..=current).contains(&bucket.number));
        buckets.sort_by_key(|bucket| bucket.number);
        for bucket in buckets {
            side.seen = Some(Seen {
                bucket: bucket.number,
                version: bucket.version,
            });
            side.buckets.entry(bucket.number).or_default().puzzling = bucket.counters;
        }
        let mut silent = true;
        for (number, known) in &mut side.buckets {
            let counters = mem::take(&mut known.puzzling);
            let rises = known.rises(counters);
            if rises.is_empty() {
                continue;
            }
            let past = current.saturating_sub(*number);
            silent &= past >= 2;
            // The one before is still being finished by those who are late.
            let ago = if past < 2 {
                Duration::ZERO
            } else {
                BUCKET.saturating_mul(u32::try_from(past).unwrap_or(u32::MAX))
            };
            let counters: Vec<_> = rises.iter().map(|rise| (rise.counter, rise.by)).collect();
            let mut unknown = vec![false; rises.len()];
            router.absorb(scope, &counters, ago, now, |at| {
                if let Some(unknown) = unknown.get_mut(at) {
                    *unknown = true;
                }
            });
            for (rise, unknown) in rises.into_iter().zip(unknown) {
                if !unknown {
                    self.counts.taken = self.counts.taken.saturating_add(rise.by);
                    known.others.insert(rise.name, rise.to);
                } else if known.puzzling.len() < PUZZLING {
                    self.counts.unknown += 1;
                    let own = known.own.get(&rise.name).copied().unwrap_or(0);
                    let total = rise.to.saturating_add(own);
                    known.puzzling.push((rise.name, total));
                }
            }
        }
        if silent {
            router.absorb(scope, &[], Duration::ZERO, now, |_| {});
        }
    }
}

/// What others have added since the last time.
struct Rise {
    counter: Counter,
    name: Box<str>,
    by: u64,
    to: u64,
}

impl Known {
    fn rises(&mut self, counters: Added) -> Vec<Rise> {
        let mut rises = Vec::new();
        for (name, total) in counters.into_iter().take(PER_BUCKET) {
            let Some(counter) = Counter::parse(&name) else {
                continue;
            };
            let own = self.own.get(&name).copied().unwrap_or(0);
            let to = total.saturating_sub(own);
            let before = self.others.get(&name).copied().unwrap_or(0);
            if to < before {
                // The store has lost what it had: from there on it counts anew.
                self.others.insert(name, to);
                continue;
            }
            if to > before {
                rises.push(Rise {
                    counter,
                    name,
                    by: to - before,
                    to,
                });
            }
        }
        rises
    }
}

impl Pending {
    /// Takes out what belongs to a scope.
    fn take(&mut self, scope: ScopeOf) -> Option<Added> {
        let found = self.shares.iter_mut().find(|(of, _)| *of == scope)?;
        Some(mem::take(&mut found.1))
    }

    fn increments(&self) -> u64 {
        let all = self.shares.iter().map(|(_, added)| sum(added));
        all.fold(0, u64::saturating_add)
    }
}

fn sum(added: &[(Box<str>, u64)]) -> u64 {
    let counts = added.iter().map(|(_, count)| *count);
    counts.fold(0, u64::saturating_add)
}
