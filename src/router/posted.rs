//! What a decision needs to know of a target that is well, posted for it to read without the lock
//! of the target's group.
//!
//! It is posted under that lock whenever something happens, and holds until something changes by
//! itself. Whoever finds nothing that holds, or needs to know more, asks the group. Fields may be of
//! two different moments: a pick looks again under the lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::group::Member;
use crate::stats::{Lengths, Steady, lasts, remains};

/// Of one recent answer, nobody knows whether it was slow or long.
pub(super) const FRESH: f64 = 3.0;
/// No latency is known.
const NONE: u64 = u64::MAX;

/// Times are in nanoseconds since the router's epoch.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Posted {
    /// Until when it holds; 0 where nothing is posted.
    until: AtomicU64,
    /// When the last evidence came.
    since: AtomicU64,
    picked: AtomicU64,
    in_flight: AtomicU64,
    ok: Number,
    bad: Number,
    half_life: Number,
    at_best: Number,
    usually_in_time: Number,
    whole: Answer,
    first_content: Answer,
    lengths: [Number; 4],
}

/// How long answers take.
#[derive(Debug)]
struct Answer {
    in_time: Number,
    /// The answers that rests on, as of the last of them, and when that came.
    mass: Number,
    last: AtomicU64,
    /// Until when a few of them are recent.
    fresh_until: AtomicU64,
    typical: AtomicU64,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) health: Steady,
    /// Seconds since the last evidence.
    pub(super) since: f64,
    /// The chance that an answer comes within the objective, where there is one.
    pub(super) in_time: f64,
    /// How many answers that rests on, as of the last of them, and the nanoseconds since.
    mass: f64,
    rested: u64,
    /// Whether a few of them are recent.
    pub(super) is_fresh: bool,
    pub(super) typical: Option<Duration>,
    pub(super) lengths: Lengths,
    pub(super) in_flight: u32,
    /// Nanoseconds since the last pick.
    pub(super) idle: u64,
}

impl Seen {
    /// Returns how many recent answers its times rest on.
    pub(super) fn recent(&self) -> f64 {
        remains(self.mass, self.rested as f64 / 1e9)
    }
}

impl Default for Posted {
    fn default() -> Self {
        let number = || Number(AtomicU64::new(0));
        let answer = || Answer {
            in_time: number(),
            mass: number(),
            last: AtomicU64::new(0),
            fresh_until: AtomicU64::new(0),
            typical: AtomicU64::new(NONE),
        };
        Self {
            until: AtomicU64::new(0),
            since: AtomicU64::new(0),
            picked: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            ok: number(),
            bad: number(),
            half_life: number(),
            at_best: number(),
            usually_in_time: number(),
            whole: answer(),
            first_content: answer(),
            lengths: std::array::from_fn(|_| number()),
        }
    }
}

impl Posted {
    /// Posts nothing, until something happens.
    pub(super) fn withdraw(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    /// Reads what holds at `now`; of a stream, the time to its first content.
    pub(super) fn read(&self, stream: bool, now: u64) -> Option<Seen> {
        if now >= self.until.load(Ordering::Relaxed) {
            return None;
        }
        let ago = |at: &AtomicU64| now.saturating_sub(at.load(Ordering::Relaxed));
        let answer = if stream {
            &self.first_content
        } else {
            &self.whole
        };
        let typical = answer.typical.load(Ordering::Relaxed);
        let [n, sum, caps, capped] = &self.lengths;
        Some(Seen {
            health: Steady {
                ok: self.ok.get(),
                bad: self.bad.get(),
                half_life: self.half_life.get(),
                at_best: self.at_best.get(),
                usually_in_time: self.usually_in_time.get(),
            },
            since: ago(&self.since) as f64 / 1e9,
            in_time: answer.in_time.get(),
            mass: answer.mass.get(),
            rested: ago(&answer.last),
            is_fresh: now < answer.fresh_until.load(Ordering::Relaxed),
            typical: (typical != NONE).then(|| Duration::from_nanos(typical)),
            lengths: Lengths {
                n: n.get(),
                sum: sum.get(),
                caps: caps.get(),
                capped: capped.get(),
            },
            in_flight: u32::try_from(self.in_flight.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            idle: ago(&self.picked),
        })
    }

    /// Posts what a pick changes. The group is locked, here as below.
    pub(super) fn picked(&self, member: &mut Member, epoch: Instant, now: Instant) {
        let until = match member.health.steady(now) {
            Some((.., until)) => until.map_or(u64::MAX, |until| nanos(epoch, until)),
            None => 0,
        };
        // Nothing but what a pick changes is posted here, so where all else was not, it stays so.
        if self.until.load(Ordering::Relaxed) != 0 {
            self.until.store(until, Ordering::Relaxed);
        }
        self.picked
            .store(nanos(epoch, member.picked), Ordering::Relaxed);
        self.in_flight
            .store(u64::from(member.in_flight), Ordering::Relaxed);
    }

    /// Posts all of it.
    pub(super) fn post(
        &self,
        member: &mut Member,
        objective: Option<Duration>,
        epoch: Instant,
        now: Instant,
    ) {
        let Some((health, since, _)) = member.health.steady(now) else {
            self.until.store(0, Ordering::Relaxed);
            return;
        };
        self.since.store(nanos(epoch, since), Ordering::Relaxed);
        self.ok.set(health.ok);
        self.bad.set(health.bad);
        self.half_life.set(health.half_life);
        self.at_best.set(health.at_best);
        self.usually_in_time.set(health.usually_in_time);
        for (answer, stream) in [(&self.whole, false), (&self.first_content, true)] {
            let in_time = objective.map_or(1.0, |within| member.in_time(stream, None, within));
            answer.in_time.set(in_time);
            let (mass, last) = member.rests_on(stream);
            answer.mass.set(mass);
            let last = nanos(epoch, last);
            put(&answer.last, last);
            put(&answer.fresh_until, last.saturating_add(fresh_for(mass)));
            let typical = member.typical(stream).map_or(NONE, |typical| {
                u64::try_from(typical.as_nanos()).unwrap_or(NONE - 1)
            });
            put(&answer.typical, typical);
        }
        let lengths = member.pace.lengths();
        let lengths = [lengths.n, lengths.sum, lengths.caps, lengths.capped];
        for (to, number) in self.lengths.iter().zip(lengths) {
            to.set(number);
        }
        self.until.store(1, Ordering::Relaxed);
        self.picked(member, epoch, now);
    }
}

/// A number that is written under a lock and read without.
#[derive(Debug)]
pub(super) struct Number(AtomicU64);

impl Number {
    pub(super) fn new(number: f64) -> Self {
        Self(AtomicU64::new(number.to_bits()))
    }

    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, number: f64) {
        put(&self.0, number.to_bits());
    }
}

/// Writes what is not there yet: a line that nobody writes stays in every processor's cache.
fn put(to: &AtomicU64, value: u64) {
    if to.load(Ordering::Relaxed) != value {
        to.store(value, Ordering::Relaxed);
    }
}

/// Returns for how many nanoseconds a few of so many answers are recent.
fn fresh_for(mass: f64) -> u64 {
    (lasts(mass, FRESH) * 1e9) as u64
}

/// Returns the nanoseconds from one time to another.
pub(super) fn nanos(epoch: Instant, at: Instant) -> u64 {
    let since = at.saturating_duration_since(epoch);
    let seconds = since.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(since.subsec_nanos()))
}
