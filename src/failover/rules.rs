use crate::classify::{Class, Processed, Verdict};

/// Which failed attempts may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// Those that failed before any content was delivered, by rate limits, server errors,
    /// overload, resets and timeouts, as the official SDKs do. A provider may have worked on some
    /// of them, and charge for them; those are counted.
    #[default]
    Standard,
    /// Only those that were provably not processed: refused connections, HTTP/2 refusals, and
    /// requests that were turned away.
    Safe,
}

/// Where a failed attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nowhere.
    Never,
    /// On another target only: on the same one it would fail again.
    Elsewhere,
    /// Anywhere.
    Anywhere,
}

/// Says where an attempt that ended with this verdict may be repeated.
pub(super) fn repeat(verdict: &Verdict, replay: Replay) -> Repeat {
    if replay == Replay::Safe && verdict.processed != Processed::No {
        return Repeat::Never;
    }
    match verdict.class {
        _ if !verdict.failover => Repeat::Never,
        Class::RateLimited
        | Class::Overloaded
        | Class::ServerError
        | Class::Timeout
        | Class::Truncated => Repeat::Anywhere,
        Class::QuotaExhausted | Class::ModelError | Class::AuthError => Repeat::Elsewhere,
        _ => Repeat::Never,
    }
}
