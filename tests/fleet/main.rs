//! Routers that learn together, through a store that works, and through stores that do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod corners;
mod faults;
mod probes;
mod support;
mod together;
