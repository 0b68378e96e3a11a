/// A stream of random numbers that is a function of its seed: SplitMix64.
///
/// Constants from Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
/// Fit for sampling, not for secrets.
#[derive(Clone, Copy, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Creates the stream of one decision of a router.
    #[must_use]
    pub fn new(seed: u64, decision: u64) -> Self {
        Self {
            state: mix(seed ^ mix(decision.wrapping_add(0x9E37_79B9_7F4A_7C15))),
        }
    }

    /// Returns the next number, uniform over all of `u64`.
    #[must_use]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// Returns the next number, uniform in 0 (included) to 1 (excluded).
    #[must_use]
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns the next number, normal with mean 0 and variance 1 up to the tails: the sum of four
    /// uniform ones (Irwin and Hall), which lies within 3.5 and costs no logarithm.
    #[must_use]
    pub fn next_normal(&mut self) -> f64 {
        let bits = self.next_u64();
        let sum: u64 = (0..4).map(|at| bits >> (16 * at) & 0xFFFF).sum();
        // The variance of four uniform numbers is a third.
        (sum as f64 / 65_536.0 - 2.0 + 2.0 / 65_536.0) * 1.732_050_807_568_877_2
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

    #[test]
    fn the_same_decision_draws_the_same_numbers() {
        let draw = |decision| {
            let mut rng = Rng::new(7, decision);
            (rng.next_u64(), rng.next_f64())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut rng = Rng::new(3, 0);
        let draws: Vec<_> = (0..100_000).map(|_| rng.next_normal()).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn fractions_are_uniform_enough() {
        let mean = (0..10_000).map(|n| Rng::new(1, n).next_f64()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
