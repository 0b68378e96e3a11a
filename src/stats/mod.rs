//! Evidence about targets: pure arithmetic, with `now` as an argument.
//!
//! Nothing here knows of HTTP, of a runtime or of a lock. Everything is a decayed sum: a value
//! `x` recorded `dt` ago counts `x · 2^(-dt / half-life)`, applied lazily when the sum is next
//! touched.

mod capacity;
mod health;
mod latency;
mod quality;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::{
    capacity::{Capacity, Reading, Room},
    health::{Evidence, Gate, Health},
    latency::{Late, LogLatency},
    quality::Quality,
};

/// Returns the weight that evidence from `then` has at `now`: 1 for the present (and for a `then`
/// in the future), falling by half with every `half_life`.
fn decay(then: Instant, now: Instant, half_life: Duration) -> f64 {
    let dt = now.saturating_duration_since(then);
    if dt.is_zero() {
        return 1.0;
    }
    let half_lives = dt.as_secs_f64() / half_life.as_secs_f64();
    if half_lives < 0.01 {
        // Busy targets are asked again within milliseconds: two terms of the series are right to
        // 1e-7 there, at a tenth of the cost.
        let x = half_lives * std::f64::consts::LN_2;
        return 1.0 - x + x * x / 2.0;
    }
    (-half_lives).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        let (t0, half_life) = (Instant::now(), Duration::from_secs(30));
        for micros in [0, 1, 1_000, 100_000, 299_999, 300_001, 30_000_000] {
            let dt = Duration::from_micros(micros);
            let exact = (-dt.as_secs_f64() / 30.0).exp2();
            assert!(
                (decay(t0, t0 + dt, half_life) - exact).abs() < 1e-7,
                "{micros}"
            );
        }
    }
}
