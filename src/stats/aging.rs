use std::time::Duration;

use tokio::time::Instant;

/// How fast evidence fades: a half-life that stretches where there is little traffic.
///
/// A fixed half-life forgets everything between two calls of a target that is called ten times an
/// hour. So the half-life is the longer of the stated one and the time that the last so many
/// samples took, up to a bound.
///
/// Age is counted in half-lives. What was recorded at age `a` counts `2^(a - now's age)`.
#[derive(Clone, Debug)]
pub(crate) struct Aging {
    /// The stated half-life, in seconds, and the longest it stretches to.
    stated: f64,
    longest: f64,
    /// The samples that one half-life should span.
    samples: f64,
    /// Mean seconds between samples, over about that many.
    gap: f64,
    seen: f64,
    at: Instant,
    /// Age at `at`.
    age: f64,
}

impl Aging {
    pub(crate) fn new(stated: Duration, samples: u32, longest: Duration, now: Instant) -> Self {
        Self {
            stated: stated.as_secs_f64(),
            longest: longest.as_secs_f64(),
            samples: f64::from(samples),
            gap: 0.0,
            seen: 0.0,
            at: now,
            age: 0.0,
        }
    }

    /// Returns the half-life in seconds.
    pub(crate) fn half_life(&self) -> f64 {
        (self.samples * self.gap).max(self.stated).min(self.longest)
    }

    /// Starts with a mean time between samples that was kept.
    pub(crate) fn resume(&mut self, gap: f64) {
        if gap > 0.0 && gap <= self.longest {
            self.gap = gap;
            self.seen = self.samples;
        }
    }

    /// Returns how much remains of what was recorded this long ago.
    pub(crate) fn remains(&self, ago: Duration) -> f64 {
        faded(ago.as_secs_f64() / self.half_life())
    }

    /// Returns the mean time between samples, in seconds.
    pub(crate) fn gap(&self) -> f64 {
        self.gap
    }

    /// Returns how many samples there were, up to those that one half-life should span.
    pub(crate) fn seen(&self) -> f64 {
        self.seen
    }

    /// Returns the age at `now`; a time before the last one is taken as the last one.
    pub(crate) fn age(&self, now: Instant) -> f64 {
        self.age + self.since(now) / self.half_life()
    }

    /// Goes on to `now` and returns the age. Where `sampled`, something that belongs to the traffic
    /// was recorded.
    pub(crate) fn advance(&mut self, sampled: bool, now: Instant) -> f64 {
        let dt = self.since(now);
        self.age += dt / self.half_life();
        self.at = self.at.max(now);
        if sampled {
            self.sample(dt);
        }
        self.age
    }

    /// Goes on to `now`, when so many samples are known to have come since the last time, and returns
    /// the age.
    pub(crate) fn advance_by(&mut self, samples: u32, now: Instant) -> f64 {
        let dt = self.since(now);
        let age = self.advance(false, now);
        // More of them than a half-life should span say nothing new about their mean.
        for _ in 0..samples.min(self.samples as u32) {
            self.sample(dt / f64::from(samples));
        }
        age
    }

    /// Takes in the time between two samples.
    fn sample(&mut self, dt: f64) {
        if self.seen > 0.0 {
            // One night without traffic does not make little traffic of it.
            let usual = if self.seen < 3.0 {
                f64::INFINITY
            } else {
                (10.0 * self.gap).max(self.stated)
            };
            let dt = dt.min(usual);
            self.gap += (dt - self.gap) / self.seen.min(self.samples);
        }
        self.seen = (self.seen + 1.0).min(self.samples);
    }

    /// Returns the time that it has come to.
    pub(crate) fn last(&self) -> Instant {
        self.at
    }

    fn since(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.at).as_secs_f64()
    }
}

/// Returns 2^`-x`, for `x` of at least 0.
pub(super) fn faded(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 0.01 {
        // Busy targets are asked again within milliseconds: two terms of the series are right to
        // 1e-7 there, at a tenth of the cost.
        let x = x * std::f64::consts::LN_2;
        return 1.0 - x + x * x / 2.0;
    }
    (-x).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn busy_traffic_has_the_stated_half_life() {
        let t0 = Instant::now();
        let mut aging = Aging::new(s(30.0), 20, s(3600.0), t0);
        for n in 0..100 {
            aging.advance(true, t0 + s(f64::from(n)));
        }
        assert!((aging.half_life() - 30.0).abs() < 1e-9);
        assert!((aging.age(t0 + s(99.0 + 30.0)) - aging.age - 1.0).abs() < 1e-9);
    }

    #[test]
    fn little_traffic_stretches_it_up_to_the_bound() {
        let t0 = Instant::now();
        let mut aging = Aging::new(s(30.0), 20, s(3600.0), t0);
        for n in 0..50 {
            aging.advance(true, t0 + s(60.0 * f64::from(n)));
        }
        assert!((aging.half_life() - 1200.0).abs() < 1.0);
        for n in 0..50 {
            aging.advance(true, t0 + s(1e5 + 900.0 * f64::from(n)));
        }
        assert!((aging.half_life() - 3600.0).abs() < 1e-9);
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        for x in [0.0, 1e-6, 1e-3, 0.009_999, 0.010_001, 1.0, 60.0] {
            assert!((faded(x) - (-x).exp2()).abs() < 1e-7, "{x}");
        }
    }

    #[test]
    fn time_that_runs_backwards_stands_still() {
        let t0 = Instant::now() + s(1000.0);
        let mut aging = Aging::new(s(30.0), 20, s(3600.0), t0);
        aging.advance(true, t0);
        let age = aging.advance(true, t0 - s(500.0));
        assert_eq!(age, aging.age(t0 - s(100.0)));
    }
}
