//! What the router learns, and how soon: scripted providers, virtual time, seeded chance.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod clock;
mod feedback;
mod log;
mod mistakes;
mod newcomers;
mod outages;
mod provider;
mod quiet;
mod quota;
mod siblings;
mod tasks;
mod world;
mod worth;
