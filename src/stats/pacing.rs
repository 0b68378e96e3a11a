use std::time::Duration;

use tokio::time::Instant;

/// How far back the accepted rate is measured.
const WINDOW: f64 = 10.0;
const ENOUGH: f64 = 5.0;
/// A refusal takes this share off, once a second at most: those of one burst say it once.
const CUT: f64 = 0.9;
const ONE_BURST: Duration = Duration::from_secs(1);
/// Seconds until the rate of the last refusal is tried again; it is approached quickly, held for a
/// while, and left upwards ever faster, as in CUBIC (RFC 9438).
const RETURN: f64 = 40.0;
/// The budget may save up what this many seconds allow.
const BURST: f64 = 1.0;
/// Where the rate has come down to this share and as many are refused as before, within these
/// bounds, it is not the rate that they are refused for: no cap is tried for a while.
const FUTILE_RATE: f64 = 0.6;
const FUTILE_SHARE: f64 = 0.5;
const RANDOM_SHARE: f64 = 0.15;
const FUTILE: Duration = Duration::from_secs(300);
/// Nor does a single request owe more than what these many seconds allow.
const MOST_OWED: f64 = 60.0;
/// A limit that is this many times the own rate limits nothing.
const MOOT: f64 = 4.0;
const MOOT_REQUESTS: f64 = 5.0;

/// A limit that nobody tells us, found by its refusals.
///
/// After a refusal, the rate at which requests were accepted becomes a cap of our own.
#[derive(Clone, Debug)]
pub(crate) struct Pacing {
    /// Accepted requests and tokens, decayed with the window as time constant.
    requests: f64,
    tokens: f64,
    /// Refused requests, likewise.
    refusals: f64,
    at: Instant,
    cap: Option<Cap>,
    /// Rate and share of refusals at the first cut of a series.
    series: Option<(f64, f64)>,
    futile_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Cap {
    /// Per second, when it was refused last.
    requests: f64,
    tokens: f64,
    refused: Instant,
    /// What may be sent at `at`.
    requests_left: f64,
    tokens_left: f64,
    at: Instant,
}

impl Pacing {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            requests: 0.0,
            tokens: 0.0,
            refusals: 0.0,
            at: now,
            cap: None,
            series: None,
            futile_until: None,
        }
    }

    /// Returns when the cap has room for a request of `tokens`, if that is not now.
    pub(crate) fn free_at(&self, tokens: f64, now: Instant) -> Option<Instant> {
        let cap = self.cap?;
        let (requests, left) = cap.level(now);
        let wait = |need: f64, left: f64, rate: f64| {
            if left >= need || rate <= 0.0 {
                0.0
            } else {
                (need - left) / rate
            }
        };
        let growth = cap.growth(now);
        let wait = wait(1.0, requests, cap.requests * growth).max(wait(
            tokens.min(cap.tokens * BURST),
            left,
            cap.tokens * growth,
        ));
        let wait = Duration::try_from_secs_f64(wait).ok()?;
        (!wait.is_zero())
            .then(|| now + wait.clamp(Duration::from_millis(1), Duration::from_secs(60)))
    }

    pub(crate) fn is_capped(&self) -> bool {
        self.cap.is_some()
    }

    /// Books requests that have so many tokens together.
    pub(crate) fn take(&mut self, requests: f64, tokens: f64, now: Instant) {
        self.fade(now);
        self.requests += requests;
        self.tokens += tokens;
        if let Some(cap) = &mut self.cap {
            let (requests_left, left) = cap.level(now);
            cap.requests_left = (requests_left - requests).max(-MOST_OWED * cap.requests);
            cap.tokens_left = (left - tokens).max(-MOST_OWED * cap.tokens);
            cap.at = cap.at.max(now);
            let moot =
                cap.requests * cap.growth(now) > MOOT * self.requests / WINDOW + MOOT_REQUESTS;
            if moot {
                self.cap = None;
            }
        }
    }

    /// Takes in a refusal of a request that was booked.
    pub(crate) fn refused(&mut self, tokens: f64, now: Instant) {
        self.fade(now);
        self.requests = (self.requests - 1.0).max(0.0);
        self.tokens = (self.tokens - tokens).max(0.0);
        self.refusals += 1.0;
        let share = self.refusals / (self.requests + self.refusals);
        if self.futile_until.is_some_and(|until| now < until) && share < 2.0 * RANDOM_SHARE {
            return;
        }
        // Of a few requests no rate can be learned.
        if self.requests < ENOUGH && self.cap.is_none() {
            return;
        }
        let recent = self.cap.is_some_and(|cap| now < cap.refused + ONE_BURST);
        if recent {
            return;
        }
        let (mut requests, mut tokens) = (self.requests / WINDOW, self.tokens / WINDOW);
        if let Some(cap) = self.cap {
            // What was saved up before hides how much is too much.
            let growth = cap.growth(now);
            requests = requests.min(cap.requests * growth);
            tokens = tokens.min(cap.tokens * growth);
        }
        let regained = self
            .cap
            .is_none_or(|cap| now >= cap.refused + Duration::from_secs_f64(RETURN));
        let (rate, refused) = match self.series {
            Some(series) if !regained => series,
            _ => *self.series.insert((requests, share)),
        };
        let as_many = (FUTILE_SHARE * refused..RANDOM_SHARE).contains(&share);
        if requests < FUTILE_RATE * rate && as_many {
            self.cap = None;
            self.futile_until = Some(now + FUTILE);
            return;
        }
        self.cap = Some(Cap {
            requests: requests.max(0.1),
            tokens: tokens.max(1.0),
            refused: now,
            requests_left: 0.0,
            tokens_left: 0.0,
            at: now,
        });
    }

    fn fade(&mut self, now: Instant) {
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        let weight = (-dt / WINDOW).exp();
        self.requests *= weight;
        self.tokens *= weight;
        self.refusals *= weight;
        self.at = self.at.max(now);
    }
}

impl Cap {
    /// The share of the refused rate that is allowed now.
    fn growth(&self, now: Instant) -> f64 {
        let t = now.saturating_duration_since(self.refused).as_secs_f64();
        let x = (t - RETURN) / RETURN;
        (1.0 + (1.0 - CUT) * x * x * x).min(1e3)
    }

    fn level(&self, now: Instant) -> (f64, f64) {
        let dt = now.saturating_duration_since(self.at).as_secs_f64();
        let growth = self.growth(now);
        let most = |rate: f64, least: f64| (rate * growth * BURST).max(least);
        (
            (self.requests_left + dt * self.requests * growth).min(most(self.requests, 1.0)),
            (self.tokens_left + dt * self.tokens * growth).min(most(self.tokens, 1.0)),
        )
    }
}
