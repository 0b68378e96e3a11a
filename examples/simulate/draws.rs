//! Random numbers that depend on what they are for, and on nothing that was drawn before: every
//! policy meets the same luck.

/// What a number is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Use {
    /// The shift of a copy of the arrivals.
    Offset = 1,
    /// Whether an arrival is kept.
    Keep,
    /// The question and the tenant of a request.
    Question,
    /// Whether and when a request's answer is scored.
    Feedback,
    /// How the provider answers an attempt.
    Provider,
    /// What a policy leaves to chance.
    Policy,
}

/// A stream of numbers for one use: SplitMix64 over a mixed key.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    state: u64,
}

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Draws {
    pub(crate) fn new(seed: u64, what: Use, key: [usize; 3]) -> Self {
        let mut state = mix(seed.wrapping_add(STEP));
        for part in [what as u64, key[0] as u64, key[1] as u64, key[2] as u64] {
            state = mix(state ^ part.wrapping_mul(STEP).wrapping_add(STEP));
        }
        Self { state }
    }

    fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// Uniform in 0 (included) to 1 (excluded).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f64) as usize).min(n.saturating_sub(1))
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma with scale 1, after Marsaglia and Tsang (2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v <= 0.0 {
                continue;
            }
            let u = 1.0 - self.uniform();
            if u.ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    pub(crate) fn beta(&mut self, alpha: f64, beta: f64) -> f64 {
        let (a, b) = (self.gamma(alpha), self.gamma(beta));
        a / (a + b)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(draw: impl Fn(&mut Draws) -> f64) -> f64 {
        let sum: f64 = (0..20_000)
            .map(|n| draw(&mut Draws::new(7, Use::Policy, [n, 0, 1])))
            .sum();
        sum / 20_000.0
    }

    #[test]
    fn the_same_key_draws_the_same_numbers() {
        let draw = |what, key| Draws::new(3, what, key).uniform().to_bits();
        assert_eq!(draw(Use::Keep, [1, 2, 3]), draw(Use::Keep, [1, 2, 3]));
        assert_ne!(draw(Use::Keep, [1, 2, 3]), draw(Use::Keep, [1, 3, 2]));
        assert_ne!(draw(Use::Keep, [1, 2, 3]), draw(Use::Feedback, [1, 2, 3]));
    }

    #[test]
    fn means_are_right() {
        assert!((mean(Draws::uniform) - 0.5).abs() < 0.01);
        assert!((mean(|draws| draws.exponential(20.0)) - 20.0).abs() < 0.6);
        assert!(mean(Draws::normal).abs() < 0.03);
        assert!((mean(|draws| draws.beta(7.0, 3.0)) - 0.7).abs() < 0.005);
    }
}
