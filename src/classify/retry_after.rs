use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// Returns how long the headers of an answer ask us to wait, or `None` where they do not say.
#[must_use]
pub fn retry_after(_headers: &HeaderMap, _wall: SystemTime) -> Option<Duration> {
    None
}
