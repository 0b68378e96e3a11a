//! Addresses to listen on, and names to answer to.

use std::net::SocketAddr;

use http::uri::Authority;

use super::{assemble::Fault, schema::Spanned};

pub(super) fn listen(written: &Spanned<String>) -> Result<SocketAddr, Fault> {
    let text = written.get_ref();
    text.parse().map_err(|_| {
        let message = format!(
            "{text:?} is no address; expected an IP address and a port, such as \"127.0.0.1:8080\""
        );
        Fault::at(written, message)
    })
}

pub(super) fn host(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    let parsed = text.parse::<Authority>();
    if parsed.is_ok_and(|authority| authority.host() == text) {
        return Ok(text.clone());
    }
    let message = "expected names or addresses alone, such as \"llm.example.com\" or \"[::1]\"";
    Err(Fault::at(written, message))
}
