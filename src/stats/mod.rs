//! Evidence about targets: pure arithmetic, with `now` as an argument.
//!
//! Nothing here knows of HTTP, of a runtime or of a lock. Everything is a decayed sum: a value
//! `x` recorded `dt` ago counts `x · 2^(-dt / half-life)`, applied lazily when the sum is next
//! touched.

mod aging;
mod capacity;
mod fit;
mod health;
mod keep;
mod latency;
mod others;
mod overdue;
mod pace;
mod pacing;
mod quality;
mod spread;
mod tasks;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    capacity::{Capacity, Left, Reading, Readings, Room, Spending},
    fit::{Abilities, Ability, Asks, Fit, Misfit, Trial},
    health::{Condition, Evidence, Gate, Health, Steady, Watch, Witnessed},
    keep::{KeptHealth, KeptQuality},
    latency::{Late, LogLatency, lasts, remains},
    pace::{Lengths, Pace},
    quality::{Belief, FormAge, Quality, Recorded},
    spread::Forecast,
    tasks::TaskKey,
};
