//! What every public layer promises to the one above it and to the service below it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod checks;
mod explain;
mod failing;
mod fit;
mod framings;
mod hold;
mod mode;
mod passing;
mod readiness;
mod shadow;
mod signatures;
mod stalls;
mod usage;
mod waiting;
