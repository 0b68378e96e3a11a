use std::time::Duration;

use tokio::time::Instant;

use super::{
    aging::{Aging, faded},
    latency::{ENOUGH, HALF_LIFE, LONGEST, SAMPLES},
    others::Others,
    spread::{Forecast, Moments, Spread},
};

/// Two lengths that differ by less than this share of their mean tell nothing about a slope.
const SPREAD: f64 = 0.05;
/// What nobody has seen an answer of: the length of a usual one.
const USUAL_LENGTH: f64 = 256.0;
/// No answer is longer than this.
const MOST_TOKENS: u64 = 1_000_000;
/// Answers it takes to believe in their usual length.
const LENGTH_MASS: f64 = 3.0;

/// How long whole answers of one target take, by their length in tokens.
///
/// Most of the time of an answer is its length. So the time is fitted as a line, `start + per_token
/// x tokens`, by decayed least squares. How far answers are off from what could be expected of them
/// when they began is kept as a distribution: from it follows the chance that an answer is there in
/// time, and when it is late.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    aging: Aging,
    age: f64,
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
    /// Logarithms of actual by predicted time.
    residuals: Spread,
    /// The same by the time that an answer of their actual length takes.
    strictly: Moments,
    lengths: Lengths,
    others: Others,
}

/// Tokens of the answers, and what their requests allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Lengths {
    pub(crate) n: f64,
    pub(crate) sum: f64,
    /// Answers whose requests had a cap, and the share of it that they used.
    pub(crate) caps: f64,
    pub(crate) capped: f64,
}

impl Lengths {
    /// Returns the tokens that an answer is expected to have.
    pub(crate) fn expected(&self, cap: Option<u64>) -> f64 {
        match cap {
            // A cap is often a loose one: what counts is how much of it is used.
            Some(cap) if self.caps > 0.0 => {
                cap as f64 * (self.capped + LENGTH_MASS) / (self.caps + LENGTH_MASS)
            }
            _ => {
                let usual = (self.sum + LENGTH_MASS * USUAL_LENGTH) / (self.n + LENGTH_MASS);
                cap.map_or(usual, |cap| usual.min(cap as f64))
            }
        }
    }
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            aging: Aging::new(HALF_LIFE, SAMPLES, LONGEST, now),
            age: 0.0,
            n: 0.0,
            x: 0.0,
            y: 0.0,
            xx: 0.0,
            xy: 0.0,
            residuals: Spread::new(),
            strictly: Moments::default(),
            lengths: Lengths::default(),
            others: Others::default(),
        }
    }

    /// Takes in an answer of `tokens` that took `time`; `cap` is what its request allowed.
    pub(crate) fn record(
        &mut self,
        tokens: Option<u64>,
        cap: Option<u64>,
        time: Duration,
        now: Instant,
    ) {
        // A provider may say anything.
        let tokens = tokens.map(|tokens| tokens.min(MOST_TOKENS));
        let expected = self.length(cap);
        let age = self.aging.advance(true, now);
        self.take_in(expected, tokens, time, age, |_| 1.0);
        if let (Some(tokens), Some(cap)) = (tokens, cap.filter(|cap| *cap > 0)) {
            self.lengths.caps += 1.0;
            self.lengths.capped += (tokens as f64 / cap as f64).min(1.0);
        }
    }

    /// Takes in so many answers that others had about `ago`, of which `expected` tokens could be
    /// expected.
    pub(crate) fn absorb(
        &mut self,
        (expected, tokens): (f64, Option<u64>),
        time: Duration,
        count: u32,
        ago: Duration,
        now: Instant,
    ) {
        let tokens = tokens.map(|tokens| tokens.min(MOST_TOKENS));
        let expected = expected.clamp(0.0, MOST_TOKENS as f64);
        let age = self.aging.advance_by(count, now);
        let each = self.aging.remains(ago);
        self.take_in(expected, tokens, time, age, |pace| {
            pace.others.admit(count, each)
        });
    }

    /// Takes in an answer, which has a weight once what was there before has faded.
    fn take_in(
        &mut self,
        expected: f64,
        tokens: Option<u64>,
        time: Duration,
        age: f64,
        weight: impl FnOnce(&mut Self) -> f64,
    ) {
        let x = tokens.map_or(expected, |tokens| tokens as f64);
        let y = time.as_secs_f64();
        // Against what could be known when it began.
        let predicted = self.line(expected);
        let strictly = tokens.and_then(|_| self.line(x));
        self.fade(faded(age - self.age));
        self.age = age;
        let weight = weight(self);
        if let Some(predicted) = strictly {
            self.strictly.record((y.max(1e-6) / predicted).ln(), weight);
        }
        if let Some(predicted) = predicted {
            self.residuals
                .record((y.max(1e-6) / predicted).ln(), weight);
        }
        self.n += weight;
        self.x += weight * x;
        self.y += weight * y;
        self.xx += weight * x * x;
        self.xy += weight * x * y;
        if let Some(tokens) = tokens {
            self.lengths.n += weight;
            self.lengths.sum += weight * tokens as f64;
        }
    }

    /// Returns the tokens that an answer is expected to have.
    pub(crate) fn length(&self, cap: Option<u64>) -> f64 {
        self.lengths.expected(cap)
    }

    /// Returns what is known of the lengths of answers.
    pub(crate) fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Returns how long an answer to a request that allows `cap` tokens will take; `None` with
    /// fewer than 20 samples.
    pub(crate) fn forecast(&self, cap: Option<u64>) -> Option<Forecast<'_>> {
        if self.n < ENOUGH {
            return None;
        }
        let at = self.line(self.length(cap))?.ln();
        Some(Forecast {
            at,
            spread: &self.residuals,
        })
    }

    /// Returns whether an answer of so many tokens took longer than such answers ever do: beyond
    /// three standard deviations of the logarithm. No with fewer than 20 samples.
    pub(crate) fn is_late(&self, tokens: u64, time: Duration) -> bool {
        let Some(usual) = self.line(tokens as f64) else {
            return false;
        };
        let off = (time.as_secs_f64().max(1e-6) / usual).ln();
        self.strictly.mass() >= ENOUGH && off > self.strictly.late()
    }

    /// Returns how many answers the forecast rests on, as of the last of them, and when that came.
    pub(crate) fn rests_on(&self) -> (f64, Instant) {
        (self.n, self.aging.last())
    }

    /// Returns the typical time of a whole answer, once there is one.
    pub(crate) fn typical(&self) -> Option<Duration> {
        let mean = (self.n > 1e-3).then(|| self.y / self.n)?;
        Some(Duration::try_from_secs_f64(mean).unwrap_or(Duration::MAX))
    }

    /// The time of `x` tokens, in seconds.
    fn line(&self, x: f64) -> Option<f64> {
        if self.n < 1e-3 {
            return None;
        }
        let (mean_x, mean_y) = (self.x / self.n, self.y / self.n);
        let variance = (self.xx / self.n - mean_x * mean_x).max(0.0);
        let covariance = self.xy / self.n - mean_x * mean_y;
        let flat = (SPREAD * mean_x).powi(2).max(1.0);
        // Neither can be negative: with no start at all, all of the time is per token.
        let most = if mean_x > 0.0 { mean_y / mean_x } else { 0.0 };
        let per_token = (covariance / (variance + flat)).clamp(0.0, most.max(0.0));
        let time = mean_y + per_token * (x - mean_x);
        Some(time.max(1e-6))
    }

    fn fade(&mut self, weight: f64) {
        for sum in [
            &mut self.n,
            &mut self.x,
            &mut self.y,
            &mut self.xx,
            &mut self.xy,
            &mut self.lengths.n,
            &mut self.lengths.sum,
            &mut self.lengths.caps,
            &mut self.lengths.capped,
        ] {
            *sum *= weight;
        }
        self.residuals.fade(weight);
        self.strictly.fade(weight);
        self.others.fade(weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn learned(start: f64, per_token: f64) -> (Pace, Instant) {
        let t0 = Instant::now();
        let mut pace = Pace::new(t0);
        let mut now = t0;
        for n in 0..200_u64 {
            now += s(0.2);
            let tokens = 10 + (n * 37) % 500;
            let noise = if n % 2 == 0 { 1.05 } else { 0.95 };
            let time = s((start + per_token * tokens as f64) * noise);
            pace.record(Some(tokens), Some(tokens), time, now);
        }
        (pace, now)
    }

    #[test]
    fn the_time_of_an_answer_follows_its_length() {
        let (pace, _) = learned(0.5, 0.02);
        for tokens in [20, 200, 1000] {
            let forecast = pace.forecast(Some(tokens)).unwrap();
            let truth = 0.5 + 0.02 * tokens as f64;
            assert!(forecast.within(s(truth * 1.5)) > 0.95, "{forecast:?}");
            assert!(forecast.within(s(truth * 0.7)) < 0.1, "{forecast:?}");
        }
    }

    #[test]
    fn a_long_answer_is_not_late_and_a_short_one_is() {
        let (pace, _) = learned(0.5, 0.02);
        assert!(!pace.is_late(500, s(10.5)));
        assert!(pace.is_late(20, s(10.5)));
        assert!(!Pace::new(Instant::now()).is_late(20, s(10.5)));
    }

    #[test]
    fn a_loose_cap_is_not_taken_for_the_length() {
        let t0 = Instant::now();
        let mut pace = Pace::new(t0);
        for _ in 0..100 {
            pace.record(Some(100), Some(4000), s(1.0), t0);
        }
        assert!(pace.length(Some(4000)) < 250.0);
        assert!((pace.length(None) - 100.0).abs() < 10.0);
    }

    #[test]
    fn without_a_cap_the_spread_is_that_of_the_lengths() {
        let t0 = Instant::now();
        let mut pace = Pace::new(t0);
        for n in 0..400_u64 {
            let tokens = if n % 4 == 0 { 900 } else { 100 };
            pace.record(Some(tokens), None, s(0.02 * tokens as f64), t0);
        }
        let forecast = pace.forecast(None).unwrap();
        let (short, long) = (forecast.within(s(10.0)), forecast.within(s(25.0)));
        assert!((short - 0.75).abs() < 0.02 && long > 0.98, "{short} {long}");
    }

    #[test]
    fn extremes_stay_finite() {
        let t0 = Instant::now();
        let mut pace = Pace::new(t0);
        for n in 0..60 {
            let tokens = if n % 2 == 0 { 0 } else { u64::MAX };
            pace.record(Some(tokens), Some(tokens), Duration::ZERO, t0);
            pace.record(None, None, Duration::MAX, t0);
        }
        let forecast = pace.forecast(Some(u64::MAX)).unwrap();
        assert!(
            (0.0..=1.0).contains(&forecast.within(s(1.0))),
            "{forecast:?}"
        );
    }
}
