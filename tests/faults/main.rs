//! The faults of the list that show in the layers alone, by their numbers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod hooks;
mod permits;
mod requests;
mod storms;
