use std::time::Duration;

use tokio::time::Instant;

use super::{LONGEST_WAIT, Left, Reading};
use crate::stats::aging::faded;

/// Where limit headers name no reset, the window is a minute.
const WINDOW: Duration = Duration::from_secs(60);
/// Room to spare: 2 % of what five seconds refill, against what others spend meanwhile.
const SPARE: f64 = 0.02 * 5.0;
/// Over how many seconds the spending of others is averaged, the share of the refill that they may
/// seem to take at most, and from which share of its highest level on a bucket counts as full.
const OTHERS_WINDOW: f64 = 10.0;
const MOST_OTHERS: f64 = 0.95;
const NEARLY_FULL: f64 = 0.95;
/// The same for what other instances tell of theirs, and after how many seconds without a word they are
/// likely to spend nothing.
const THEIRS_WINDOW: f64 = 5.0;
const THEIRS_SILENCE: f64 = 2.0;

/// Seconds of the spending of other instances that are not known yet.
const UNTOLD: f64 = 0.25;
/// After which time it is somebody else's turn.
pub(super) const TURN: Duration = Duration::from_millis(250);

/// The half-life of the own spending, in seconds, from which the time to the wall is foretold.
const PACE: f64 = 10.0;

/// The estimate of one limit, for requests or for tokens.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Spending since the beginning, of our own and what other instances told.
    pub(super) spent: f64,
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
    /// All spending that is known, decayed, and since when.
    lately: f64,
    since: Option<Instant>,
    theirs: Theirs,
}

/// What other instances spend, as far as they have told.
#[derive(Clone, Copy, Debug, Default)]
struct Theirs {
    /// Per second.
    rate: f64,
    /// Up to when.
    until: Option<Instant>,
}

impl Theirs {
    fn add(&mut self, amount: f64, now: Instant) {
        if let Some(until) = self.until {
            let dt = now.saturating_duration_since(until).as_secs_f64();
            let weight = 1.0 - (-dt / THEIRS_WINDOW).exp();
            self.rate += (amount / dt.max(1e-3) - self.rate) * weight;
        }
        self.until = Some(now);
    }

    /// Returns what they are likely to have spent since they told last.
    fn untold(&self, now: Instant) -> f64 {
        let Some(until) = self.until else { return 0.0 };
        let silent = now.saturating_duration_since(until).as_secs_f64();
        // Who has nothing to tell spends nothing.
        self.rate * silent * (-silent / THEIRS_SILENCE).exp()
    }
}

impl Bucket {
    pub(super) fn new(now: Instant) -> Self {
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
            lately: 0.0,
            since: None,
            theirs: Theirs::default(),
        }
    }

    /// Creates one of which nothing is spent yet, that refills in a minute.
    pub(super) fn full(limit: f64, now: Instant) -> Self {
        Self {
            left: Some(limit),
            limit,
            rate: limit / WINDOW.as_secs_f64(),
            since: Some(now),
            ..Self::new(now)
        }
    }

    pub(super) fn limit(&self) -> f64 {
        self.limit
    }

    /// Says what is left, and when it will be gone if spending goes on as in the last seconds.
    pub(super) fn outlook(&self, now: Instant) -> Option<Left> {
        let level = self.level(now)?;
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        // What spends `r` per second has a decayed sum of `r` times the mean life, in the end.
        let seen = now.saturating_duration_since(self.since?).as_secs_f64();
        let life = PACE / std::f64::consts::LN_2 * (1.0 - faded(seen.max(1.0) / PACE));
        let pace = self.lately * faded(dt / PACE) / life;
        let falls = pace - self.net_rate();
        Some(Left {
            left: level.max(0.0),
            limit: self.limit,
            gone_in: (falls > 0.0).then(|| level.max(0.0) / falls),
        })
    }

    pub(super) fn level(&self, now: Instant) -> Option<f64> {
        let left = self.left?;
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        Some((left + dt * self.net_rate()).min(self.limit))
    }

    pub(super) fn is_known(&self) -> bool {
        self.left.is_some()
    }

    fn net_rate(&self) -> f64 {
        self.rate - self.others.min(MOST_OTHERS * self.rate).max(0.0)
    }

    /// Returns what is left to others: what they have spent since they told is not known yet.
    fn spare(&self) -> f64 {
        SPARE * self.rate + UNTOLD * self.theirs.rate
    }

    /// Returns when there will be room for `need`, if that is not now; `turn` is how many others may take
    /// as much at the same time.
    pub(super) fn free_at(&self, need: f64, turn: f64, now: Instant) -> Option<Instant> {
        let level = self.level(now)?;
        // What never fits must not wait for ever: the provider will say so itself.
        let own = (need + self.spare()).min(self.limit);
        let missing = own - level;
        if self.rate <= 0.0 {
            return None;
        }
        if missing <= 0.0 {
            // Nobody's turn is beyond what the bucket ever holds.
            let all = own + need * turn;
            let waits = level < all.min(self.top.max(own));
            return waits.then(|| now + TURN);
        }
        let wait = Duration::try_from_secs_f64(missing / self.net_rate()).unwrap_or(LONGEST_WAIT);
        Some(now + wait.clamp(Duration::from_millis(1), LONGEST_WAIT))
    }

    /// Returns a need below which there is room now; the level only rises by itself.
    pub(super) fn free_below(&self, turn: f64, now: Instant) -> f64 {
        match self.level(now) {
            Some(level) if self.rate > 0.0 && level < self.limit => {
                // A little less, for what rounding may do.
                (level - self.spare()) / (1.0 + turn) * (1.0 - 1e-9)
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
        let rate = (expected.min(self.limit) - remaining) / dt;
        // What instances tell each other is known in portions: what seems missing now is there the next
        // time, and cutting off one side only would make it look like somebody's.
        let rate = if self.theirs.until.is_some() {
            rate
        } else {
            rate.max(0.0)
        };
        let weight = 1.0 - (-dt / OTHERS_WINDOW).exp();
        self.others += (rate - self.others) * weight;
    }

    pub(super) fn take(&mut self, amount: f64, now: Instant) {
        self.spent += amount;
        if let Some(level) = self.level(now) {
            let dt = now.saturating_duration_since(self.at).as_secs_f64();
            self.lately = self.lately * faded(dt / PACE) + amount;
            // A single request does not owe more than the whole limit.
            self.left = Some((level - amount).max(-self.limit));
            self.at = self.at.max(now);
        }
    }

    /// Returns the position in all spending, as far as it can be known.
    pub(super) fn mark(&self, now: Instant) -> f64 {
        self.spent + self.theirs.untold(now)
    }

    /// Books what other instances have spent since they told last.
    pub(super) fn take_theirs(&mut self, amount: f64, now: Instant) {
        if amount > 0.0 || self.theirs.until.is_some() {
            self.theirs.add(amount, now);
        }
        if amount > 0.0 {
            self.take(amount, now);
        }
    }

    /// Takes in a reading. Returns the level that follows from it, if it is news.
    pub(super) fn read(
        &mut self,
        reading: Reading,
        sent: Instant,
        mark: f64,
        now: Instant,
    ) -> Option<f64> {
        let remaining = reading
            .remaining
            .filter(|left| left.is_finite() && *left >= 0.0)?;
        if self.sent.is_some_and(|last| sent < last) {
            return None;
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
        self.left = Some(remaining - (self.spent - mark));
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        self.lately *= faded(dt / PACE);
        self.at = now;
        self.since.get_or_insert(now);
        self.left
    }

    /// Goes on from the level that others have read just now. Who has read none knows too little of the
    /// limit for that.
    pub(super) fn correct(&mut self, level: f64, now: Instant) {
        if self.left.is_some() {
            let dt = now.saturating_duration_since(self.at).as_secs_f64();
            self.lately *= faded(dt / PACE);
            self.left = Some(level.min(self.limit));
            self.at = self.at.max(now);
        }
    }
}
