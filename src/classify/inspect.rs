//! Tells errors of other crates apart.

use std::{
    any::Any,
    error::Error,
    io::{self, ErrorKind},
    sync::Arc,
};

use super::transport::Transport;

/// Views a value of any type as the error that it is or holds, if we know its type.
pub(super) fn any<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let value: &dyn Any = error;
    macro_rules! held_by {
        ($($holder:ty),+ $(,)?) => {
            $(if let Some(held) = value.downcast_ref::<$holder>() {
                return Some(&**held);
            })+
        };
    }
    macro_rules! is_a {
        ($($error:ty),+ $(,)?) => {
            $(if let Some(error) = value.downcast_ref::<$error>() {
                return Some(error);
            })+
        };
    }
    held_by!(
        Box<dyn Error + Send + Sync>,
        Box<dyn Error + Send>,
        Box<dyn Error>,
        Arc<dyn Error + Send + Sync>,
        Arc<dyn Error + Send>,
        Arc<dyn Error>,
    );
    is_a!(
        io::Error,
        tower::timeout::error::Elapsed,
        tower::load_shed::error::Overloaded,
        tokio::time::error::Elapsed,
    );
    #[cfg(feature = "hyper-util")]
    is_a!(hyper_util::client::legacy::Error, hyper::Error);
    #[cfg(feature = "reqwest")]
    is_a!(reqwest::Error);
    #[cfg(feature = "h2")]
    is_a!(h2::Error);
    None
}

/// Follows the sources of an error down to the first that tells what happened.
pub(super) fn chain(error: &(dyn Error + 'static)) -> Transport {
    let mut current = Some(error);
    let mut fallback = None;
    for _ in 0..MAX_DEPTH {
        let Some(error) = current else {
            break;
        };
        if let Some(transport) = one(error) {
            return transport;
        }
        // The deepest knows best.
        fallback = vague(error).or(fallback);
        current = next(error);
    }
    fallback.unwrap_or(Transport::Other)
}

/// What an error holds, seen from outside. Some holders forward `source()` and so hide what they
/// hold themselves.
fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|held| held as &'a (dyn Error + 'static));
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error>>() {
        return Some(&**shared);
    }
    error.source()
}

/// What one error tells, its sources aside.
fn one(error: &(dyn Error + 'static)) -> Option<Transport> {
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(Transport::Timeout);
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(Transport::Local);
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // What it wraps is more exact than its kind.
        return if error.get_ref().is_some() {
            None
        } else {
            of_kind(error.kind())
        };
    }
    #[cfg(feature = "hyper-util")]
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect().then_some(Transport::Connect);
    }
    #[cfg(feature = "hyper-util")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return of_hyper(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return of_reqwest(error);
    }
    #[cfg(feature = "h2")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return of_h2(error);
    }
    None
}

/// What an error tells if its sources tell nothing.
fn vague(error: &(dyn Error + 'static)) -> Option<Transport> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return of_kind(error.kind());
    }
    #[cfg(feature = "hyper-util")]
    if error.is::<hyper::Error>() {
        return Some(Transport::Reset);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        if error.is_decode() {
            return Some(Transport::Malformed);
        }
        return error.is_body().then_some(Transport::Incomplete);
    }
    None
}

fn of_kind(kind: ErrorKind) -> Option<Transport> {
    match kind {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Some(Transport::Connect),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => Some(Transport::Reset),
        ErrorKind::UnexpectedEof => Some(Transport::Incomplete),
        // hyper's word for a bad chunk is InvalidInput.
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Some(Transport::Malformed),
        ErrorKind::TimedOut => Some(Transport::Timeout),
        _ => None,
    }
}

#[cfg(feature = "hyper-util")]
fn of_hyper(error: &hyper::Error) -> Option<Transport> {
    if error.is_parse() {
        Some(Transport::Malformed)
    } else if error.is_incomplete_message() {
        Some(Transport::Incomplete)
    } else if error.is_timeout() {
        Some(Transport::Timeout)
    } else if error.is_user() || error.is_body_write_aborted() {
        // The request's body failed, or the request is one that hyper cannot send. Its source is
        // the caller's: it must not be mistaken for the provider's.
        Some(Transport::Upload)
    } else if error.is_canceled() || error.is_closed() {
        // The connection went away under a request that may have been on it.
        Some(Transport::Reset)
    } else {
        None
    }
}

#[cfg(feature = "reqwest")]
fn of_reqwest(error: &reqwest::Error) -> Option<Transport> {
    // A timeout while connecting is both: nothing was sent, and that is what counts.
    if error.is_connect() {
        Some(Transport::Connect)
    } else if error.is_timeout() {
        Some(Transport::Timeout)
    } else if error.is_builder() {
        Some(Transport::Upload)
    } else {
        None
    }
}

#[cfg(feature = "h2")]
fn of_h2(error: &h2::Error) -> Option<Transport> {
    if let Some(io) = error.get_io() {
        return of_kind(io.kind()).or(Some(Transport::Reset));
    }
    match error.reason() {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => Some(Transport::Calm),
        // Of a whole connection, it proves nothing about a stream.
        Some(h2::Reason::REFUSED_STREAM) if error.is_reset() => Some(Transport::Refused),
        Some(_) if error.is_library() => Some(Transport::Malformed),
        _ => Some(Transport::Reset),
    }
}

/// Errors are wrapped a handful of times; a chain that is longer is a loop.
const MAX_DEPTH: usize = 32;

#[cfg(test)]
mod tests;
