use std::time::Duration;

use tokio::time::Instant;

/// Resolution of the wheel, and its span: what may take longer than a minute is not watched.
const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = 256;
const SLOTS_PER_SECOND: u64 = 4;

/// Counts the open attempts that are past the time at which they should have been answered: a
/// timing wheel of counters.
#[derive(Clone, Debug)]
pub(crate) struct Overdue {
    origin: Instant,
    due: Box<[u32; SLOTS]>,
    /// All slots up to this one have been counted.
    swept: u64,
    /// When the next slot is to be counted.
    next: Instant,
    /// Attempts in slots that have not been counted.
    waiting: u32,
    overdue: u32,
}

/// The slot in which an attempt becomes overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DueSlot(u64);

impl Overdue {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            due: Box::new([0; SLOTS]),
            swept: 0,
            next: now + SLOT,
            waiting: 0,
            overdue: 0,
        }
    }

    /// Watches an attempt that should be answered within `within`; `None` where that is too far.
    pub(crate) fn begin(&mut self, within: Duration, now: Instant) -> Option<DueSlot> {
        self.sweep(now);
        let slot = self.slot(now + within.min(SLOT * SLOTS as u32)) + 1;
        if slot <= self.swept || slot >= self.swept + SLOTS as u64 {
            return None;
        }
        *self.due_mut(slot) += 1;
        self.waiting += 1;
        Some(DueSlot(slot))
    }

    /// An attempt has ended.
    pub(crate) fn end(&mut self, slot: DueSlot, now: Instant) {
        self.sweep(now);
        if slot.0 <= self.swept {
            self.overdue = self.overdue.saturating_sub(1);
        } else {
            let due = self.due_mut(slot.0);
            *due = due.saturating_sub(1);
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// Returns how many are overdue.
    pub(crate) fn count(&mut self, now: Instant) -> u32 {
        self.sweep(now);
        self.overdue
    }

    /// Returns until when the number overdue stays what it was counted last, if nothing begins or
    /// ends: for ever where nothing is watched.
    pub(crate) fn steady_until(&self) -> Option<Instant> {
        (self.waiting > 0).then_some(self.next)
    }

    fn sweep(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        let until = self.slot(now);
        if self.waiting > 0 {
            let last = self.swept + SLOTS as u64;
            for slot in self.swept + 1..=until.min(last) {
                let due = std::mem::take(self.due_mut(slot));
                self.overdue += due;
                self.waiting = self.waiting.saturating_sub(due);
            }
        }
        self.swept = self.swept.max(until);
        let seconds = Duration::from_secs((self.swept + 1) / SLOTS_PER_SECOND);
        let rest = ((self.swept + 1) % SLOTS_PER_SECOND) as u32;
        self.next = self.origin + seconds + SLOT * rest;
    }

    fn slot(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        let in_second = since.subsec_nanos() / SLOT.subsec_nanos();
        since
            .as_secs()
            .min(u64::MAX / 16)
            .saturating_mul(SLOTS_PER_SECOND)
            + u64::from(in_second)
    }

    fn due_mut(&mut self, slot: u64) -> &mut u32 {
        #[allow(clippy::indexing_slicing, reason = "a remainder of the length")]
        &mut self.due[slot as usize % SLOTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn an_attempt_is_overdue_from_its_time_to_its_end() {
        let t0 = Instant::now();
        let mut overdue = Overdue::new(t0);
        let slow = overdue.begin(s(2.0), t0).unwrap();
        let quick = overdue.begin(s(2.0), t0).unwrap();
        assert_eq!(overdue.count(t0 + s(2.0)), 0);
        overdue.end(quick, t0 + s(2.0));
        assert_eq!(overdue.count(t0 + s(2.5)), 1);
        assert_eq!(overdue.count(t0 + s(5000.0)), 1);
        overdue.end(slow, t0 + s(5000.0));
        assert_eq!(overdue.count(t0 + s(5000.0)), 0);
    }

    #[test]
    fn what_may_take_long_is_not_watched() {
        let t0 = Instant::now();
        let mut overdue = Overdue::new(t0);
        assert_eq!(overdue.begin(s(64.0), t0), None);
        assert_eq!(overdue.begin(Duration::MAX, t0), None);
        assert!(overdue.begin(s(60.0), t0).is_some());
    }

    #[test]
    fn it_agrees_with_a_list_of_all_attempts() {
        let t0 = Instant::now();
        let mut overdue = Overdue::new(t0);
        let mut rng = 1_u64;
        let mut random = move |below: u64| {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (rng >> 33) % below
        };
        let mut open = Vec::new();
        let mut now = t0;
        for _ in 0..20_000 {
            now += Duration::from_millis(250 * random(3));
            if random(2) == 0 {
                let within = Duration::from_millis(250 * random(200));
                let slot = overdue.begin(within, now).unwrap();
                open.push((slot, now + within));
            } else if !open.is_empty() {
                let (slot, _) = open.swap_remove(random(open.len() as u64) as usize);
                overdue.end(slot, now);
            }
            let late = open.iter().filter(|(_, due)| now > *due).count();
            assert_eq!(overdue.count(now) as usize, late);
        }
    }
}
