//! Every order of layers that the guide shows, compiled and run, also over real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod cascade;
mod hedges;
mod orders;
mod retries;
mod server;
mod sockets;
