use std::time::Duration;

use tokio::time::Instant;

/// Resolution of the wheel, and its span: what may take longer than a minute is not watched.
const SLOT: Duration = Duration::from_millis(250);
const SLOTS: usize = 256;

/// Counts the open attempts that are past the time at which they should have been answered: a
/// timing wheel of counters.
#[derive(Clone, Debug)]
pub(crate) struct Overdue {
    origin: Instant,
    due: Box<[u32; SLOTS]>,
    /// All slots up to this one have been counted.
    swept: u64,
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
        }
    }

    /// Returns how many are overdue.
    pub(crate) fn count(&mut self, now: Instant) -> u32 {
        self.sweep(now);
        self.overdue
    }

    fn sweep(&mut self, now: Instant) {
        let until = self.slot(now);
        let last = self.swept + SLOTS as u64;
        for slot in self.swept + 1..=until.min(last) {
            self.overdue += std::mem::take(self.due_mut(slot));
        }
        self.swept = self.swept.max(until);
    }

    fn slot(&self, at: Instant) -> u64 {
        let millis = at.saturating_duration_since(self.origin).as_millis();
        u64::try_from(millis / SLOT.as_millis()).unwrap_or(u64::MAX / 2)
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
