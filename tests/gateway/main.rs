//! The gateway over real sockets, in front of providers that send scripted bytes.

#![cfg(feature = "gateway")]

mod mounting;
mod requests;
mod routing;
mod secrets;
mod server;
mod support;
