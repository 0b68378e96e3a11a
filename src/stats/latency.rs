use std::time::Duration;

use tokio::time::Instant;

use super::{
    aging::{Aging, faded},
    others::Others,
    spread::{Forecast, Spread},
};

/// Latency drifts within minutes; older samples say little. With little traffic it spans the last
/// 20.
pub(super) const HALF_LIFE: Duration = Duration::from_secs(45);
pub(super) const SAMPLES: u32 = 20;
pub(super) const LONGEST: Duration = Duration::from_secs(3600);
/// Fewer samples tell nothing about a tail.
pub(super) const ENOUGH: f64 = 20.0;
/// Providers jitter: a threshold tighter than this would call ordinary answers late.
pub(super) const LEAST_SIGMA: f64 = 0.2;
pub(super) const SIGMAS: f64 = 3.0;
/// The logarithm of half a second, in the middle of what latencies are.
const USUAL: f64 = -0.7;

/// A decayed distribution of one latency of one target.
#[derive(Clone, Debug)]
pub(crate) struct LogLatency {
    aging: Aging,
    age: f64,
    spread: Spread,
    others: Others,
}

impl LogLatency {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            aging: Aging::new(HALF_LIFE, SAMPLES, LONGEST, now),
            age: 0.0,
            spread: Spread::new(),
            others: Others::default(),
        }
    }

    pub(crate) fn record(&mut self, latency: Duration, now: Instant) {
        let age = self.aging.advance(true, now);
        self.fade_to(age);
        self.spread.record(ln(latency) - USUAL, 1.0);
    }

    /// Takes in what so many attempts of others took, about `ago`.
    pub(crate) fn absorb(&mut self, latency: Duration, count: u32, ago: Duration, now: Instant) {
        let age = self.aging.advance_by(count, now);
        self.fade_to(age);
        let weight = self.others.admit(count, self.aging.remains(ago));
        self.spread.record(ln(latency) - USUAL, weight);
    }

    fn fade_to(&mut self, age: f64) {
        let weight = faded(age - self.age);
        self.spread.fade(weight);
        self.others.fade(weight);
        self.age = age;
    }

    /// Returns the typical latency (the median of the model), once there is a sample.
    pub(crate) fn typical(&self) -> Option<Duration> {
        let known = self.spread.mass() > 1e-3;
        known.then(|| duration((self.spread.mean() + USUAL).exp()))
    }

    /// Returns how many samples the forecast rests on, as of the last of them, and when that came.
    pub(crate) fn rests_on(&self) -> (f64, Instant) {
        (self.spread.mass(), self.aging.last())
    }

    /// Returns how long the next will take; `None` with fewer than 20 samples.
    pub(crate) fn forecast(&self) -> Option<Forecast<'_>> {
        (self.spread.mass() >= ENOUGH).then_some(Forecast {
            at: USUAL,
            spread: &self.spread,
        })
    }
}

/// Returns how much of `mass` is left where nothing came for so many seconds: that fades by the
/// stated half-life, however little traffic there is.
pub(crate) fn remains(mass: f64, idle: f64) -> f64 {
    mass * faded(idle / HALF_LIFE.as_secs_f64())
}

/// Returns for how many seconds at least `least` of `mass` remains.
pub(crate) fn lasts(mass: f64, least: f64) -> f64 {
    (mass / least).log2().max(0.0) * HALF_LIFE.as_secs_f64()
}

/// An age past which an attempt is late, kept as a logarithm: most are never asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Late {
    ln: f64,
}

impl Late {
    pub(super) fn new(ln: f64) -> Self {
        Self { ln }
    }

    /// Returns the age as a span.
    pub(crate) fn after(self) -> Duration {
        duration(self.ln.exp())
    }

    pub(crate) fn is_exceeded_by(self, age: Duration) -> bool {
        ln(age) > self.ln
    }
}

/// The logarithm of a latency in seconds, a microsecond at least: that of nothing is not a number.
pub(super) fn ln(latency: Duration) -> f64 {
    latency.as_secs_f64().max(1e-6).ln()
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_late_before_twenty_samples() {
        let now = Instant::now();
        let mut latency = LogLatency::new(now);
        for _ in 0..19 {
            latency.record(Duration::from_secs(1), now);
        }
        assert!(latency.forecast().is_none());
        latency.record(Duration::from_secs(1), now);
        let late = latency.forecast().unwrap().late();
        assert!(
            (late.ln - 0.6).abs() < 1e-6,
            "sigma is at least 0.2: {late:?}"
        );
        assert!(late.is_exceeded_by(Duration::from_secs(2)));
        assert!(!late.is_exceeded_by(Duration::from_secs(1)));
    }

    #[test]
    fn extremes_stay_finite() {
        let now = Instant::now();
        let mut latency = LogLatency::new(now);
        for _ in 0..30 {
            latency.record(Duration::ZERO, now);
            latency.record(Duration::MAX, now);
        }
        assert!(latency.forecast().is_some());
        assert!(latency.typical().is_some());
    }
}
