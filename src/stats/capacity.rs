use std::time::Duration;

use tokio::time::Instant;

use super::pacing::Pacing;

/// No provider's wait is believed beyond this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How long a probe must stay unrefused before the wall counts as gone. A refusal comes within a
/// fraction of a second, an answer takes as long as it takes.
const PROBE: Duration = Duration::from_secs(1);
/// After a probe, the share of picks let through in the first second; it doubles every second.
const FIRST_SHARE: f64 = 0.1;
/// Refusals without a wait that are taken as bad luck before the group is left alone.
const BARE_REFUSALS: u32 = 3;
const FIRST_BARE_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_BARE_PAUSE: Duration = Duration::from_secs(30);
/// Pauses for a quota that only money or the next day brings back.
const FIRST_QUOTA_PAUSE: Duration = Duration::from_secs(60);
/// Where limit headers name no reset, the window is a minute.
const WINDOW: Duration = Duration::from_secs(60);
/// Room to spare: 2 % of what five seconds refill, against what others spend meanwhile.
const SPARE: f64 = 0.02 * 5.0;
/// Over how many seconds the spending of others is averaged, the share of the refill that they may
/// seem to take at most, and from which share of its highest level on a bucket counts as full.
const OTHERS_WINDOW: f64 = 10.0;
const MOST_OTHERS: f64 = 0.95;
const NEARLY_FULL: f64 = 0.95;

/// What one quota group has room for.
#[derive(Clone, Debug)]
pub(crate) struct Capacity {
    /// The provider's own word: no call before.
    told: Option<Instant>,
    /// Our own caution, after refusals that named no wait.
    cautious: Option<Instant>,
    phase: Phase,
    bare: u32,
    quota: u32,
    requests: Bucket,
    tokens: Bucket,
    pacing: Pacing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Open,
    /// A wait was given; when it is over, a probe is due.
    Walled,
    Probing {
        since: Instant,
    },
    Ramp {
        since: Instant,
    },
}

/// Whether a group has room for a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Room {
    /// It has.
    Free,
    /// The wait is over; the next attempt is the probe.
    Probe,
    /// It is coming back: let this share of the picks through, unless nobody else is free.
    Ramp(f64),
    /// Our own estimate says not before the given time.
    Expected(Instant),
    /// The provider said not before the given time.
    Told(Instant),
}

/// One limit as an answer's headers report it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) limit: Option<f64>,
    pub(crate) remaining: Option<f64>,
    pub(crate) reset: Option<Duration>,
}

impl Capacity {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            told: None,
            cautious: None,
            phase: Phase::Open,
            bare: 0,
            quota: 0,
            requests: Bucket::new(now),
            tokens: Bucket::new(now),
            pacing: Pacing::new(now),
        }
    }

    /// Says whether there is room for one request of about `tokens` tokens.
    pub(crate) fn room(&self, tokens: f64, now: Instant) -> Room {
        if let Some(until) = self.told.filter(|until| now < *until) {
            return Room::Told(until);
        }
        if let Some(until) = self.cautious.filter(|until| now < *until) {
            return Room::Expected(until);
        }
        match self.phase {
            Phase::Walled => return Room::Probe,
            Phase::Probing { since } if now < since + PROBE => {
                return Room::Expected(since + PROBE);
            }
            _ => {}
        }
        let told = self.requests.free_at(1.0, now);
        let told = told.max(self.tokens.free_at(tokens, now));
        if let Some(at) = told.max(self.pacing.free_at(tokens, now)) {
            return Room::Expected(at);
        }
        match self.phase {
            // What is known of the limit lets as much through as there is room for.
            _ if self.pacing.is_capped() || self.requests.is_known() || self.tokens.is_known() => {
                Room::Free
            }
            Phase::Probing { since } => ramp(since + PROBE, now),
            Phase::Ramp { since } => ramp(since, now),
            Phase::Open | Phase::Walled => Room::Free,
        }
    }

    /// Returns up to how many tokens a request has room for, from `now` until something is booked or
    /// read; `None` where there is more to be said than that.
    pub(crate) fn free_below(&self, now: Instant) -> Option<f64> {
        let held = |until: Option<Instant>| until.is_some_and(|until| now < until);
        if held(self.told) || held(self.cautious) {
            return None;
        }
        if self.phase != Phase::Open || self.pacing.is_capped() {
            return None;
        }
        if self.requests.free_at(1.0, now).is_some() {
            return None;
        }
        Some(self.tokens.free_below(now))
    }

    /// Books one request of about `tokens` tokens. Where it is the probe, returns since when.
    pub(crate) fn take(&mut self, tokens: f64, now: Instant) -> Option<Instant> {
        self.requests.take(1.0, now);
        self.tokens.take(tokens, now);
        self.pacing.take(tokens, now);
        match self.phase {
            Phase::Walled if self.told.is_none_or(|until| now >= until) => {
                self.phase = Phase::Probing { since: now };
                Some(now)
            }
            Phase::Probing { since } if now >= since + PROBE => {
                self.phase = Phase::Ramp {
                    since: since + PROBE,
                };
                None
            }
            Phase::Ramp { since } if share(since, now) >= 1.0 => {
                self.phase = Phase::Open;
                None
            }
            _ => None,
        }
    }

    /// Returns the position in the stream of own requests and tokens, to be given back with the
    /// reading that the answer to the request being sent now will bring.
    pub(crate) fn mark(&self) -> (f64, f64) {
        (self.requests.spent, self.tokens.spent)
    }

    /// Takes in the limits that an answer reported; `sent` is when its request left and `mark` what
    /// [`mark`](Self::mark) said then.
    pub(crate) fn read(
        &mut self,
        requests: Reading,
        tokens: Reading,
        sent: Instant,
        mark: (f64, f64),
        now: Instant,
    ) {
        self.requests.read(requests, sent, mark.0, now);
        self.tokens.read(tokens, sent, mark.1, now);
    }

    /// Takes in a refusal. `wait` is what the provider said, `quota` whether waiting a minute is
    /// known to be pointless, and `tokens` what the request was booked with.
    pub(crate) fn refused(
        &mut self,
        wait: Option<Duration>,
        quota: bool,
        tokens: f64,
        now: Instant,
    ) {
        if !quota && !self.requests.is_known() && !self.tokens.is_known() {
            self.pacing.refused(tokens, now);
        }
        match wait {
            Some(wait) => {
                let until = now + wait.min(LONGEST_WAIT);
                self.told = Some(self.told.map_or(until, |told| told.max(until)));
                self.phase = Phase::Walled;
            }
            None if quota => {
                let pause = FIRST_QUOTA_PAUSE.saturating_mul(1 << self.quota.min(16));
                self.quota = self.quota.saturating_add(1);
                self.pause(pause.min(LONGEST_WAIT), now);
            }
            None => {
                self.bare = self.bare.saturating_add(1);
                if let Some(over) = self.bare.checked_sub(BARE_REFUSALS) {
                    let pause = FIRST_BARE_PAUSE.saturating_mul(1 << over.min(16));
                    self.pause(pause.min(LONGEST_BARE_PAUSE), now);
                } else if matches!(self.phase, Phase::Probing { .. } | Phase::Ramp { .. }) {
                    // The wall still stands.
                    self.pause(FIRST_BARE_PAUSE, now);
                }
            }
        }
    }

    /// Takes in an answer that was no refusal.
    pub(crate) fn accepted(&mut self) {
        self.bare = 0;
        self.quota = 0;
    }

    /// The probe that began at `probe` ended without telling anything: the next attempt is one.
    pub(crate) fn release(&mut self, probe: Instant, now: Instant) {
        let own = Phase::Probing { since: probe };
        if self.phase == own && now < probe + PROBE {
            self.phase = Phase::Walled;
        }
    }

    /// Returns the end of the provider's own wait, if one is running.
    pub(crate) fn told(&self, now: Instant) -> Option<Instant> {
        self.told.filter(|until| now < *until)
    }

    /// Takes up a provider's wait that was still running when it was kept.
    pub(crate) fn resume(&mut self, wait: Duration, now: Instant) {
        self.told = Some(now + wait.min(LONGEST_WAIT));
        self.phase = Phase::Walled;
    }

    /// Returns the requests and tokens believed to be left, where limit headers tell.
    pub(crate) fn headroom(&self, now: Instant) -> (Option<f64>, Option<f64>) {
        (self.requests.level(now), self.tokens.level(now))
    }

    fn pause(&mut self, pause: Duration, now: Instant) {
        let until = now + pause;
        self.cautious = Some(self.cautious.map_or(until, |at| at.max(until)));
        self.phase = Phase::Walled;
    }
}

fn share(since: Instant, now: Instant) -> f64 {
    let seconds = now.saturating_duration_since(since).as_secs();
    FIRST_SHARE * f64::from(1_u32 << seconds.min(8))
}

fn ramp(since: Instant, now: Instant) -> Room {
    let share = share(since, now);
    if share < 1.0 {
        Room::Ramp(share)
    } else {
        Room::Free
    }
}

/// The estimate of one limit, for requests or for tokens.
#[derive(Clone, Debug)]
struct Bucket {
    /// Own spending since the beginning.
    spent: f64,
    /// What is believed to be left at `at`, once a header has told.
    left: Option<f64>,
    at: Instant,
    limit: f64,
    /// Refill per second, and what others take of it.
    rate: f64,
    others: f64,
    /// The highest level seen: a bucket may hold less than its limit per window.
    top: f64,
    /// When the request left whose answer was read last: answers overtake each other.
    sent: Option<Instant>,
    /// What that answer said, and the own spending up to its request.
    seen: f64,
    seen_mark: f64,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self {
            spent: 0.0,
            left: None,
            at: now,
            limit: 0.0,
            rate: 0.0,
            others: 0.0,
            top: 0.0,
            sent: None,
            seen: 0.0,
            seen_mark: 0.0,
        }
    }

    fn level(&self, now: Instant) -> Option<f64> {
        let left = self.left?;
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        Some((left + dt * self.net_rate()).min(self.limit))
    }

    fn is_known(&self) -> bool {
        self.left.is_some()
    }

    fn net_rate(&self) -> f64 {
        self.rate - self.others.min(MOST_OTHERS * self.rate)
    }

    /// Returns when there will be room for `need`, if that is not now.
    fn free_at(&self, need: f64, now: Instant) -> Option<Instant> {
        let level = self.level(now)?;
        // What never fits must not wait for ever: the provider will say so itself.
        let need = (need + SPARE * self.rate).min(self.limit);
        let missing = need - level;
        if missing <= 0.0 || self.rate <= 0.0 {
            return None;
        }
        let wait = Duration::try_from_secs_f64(missing / self.net_rate()).unwrap_or(LONGEST_WAIT);
        Some(now + wait.clamp(Duration::from_millis(1), LONGEST_WAIT))
    }

    /// Returns a need below which there is room now; the level only rises by itself.
    fn free_below(&self, now: Instant) -> f64 {
        match self.level(now) {
            Some(level) if self.rate > 0.0 && level < self.limit => {
                // A little less, for what rounding may do.
                (level - SPARE * self.rate) * (1.0 - 1e-9)
            }
            _ => f64::INFINITY,
        }
    }

    /// Learns what others spend: what is missing between two answers that is not our own.
    fn notice_others(&mut self, remaining: f64, sent: Instant, mark: f64) {
        let Some(last) = self.sent else {
            return;
        };
        let dt = sent.saturating_duration_since(last).as_secs_f64();
        // A full bucket overflows: what it would have held by now says nothing.
        let full = NEARLY_FULL * self.top;
        if dt <= 0.0 || remaining >= full || self.seen >= full {
            return;
        }
        let expected = self.seen + dt * self.rate - (mark - self.seen_mark);
        let rate = ((expected.min(self.limit) - remaining) / dt).max(0.0);
        let weight = 1.0 - (-dt / OTHERS_WINDOW).exp();
        self.others += (rate - self.others) * weight;
    }

    fn take(&mut self, amount: f64, now: Instant) {
        self.spent += amount;
        if let Some(level) = self.level(now) {
            // A single request does not owe more than the whole limit.
            self.left = Some((level - amount).max(-self.limit));
            self.at = self.at.max(now);
        }
    }

    fn read(&mut self, reading: Reading, sent: Instant, mark: f64, now: Instant) {
        let Some(remaining) = reading
            .remaining
            .filter(|left| left.is_finite() && *left >= 0.0)
        else {
            return;
        };
        if self.sent.is_some_and(|last| sent < last) {
            return;
        }
        let limit = reading.limit.unwrap_or(self.limit).max(remaining);
        if let Some(reset) = reading
            .reset
            .filter(|reset| !reset.is_zero() && remaining < limit)
        {
            self.rate = (limit - remaining) / reset.as_secs_f64();
        } else if self.rate <= 0.0 || limit != self.limit {
            self.rate = limit / WINDOW.as_secs_f64();
        }
        if limit != self.limit {
            self.others = 0.0;
            self.top = 0.0;
        }
        self.limit = limit;
        self.notice_others(remaining, sent, mark);
        self.sent = Some(sent);
        self.seen = remaining;
        self.seen_mark = mark;
        self.top = self.top.max(remaining);
        self.left = Some(remaining - (self.spent - mark).max(0.0));
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn reading(limit: f64, remaining: f64, reset: f64) -> Reading {
        Reading {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(s(reset)),
        }
    }

    #[test]
    fn a_wait_is_kept_to_the_end_and_never_shortened() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.refused(Some(s(300.0)), false, 1.0, t0);
        capacity.refused(Some(s(1.0)), false, 1.0, t0 + s(1.0));
        assert_eq!(capacity.room(1.0, t0 + s(299.9)), Room::Told(t0 + s(300.0)));
        assert_eq!(capacity.room(1.0, t0 + s(300.0)), Room::Probe);
    }

    #[test]
    fn an_absurd_wait_is_an_hour() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.refused(Some(Duration::MAX), false, 1.0, t0);
        assert_eq!(capacity.room(1.0, t0), Room::Told(t0 + s(3600.0)));
    }

    #[test]
    fn after_the_wall_come_one_probe_and_a_ramp() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.refused(Some(s(10.0)), false, 1.0, t0);
        let t1 = t0 + s(10.0);
        assert_eq!(capacity.take(1.0, t1), Some(t1));
        assert_eq!(capacity.room(1.0, t1 + s(0.5)), Room::Expected(t1 + s(1.0)));
        assert_eq!(capacity.room(1.0, t1 + s(1.0)), Room::Ramp(0.1));
        assert_eq!(capacity.room(1.0, t1 + s(2.5)), Room::Ramp(0.2));
        assert_eq!(capacity.room(1.0, t1 + s(4.5)), Room::Ramp(0.8));
        assert_eq!(capacity.room(1.0, t1 + s(5.0)), Room::Free);
    }

    #[test]
    fn a_refused_probe_walls_again() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.refused(Some(s(1.0)), false, 1.0, t0);
        assert!(capacity.take(1.0, t0 + s(1.0)).is_some());
        capacity.refused(None, false, 1.0, t0 + s(1.1));
        assert_eq!(capacity.room(1.0, t0 + s(1.2)), Room::Expected(t0 + s(3.1)));
    }

    #[test]
    fn three_bare_refusals_in_a_row_pause_doubling() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.refused(None, false, 1.0, t0);
        capacity.refused(None, false, 1.0, t0);
        assert_eq!(capacity.room(1.0, t0), Room::Free);
        capacity.refused(None, false, 1.0, t0);
        assert_eq!(capacity.room(1.0, t0), Room::Expected(t0 + s(2.0)));
        capacity.refused(None, false, 1.0, t0 + s(2.0));
        assert_eq!(capacity.room(1.0, t0 + s(2.0)), Room::Expected(t0 + s(6.0)));
        capacity.accepted();
        capacity.refused(None, false, 1.0, t0 + s(10.0));
        assert_eq!(capacity.room(1.0, t0 + s(6.0)), Room::Probe);
    }

    #[test]
    fn headers_leave_before_the_wall_and_refill() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        let mark = capacity.mark();
        capacity.take(10.0, t0);
        // 60 per minute, 3 left after ours: a second each.
        capacity.read(
            reading(60.0, 3.0, 57.0),
            Reading::default(),
            t0,
            (1.0, mark.1),
            t0,
        );
        assert_eq!(capacity.room(10.0, t0), Room::Free);
        capacity.take(10.0, t0);
        capacity.take(10.0, t0);
        let Room::Expected(at) = capacity.room(10.0, t0) else {
            panic!("left at the wall")
        };
        assert_eq!(capacity.room(10.0, at), Room::Free);
    }

    #[test]
    fn an_answer_that_was_overtaken_tells_nothing() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.read(
            reading(100.0, 1.0, 60.0),
            Reading::default(),
            t0 + s(1.0),
            (0.0, 0.0),
            t0,
        );
        let level = capacity.headroom(t0).0;
        capacity.read(
            reading(100.0, 90.0, 6.0),
            Reading::default(),
            t0,
            (0.0, 0.0),
            t0,
        );
        assert_eq!(capacity.headroom(t0).0, level);
    }

    #[test]
    fn sixty_four_picks_do_not_all_take_room_for_ten() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.read(
            reading(600.0, 10.0, 59.0),
            Reading::default(),
            t0,
            (0.0, 0.0),
            t0,
        );
        let mut taken = 0;
        for _ in 0..64 {
            if capacity.room(1.0, t0) == Room::Free {
                capacity.take(1.0, t0);
                taken += 1;
            }
        }
        assert!((8..=10).contains(&taken), "{taken}");
    }

    #[test]
    fn a_request_larger_than_the_limit_does_not_wait_for_ever() {
        let t0 = Instant::now();
        let mut capacity = Capacity::new(t0);
        capacity.read(
            Reading::default(),
            reading(100.0, 100.0, 0.0),
            t0,
            (0.0, 0.0),
            t0,
        );
        assert_eq!(capacity.room(5_000.0, t0), Room::Free);
    }
}
