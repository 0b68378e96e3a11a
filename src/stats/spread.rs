use std::time::Duration;

use super::latency::{LEAST_SIGMA, Late, SIGMAS, ln};

/// Width of a bin, in logarithms, and their number: from a hundredth to a hundred times.
const BIN: f64 = 0.2;
const BINS: usize = 48;
const FIRST: f64 = -(BIN * BINS as f64) / 2.0;
/// Samples that the log-normal shape counts for, beside the bins.
const SHAPE_MASS: f64 = 4.0;
/// No forecast is surer than this.
const LEAST_SPREAD: f64 = 0.1;
/// An attempt that is open past this share of all is one of a few.
const OUTLYING: f64 = 0.9;

/// A decayed distribution of logarithms: bins, with a log-normal where they are empty.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    bins: [f32; BINS],
    moments: Moments,
}

/// Decayed mean and variance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    pub(crate) fn record(&mut self, x: f64, weight: f64) {
        self.n += weight;
        self.sum += weight * x;
        self.squares += weight * x * x;
    }

    pub(crate) fn fade(&mut self, weight: f64) {
        self.n *= weight;
        self.sum *= weight;
        self.squares *= weight;
    }

    pub(crate) fn mass(&self) -> f64 {
        self.n
    }

    fn mean(&self) -> f64 {
        self.sum / self.n.max(1e-9)
    }

    fn sigma(&self) -> f64 {
        let mean = self.mean();
        (self.squares / self.n.max(1e-9) - mean * mean)
            .max(0.0)
            .sqrt()
    }

    /// Returns the value past which a logarithm of a time is late.
    pub(crate) fn late(&self) -> f64 {
        self.mean() + SIGMAS * self.sigma().max(LEAST_SIGMA)
    }
}

/// A forecast of how long an answer will take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forecast<'a> {
    /// The logarithm of the expected seconds.
    pub(super) at: f64,
    /// How far answers are off from that.
    pub(super) spread: &'a Spread,
}

impl Spread {
    pub(crate) fn new() -> Self {
        Self {
            bins: [0.0; BINS],
            moments: Moments::default(),
        }
    }

    pub(crate) fn record(&mut self, x: f64, weight: f64) {
        let x = x.clamp(FIRST, -FIRST);
        let bin = ((x - FIRST) / BIN) as usize;
        if let Some(bin) = self.bins.get_mut(bin.min(BINS - 1)) {
            *bin += weight as f32;
        }
        self.moments.record(x, weight);
    }

    pub(crate) fn fade(&mut self, weight: f64) {
        for bin in &mut self.bins {
            *bin *= weight as f32;
        }
        self.moments.fade(weight);
    }

    pub(crate) fn mass(&self) -> f64 {
        self.moments.n
    }

    pub(crate) fn mean(&self) -> f64 {
        self.moments.mean()
    }

    /// Returns the probability of at most `x`, 0 to 1.
    fn at_most(&self, x: f64) -> f64 {
        let shape = at_most(x, self.mean(), self.moments.sigma().max(LEAST_SPREAD));
        let place = ((x - FIRST) / BIN).clamp(0.0, BINS as f64);
        let whole = place as usize;
        let below: f32 = self.bins.iter().take(whole).sum();
        let part = self.bins.get(whole).copied().unwrap_or(0.0);
        let below = f64::from(below) + f64::from(part) * (place - whole as f64);
        ((below + SHAPE_MASS * shape) / (self.mass() + SHAPE_MASS)).clamp(0.0, 1.0)
    }

    /// Returns the value below which the share `p` lies, by bins.
    fn quantile(&self, p: f64) -> f64 {
        let mut left = p * self.mass();
        for (number, bin) in self.bins.iter().enumerate() {
            left -= f64::from(*bin);
            if left <= 0.0 {
                return FIRST + BIN * (number + 1) as f64;
            }
        }
        -FIRST
    }
}

impl Forecast<'_> {
    /// Returns the probability that it takes at most `limit`, 0 to 1.
    pub(crate) fn within(&self, limit: Duration) -> f64 {
        self.spread.at_most(ln(limit) - self.at)
    }

    /// Returns the age past which it is late: three standard deviations of the logarithm beyond its
    /// mean.
    pub(crate) fn late(&self) -> Late {
        Late::new(self.at + self.spread.moments.late())
    }

    /// Returns the age that nine of ten answers do not reach.
    pub(crate) fn outlying(&self) -> Late {
        let least = self.spread.mean() + LEAST_SIGMA;
        Late::new(self.at + self.spread.quantile(OUTLYING).max(least))
    }
}

/// The probability that a normal variable is at most `x`: the logistic approximation, right to 0.01.
fn at_most(x: f64, mu: f64, sigma: f64) -> f64 {
    1.0 / (1.0 + (-1.702 * (x - mu) / sigma).exp())
}
