use std::time::Duration;

use super::{
    assemble::Fault,
    numbers::{millis, up_to},
    schema::{self, Spanned},
};

/// What the gateway bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of a request, decoded.
    pub(crate) max_body: usize,
    /// Of all requests that wait for the head of their answer.
    pub(crate) max_buffered: usize,
    /// Served at a time; others wait to be accepted.
    pub(crate) max_connections: usize,
    /// Under way at a time; others are answered 503.
    pub(crate) max_requests: usize,
    /// For the first bytes of a connection, by which the protocol is told.
    pub(crate) first_byte_timeout: Duration,
    /// For the head of a request, and so for the idle time of a kept-alive connection, too.
    pub(crate) header_timeout: Duration,
    /// Between two parts of a request's body.
    pub(crate) body_idle_timeout: Duration,
    /// What is under way may take as long once the gateway is told to stop.
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Images stand in bodies, in base64.
            max_body: 32 * 1024 * 1024,
            // Sixteen of the largest bodies, and thousands of common ones.
            max_buffered: 512 * 1024 * 1024,
            // A few calls of every user of a machine, and within the usual limit of open files.
            max_connections: 1024,
            // Several on each connection, as HTTP/2 has them.
            max_requests: 4096,
            first_byte_timeout: Duration::from_secs(10),
            // Not shorter than clients keep an idle connection.
            header_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(15),
            drain: Duration::from_secs(30),
        }
    }
}

/// More than a machine has open files, and than a semaphore may count.
const MOST_AT_A_TIME: u64 = 1_000_000;
/// A tebibyte: nobody means more.
const MOST_BYTES: u64 = 1 << 40;

impl Limits {
    pub(super) fn read(written: &schema::Limits) -> Result<Self, Fault> {
        let default = Self::default();
        let bytes = |it: Option<&Spanned<u64>>, default| {
            it.map_or(Ok(default), |it| up_to(it, MOST_BYTES).map(size))
        };
        let count = |it: Option<&Spanned<u64>>, default| {
            it.map_or(Ok(default), |it| up_to(it, MOST_AT_A_TIME).map(size))
        };
        let time = |it: Option<&Spanned<u64>>, default| it.map_or(Ok(default), millis);
        let max_body = bytes(written.max_body_bytes.as_ref(), default.max_body)?;
        Ok(Self {
            max_body,
            max_buffered: buffered(written.max_buffered_bytes.as_ref(), max_body)?,
            max_connections: count(written.max_connections.as_ref(), default.max_connections)?,
            max_requests: count(written.max_requests.as_ref(), default.max_requests)?,
            first_byte_timeout: time(
                written.first_byte_timeout_ms.as_ref(),
                default.first_byte_timeout,
            )?,
            header_timeout: time(written.header_timeout_ms.as_ref(), default.header_timeout)?,
            body_idle_timeout: time(
                written.body_idle_timeout_ms.as_ref(),
                default.body_idle_timeout,
            )?,
            drain: time(written.drain_ms.as_ref(), default.drain)?,
        })
    }
}

/// Twice the largest body, at least: a compressed one is there twice while it is decoded.
fn buffered(written: Option<&Spanned<u64>>, max_body: usize) -> Result<usize, Fault> {
    let least = max_body.saturating_mul(2);
    let Some(written) = written else {
        return Ok(Limits::default().max_buffered.max(least));
    };
    let bytes = size(up_to(written, 2 * MOST_BYTES)?);
    if bytes < least {
        let message = format!("expected at least twice max_body_bytes, {least}");
        return Err(Fault::at(written, message));
    }
    Ok(bytes)
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
