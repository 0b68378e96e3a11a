use std::time::Duration;

use tokio::time::Instant;

use super::decay;

/// A model's quality changes with its releases and prompts, not within minutes.
const HALF_LIFE: Duration = Duration::from_secs(3600);
/// What is believed of a target that nobody has scored, and with the weight of how many scores.
const PRIOR: f64 = 0.70;
const PRIOR_MASS: f64 = 30.0;

/// The decayed mean of the scores that callers reported for a target.
#[derive(Clone, Debug)]
pub(crate) struct Quality {
    n: f64,
    sum: f64,
    at: Instant,
}

impl Quality {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            n: 0.0,
            sum: 0.0,
            at: now,
        }
    }

    /// Returns the expected score, 0 to 1, and the decayed number of scores behind it.
    pub(crate) fn estimate(&self, now: Instant) -> (f64, f64) {
        if self.n == 0.0 {
            return (PRIOR, 0.0);
        }
        let weight = decay(self.at, now, HALF_LIFE);
        let (n, sum) = (self.n * weight, self.sum * weight);
        ((sum + PRIOR * PRIOR_MASS) / (n + PRIOR_MASS), n)
    }

    pub(crate) fn record(&mut self, score: f64, now: Instant) {
        self.fade(now);
        self.n += 1.0;
        self.sum += score;
    }

    /// Replaces a score that was recorded at `then`: the difference counts with the weight that
    /// the old score still has.
    pub(crate) fn correct(&mut self, old: f64, new: f64, then: Instant, now: Instant) {
        self.fade(now);
        self.sum = (self.sum + (new - old) * decay(then, now, HALF_LIFE)).max(0.0);
    }

    fn fade(&mut self, now: Instant) {
        let weight = decay(self.at, now, HALF_LIFE);
        self.n *= weight;
        self.sum *= weight;
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_leaves_what_the_right_score_would_have_left() {
        let t0 = Instant::now();
        let t1 = t0 + Duration::from_secs(1800);
        let (mut a, mut b) = (Quality::new(t0), Quality::new(t0));
        a.record(0.2, t0);
        b.record(0.9, t0);
        a.correct(0.2, 0.9, t0, t1);
        assert!((a.estimate(t1).0 - b.estimate(t1).0).abs() < 1e-12);
    }
}
