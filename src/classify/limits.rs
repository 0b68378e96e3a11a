use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::{class::Scope, duration};

/// The rate limits that an answer reports.
///
/// Read from `x-ratelimit-*` (OpenAI and those who copied it), `anthropic-ratelimit-*` and
/// Mistral's per-minute headers. A window appears only where a limit or a remainder is known:
/// `-1` means unknown, never exhausted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests.
    pub requests: Option<LimitWindow>,
    /// Tokens. Where input and output tokens are limited apart, the exhausted one, else the
    /// combined window, else the one with less left.
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
    pub fn from_headers(headers: &HeaderMap, wall: SystemTime) -> Self {
        let read = |[limit, remaining, reset]: [&str; 3]| {
            LimitWindow::read(headers, [limit, remaining, reset], wall)
        };
        let requests = REQUESTS.iter().copied().find_map(read);
        let combined = TOKENS.iter().copied().find_map(read);
        let [input, output] = TOKENS_APART.map(read);
        Self {
            requests,
            tokens: pick(combined, input, output),
        }
    }

    /// Returns what ran out, where exactly one of the two did.
    #[must_use]
    pub fn exhausted(&self) -> Option<Scope> {
        match (is_exhausted(self.requests), is_exhausted(self.tokens)) {
            (true, false) => Some(Scope::Requests),
            (false, true) => Some(Scope::Tokens),
            _ => None,
        }
    }

    /// Returns the time until what ran out is full again: an upper bound for the wait, for use
    /// where nothing asked for a wait. `None` where nothing ran out or no reset was reported.
    #[must_use]
    pub fn exhausted_reset(&self) -> Option<Duration> {
        [self.requests, self.tokens]
            .into_iter()
            .filter(|window| is_exhausted(*window))
            .filter_map(|window| window?.reset)
            .filter(|reset| !reset.is_zero())
            .max()
    }
}

impl LimitWindow {
    fn read(headers: &HeaderMap, names: [&str; 3], wall: SystemTime) -> Option<Self> {
        let [limit, remaining, reset] = names.map(|name| headers.get(name)?.to_str().ok());
        let window = Self {
            limit: limit.and_then(count),
            remaining: remaining.and_then(count),
            reset: reset
                .or_else(|| misspelt(headers, names))
                .and_then(|reset| span(reset, wall)),
        };
        (window.limit.is_some() || window.remaining.is_some()).then_some(window)
    }
}

fn is_exhausted(window: Option<LimitWindow>) -> bool {
    window.is_some_and(|window| window.remaining == Some(0))
}

fn pick(
    combined: Option<LimitWindow>,
    input: Option<LimitWindow>,
    output: Option<LimitWindow>,
) -> Option<LimitWindow> {
    let exhausted = [combined, input, output]
        .into_iter()
        .filter(|window| is_exhausted(*window))
        .flatten()
        .max_by_key(|window| window.reset);
    exhausted.or(combined).or_else(|| {
        let apart = [input, output].into_iter().flatten();
        apart.min_by_key(|window| window.remaining.unwrap_or(u64::MAX))
    })
}

/// A count; negative means unknown.
fn count(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A reset: a Go duration, seconds, or an instant.
fn span(text: &str, wall: SystemTime) -> Option<Duration> {
    duration::go(text)
        .or_else(|| duration::seconds(text))
        .or_else(|| Some(duration::until(duration::rfc3339(text)?, wall)))
}

/// Azure has been seen to write `x-rate-limit-reset-tokens`.
fn misspelt<'a>(headers: &'a HeaderMap, [_, _, reset]: [&str; 3]) -> Option<&'a str> {
    let name = match reset {
        "x-ratelimit-reset-requests" => "x-rate-limit-reset-requests",
        "x-ratelimit-reset-tokens" => "x-rate-limit-reset-tokens",
        _ => return None,
    };
    headers.get(name)?.to_str().ok()
}

/// Limit, remaining and reset. Mistral sends no reset: the window is a minute at most, but when it
/// began is unknown, so none is assumed.
const REQUESTS: [[&str; 3]; 3] = [
    [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ],
    [
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ],
    [
        "x-ratelimit-limit-req-minute",
        "x-ratelimit-remaining-req-minute",
        "x-ratelimit-reset-req-minute",
    ],
];

const TOKENS: [[&str; 3]; 3] = [
    [
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ],
    [
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ],
    [
        "x-ratelimit-limit-tokens-minute",
        "x-ratelimit-remaining-tokens-minute",
        "x-ratelimit-reset-tokens-minute",
    ],
];

const TOKENS_APART: [[&str; 3]; 2] = [
    [
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ],
    [
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ],
];

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn limits(headers: &[(&str, &str)]) -> Limits {
        let map = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        // Sun, 01 Mar 2026 12:00:00 GMT.
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400);
        Limits::from_headers(&map, wall)
    }

    fn window(limit: u64, remaining: u64, reset_ms: u64) -> Option<LimitWindow> {
        Some(LimitWindow {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Some(Duration::from_millis(reset_ms)),
        })
    }

    #[test]
    fn resets_are_go_durations_or_seconds() {
        let read = limits(&[
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "199800"),
            ("x-rate-limit-reset-tokens", "55"),
        ]);
        assert_eq!(read.requests, window(10_000, 0, 360_000));
        assert_eq!(read.tokens, window(200_000, 199_800, 55_000));
        assert_eq!(read.exhausted(), Some(Scope::Requests));
        assert_eq!(read.exhausted_reset(), Some(Duration::from_secs(360)));
    }

    #[test]
    fn minus_one_is_unknown() {
        let read = limits(&[
            ("x-ratelimit-limit-tokens", "-1"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "0"),
        ]);
        assert_eq!(read, Limits::default());
        assert_eq!(read.exhausted_reset(), None);
    }

    #[test]
    fn exhausted_input_tokens_are_the_token_window() {
        let mut headers = vec![
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-03-01T12:00:31Z",
            ),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "7000"),
            ("anthropic-ratelimit-tokens-limit", "38000"),
            ("anthropic-ratelimit-tokens-remaining", "36000"),
            ("anthropic-ratelimit-tokens-reset", "2026-03-01T12:00:04Z"),
        ];
        assert_eq!(limits(&headers).tokens, window(30_000, 0, 31_000));
        headers[1].1 = "20";
        assert_eq!(limits(&headers).tokens, window(38_000, 36_000, 4000));
        headers.truncate(5);
        assert_eq!(limits(&headers).tokens, window(30_000, 20, 31_000));
    }

    #[test]
    fn a_past_reset_is_none_left_to_wait() {
        let read = limits(&[
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-03-01T11:00:00Z"),
        ]);
        assert_eq!(read.requests.unwrap().reset, Some(Duration::ZERO));
        assert_eq!(read.exhausted_reset(), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(values in prop::collection::vec("[ -~]{0,24}", 9)) {
            let names = REQUESTS.iter().chain(&TOKENS).chain(&TOKENS_APART).flatten();
            let headers: Vec<_> = names.zip(values.iter().cycle()).map(|(n, v)| (*n, v.as_str())).collect();
            let read = limits(&headers);
            let _ = (read.exhausted(), read.exhausted_reset());
        }
    }
}
