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
#[cfg(unix)]
#[allow(clippy::print_stdout, reason = "what was measured is told")]
mod fleet;
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

/// A real server for the store.
#[cfg(unix)]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "it is shared with the tests of the store"
)]
#[path = "../store/server.rs"]
mod redis_server;
