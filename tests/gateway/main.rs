//! The gateway over real sockets, in front of providers that send scripted bytes.

#![cfg(feature = "gateway")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes helpers of integration tests for library code"
)]

mod access;
mod admin;
mod feedback;
mod hints;
#[cfg(unix)]
mod kills;
mod mounting;
mod overload;
mod process;
mod program;
mod reload;
mod requests;
mod restart;
mod routing;
mod secrets;
mod server;
mod slow;
mod smuggling;
mod support;
mod telemetry;
mod websockets;
