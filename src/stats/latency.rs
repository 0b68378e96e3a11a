use std::time::Duration;

use tokio::time::Instant;

use super::decay;

/// Latency drifts within minutes; older samples say little.
const HALF_LIFE: Duration = Duration::from_secs(45);
/// Fewer samples tell nothing about a tail.
const ENOUGH: f64 = 20.0;
/// Providers jitter: a threshold tighter than this would call ordinary answers late.
const LEAST_SIGMA: f64 = 0.2;
const SIGMAS: f64 = 3.0;

/// A decayed log-normal model of one latency of one target.
#[derive(Clone, Debug)]
pub(crate) struct LogLatency {
    n: f64,
    sum: f64,
    squares: f64,
    at: Instant,
}

impl LogLatency {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            n: 0.0,
            sum: 0.0,
            squares: 0.0,
            at: now,
        }
    }

    pub(crate) fn record(&mut self, latency: Duration, now: Instant) {
        let ln = ln(latency);
        let weight = decay(self.at, now, HALF_LIFE);
        self.n = self.n * weight + 1.0;
        self.sum = self.sum * weight + ln;
        self.squares = self.squares * weight + ln * ln;
        self.at = self.at.max(now);
    }

    /// Returns the typical latency (the median of the model), once there is a sample.
    pub(crate) fn typical(&self) -> Option<Duration> {
        (self.n > 1e-3).then(|| duration((self.sum / self.n).exp()))
    }

    /// Returns the age past which an attempt that starts now is late, exp(mu + 3 sigma); `None`
    /// with fewer than 20 samples.
    pub(crate) fn late_after(&self, now: Instant) -> Option<Late> {
        if self.n < ENOUGH || self.n * decay(self.at, now, HALF_LIFE) < ENOUGH {
            return None;
        }
        let mu = self.sum / self.n;
        let variance = (self.squares / self.n - mu * mu).max(0.0);
        Some(Late {
            ln: mu + SIGMAS * variance.sqrt().max(LEAST_SIGMA),
        })
    }
}

/// An age past which an attempt is late, kept as a logarithm: most are never asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Late {
    ln: f64,
}

impl Late {
    pub(crate) fn is_exceeded_by(self, age: Duration) -> bool {
        ln(age) > self.ln
    }
}

/// The logarithm of a latency in seconds, a microsecond at least: that of nothing is not a number.
fn ln(latency: Duration) -> f64 {
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
        assert_eq!(latency.late_after(now), None);
        latency.record(Duration::from_secs(1), now);
        let late = latency.late_after(now).unwrap();
        assert!(
            (late.ln - 0.6).abs() < 1e-6,
            "sigma is at least 0.2: {late:?}"
        );
        assert!(late.is_exceeded_by(Duration::from_secs(2)));
        assert!(!late.is_exceeded_by(Duration::from_secs(1)));
        assert_eq!(
            latency.late_after(now + Duration::from_secs(45)),
            None,
            "samples fade"
        );
    }

    #[test]
    fn extremes_stay_finite() {
        let now = Instant::now();
        let mut latency = LogLatency::new(now);
        for _ in 0..30 {
            latency.record(Duration::ZERO, now);
            latency.record(Duration::MAX, now);
        }
        assert!(latency.late_after(now).is_some());
        assert!(latency.typical().is_some());
    }
}
