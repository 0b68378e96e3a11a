use std::time::Duration;

use tokio::time::Instant;

use super::{DOUBT, Health, LONGEST, REHABILITATED};

/// Pauses between failed probes, in seconds. They grow so that a short outage is over soon and a
/// long one is probed rarely: about a third of the time that it has lasted.
pub(super) const FIRST_PAUSE: f64 = 2.0;
pub(super) const LONGEST_PAUSE: f64 = 240.0;
const PAUSE_GROWTH: f64 = 1.5;
/// Nor is every request a probe where there are few: a pause spans at least this many of the
/// target's own requests as they used to come.
const LEAST_REQUESTS: f64 = 3.5;

impl Health {
    /// Returns whether the breaker lets nothing through, not even a probe.
    pub(crate) fn is_open(&mut self, now: Instant) -> bool {
        self.is_broken(now) && !self.is_probe_due(now)
    }

    /// Returns whether a probe would be welcome.
    pub(crate) fn is_probe_due(&self, now: Instant) -> bool {
        let room = self.probes < self.window || self.lease.is_none_or(|lease| now >= lease);
        room && now >= self.paused_until()
    }

    /// Returns whether it has yet to show that it is well.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Returns whether nothing is known yet of how it is doing after what went wrong.
    pub(crate) fn is_half_open(&self) -> bool {
        self.window == 1
    }

    pub(super) fn next_probe(&self, now: Instant) -> Instant {
        let paused = self.paused_until();
        let leased = self.lease.filter(|_| self.probes >= self.window);
        leased.map_or(paused, |lease| lease.max(paused)).max(now)
    }

    fn paused_until(&self) -> Instant {
        match self.good {
            // Where nothing has failed, nothing has come back either since the last one began.
            true if !self.in_doubt => self.begun + self.pause(),
            true => self.last,
            false => self.last + self.pause(),
        }
    }

    fn pause(&self) -> Duration {
        let requests = LEAST_REQUESTS * self.aging.gap();
        Duration::from_secs_f64(self.pause.max(requests.min(self.longest_gap())))
    }

    fn longest_gap(&self) -> f64 {
        LEAST_REQUESTS * LONGEST.as_secs_f64()
    }

    pub(super) fn disappoint(&mut self, probe: bool) {
        if probe {
            self.pause = (self.pause * PAUSE_GROWTH).min(LONGEST_PAUSE);
        }
        self.window = 1;
        self.in_doubt = self.in_doubt || self.health() < DOUBT;
    }

    pub(super) fn believe(&mut self) {
        if self.window >= REHABILITATED || self.is_little() {
            self.bad = 0.0;
        }
        self.in_doubt = false;
        self.opened = None;
        self.pause = FIRST_PAUSE;
        self.window = 1;
    }
}
