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
    health::{Gate, Health},
    latency::LogLatency,
    quality::Quality,
};

/// Returns the weight that evidence from `then` has at `now`: 1 for the present (and for a `then`
/// in the future), falling by half with every `half_life`.
fn decay(then: Instant, now: Instant, half_life: Duration) -> f64 {
    let dt = now.saturating_duration_since(then);
    if dt.is_zero() {
        1.0
    } else {
        (-dt.as_secs_f64() / half_life.as_secs_f64()).exp2()
    }
}
