mod allowed;
mod bucket;
mod shared;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::shared::{Readings, Spending};
use self::{allowed::Allowed, bucket::Bucket};
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
    /// What is set for it, where something is.
    allowed: Option<Box<Allowed>>,
    pacing: Pacing,
    /// How many others may take what is left before it is our turn.
    turn: f64,
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

/// What is believed to be left of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Left {
    pub(crate) left: f64,
    pub(crate) limit: f64,
    /// Seconds until nothing is left, if all goes on as it does.
    pub(crate) gone_in: Option<f64>,
}

impl Left {
    /// Returns the share that is left, 0 to 1.
    pub(crate) fn share(&self) -> f64 {
        (self.left / self.limit.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    }
}

fn less(a: Option<Left>, b: Option<Left>) -> Option<Left> {
    let both = a.into_iter().chain(b);
    both.min_by(|a, b| a.share().total_cmp(&b.share()))
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
            allowed: None,
            pacing: Pacing::new(now),
            turn: 0.0,
        }
    }

    /// Sets limits per minute, which hold beside those of the provider. What is spent of the same
    /// ones already stays spent.
    pub(crate) fn allow(&mut self, requests: Option<f64>, tokens: Option<f64>, now: Instant) {
        if requests.is_none() && tokens.is_none() {
            self.allowed = None;
        } else if !self
            .allowed
            .as_ref()
            .is_some_and(|it| it.is(requests, tokens))
        {
            self.allowed = Some(Box::new(Allowed::new(requests, tokens, now)));
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
        let turn = self.turn;
        let told = self.requests.free_at(1.0, turn, now);
        let told = told.max(self.tokens.free_at(tokens, turn, now));
        let allowed = self.allowed.as_ref();
        let told = told.max(allowed.and_then(|it| it.free_at(tokens, turn, now)));
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
        if self.requests.free_at(1.0, self.turn, now).is_some() {
            return None;
        }
        let below = self.tokens.free_below(self.turn, now);
        match &self.allowed {
            Some(allowed) => Some(below.min(allowed.free_below(self.turn, now)?)),
            None => Some(below),
        }
    }

    /// Books one request of about `tokens` tokens. Where it is the probe, returns since when.
    pub(crate) fn take(&mut self, tokens: f64, now: Instant) -> Option<Instant> {
        self.requests.take(1.0, now);
        self.tokens.take(tokens, now);
        if let Some(allowed) = &mut self.allowed {
            allowed.take(1.0, tokens, now);
        }
        self.pacing.take(1.0, tokens, now);
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
    pub(crate) fn mark(&self, now: Instant) -> (f64, f64) {
        (self.requests.mark(now), self.tokens.mark(now))
    }

    /// Takes in the limits that an answer reported; `sent` is when its request left and `mark` what
    /// [`mark`](Self::mark) said then. Returns what is left of requests and of tokens, where that is news.
    pub(crate) fn read(
        &mut self,
        requests: Reading,
        tokens: Reading,
        sent: Instant,
        mark: (f64, f64),
        now: Instant,
    ) -> [Option<f64>; 2] {
        [
            self.requests.read(requests, sent, mark.0, now),
            self.tokens.read(tokens, sent, mark.1, now),
        ]
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
            None => self.refused_bare(now),
        }
    }

    /// Takes in a refusal that named no wait.
    fn refused_bare(&mut self, now: Instant) {
        self.bare = self.bare.saturating_add(1);
        if let Some(over) = self.bare.checked_sub(BARE_REFUSALS) {
            let pause = FIRST_BARE_PAUSE.saturating_mul(1 << over.min(16));
            self.pause(pause.min(LONGEST_BARE_PAUSE), now);
        } else if matches!(self.phase, Phase::Probing { .. } | Phase::Ramp { .. }) {
            // The wall still stands.
            self.pause(FIRST_BARE_PAUSE, now);
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

    /// Returns what is believed to be left of the limits of requests and of tokens, where headers
    /// tell or limits are set; of two the one that has less.
    pub(crate) fn outlook(&self, now: Instant) -> [Option<Left>; 2] {
        let told = [self.requests.outlook(now), self.tokens.outlook(now)];
        let Some(allowed) = &self.allowed else {
            return told;
        };
        let [told_requests, told_tokens] = told;
        let [requests, tokens] = allowed.outlook(now);
        [less(told_requests, requests), less(told_tokens, tokens)]
    }

    /// Returns whether a probe after a wait is under way.
    pub(crate) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
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
