use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// The rate limits that an answer reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests.
    pub requests: Option<LimitWindow>,
    /// Tokens.
    pub tokens: Option<LimitWindow>,
}

/// One rate limit, as an answer reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitWindow {
    /// How much a full window holds.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// Time until the window is full again (an upper bound for any wait).
    pub reset: Option<Duration>,
}

impl Limits {
    /// Reads the limit headers of an answer; `wall` is the time that absolute resets refer to.
    #[must_use]
    pub fn from_headers(_headers: &HeaderMap, _wall: SystemTime) -> Self {
        Self::default()
    }
}
