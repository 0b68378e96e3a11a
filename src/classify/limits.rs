use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};

use super::{class::Scope, duration};

/// The rate limits that an answer reports.
///
/// Read from `x-ratelimit-*` (OpenAI and those who copied it), `anthropic-ratelimit-*` and
/// Mistral's per-minute headers, with or without LiteLLM's `llm_provider-` before their names. A window appears only where a limit or a remainder is known:
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
        // One pass: a lookup by name hashes it, and there are two dozen names.
        let mut said: [Said<'_>; 8] = Default::default();
        let mut any = false;
        for (name, value) in headers {
            let Some((window, part)) = place(name.as_str()) else {
                continue;
            };
            if let Some(said) = said.get_mut(window as usize) {
                said.part(part).get_or_insert(value);
                any = true;
            }
        }
        if !any {
            return Self::default();
        }
        let read = |window: Window| said.get(window as usize)?.read(wall);
        let of = |windows: [Window; 3]| windows.into_iter().find_map(read);
        let combined = of([
            Window::Tokens,
            Window::AnthropicTokens,
            Window::MinuteTokens,
        ]);
        Self {
            requests: of([
                Window::Requests,
                Window::AnthropicRequests,
                Window::MinuteRequests,
            ]),
            tokens: pick(
                combined,
                read(Window::InputTokens),
                read(Window::OutputTokens),
            ),
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

/// A window that headers may tell of, in the order of preference.
#[derive(Clone, Copy)]
enum Window {
    Requests,
    AnthropicRequests,
    /// Mistral sends no reset: the window is a minute at most, but when it began is unknown, so
    /// none is assumed.
    MinuteRequests,
    Tokens,
    AnthropicTokens,
    MinuteTokens,
    InputTokens,
    OutputTokens,
}

/// What a header tells of a window.
#[derive(Clone, Copy)]
enum Part {
    Limit,
    Remaining,
    Reset,
    /// Azure has been seen to write `x-rate-limit-reset-tokens`.
    MisspeltReset,
}

/// The headers that tell of one window.
#[derive(Default)]
struct Said<'a> {
    limit: Option<&'a HeaderValue>,
    remaining: Option<&'a HeaderValue>,
    reset: Option<&'a HeaderValue>,
    misspelt_reset: Option<&'a HeaderValue>,
}

impl<'a> Said<'a> {
    fn part(&mut self, part: Part) -> &mut Option<&'a HeaderValue> {
        match part {
            Part::Limit => &mut self.limit,
            Part::Remaining => &mut self.remaining,
            Part::Reset => &mut self.reset,
            Part::MisspeltReset => &mut self.misspelt_reset,
        }
    }

    fn read(&self, wall: SystemTime) -> Option<LimitWindow> {
        let text = |value: Option<&'a HeaderValue>| value?.to_str().ok();
        let limit = text(self.limit).and_then(count);
        let remaining = text(self.remaining).and_then(count);
        if limit.is_none() && remaining.is_none() {
            return None;
        }
        let reset = text(self.reset).or_else(|| text(self.misspelt_reset));
        Some(LimitWindow {
            limit,
            remaining,
            reset: reset.and_then(|reset| span(reset, wall)),
        })
    }
}

/// What the header of this name tells, if it tells of a limit.
fn place(name: &str) -> Option<(Window, Part)> {
    // By the first letter: most headers are done with that.
    match name.as_bytes().first()? {
        b'x' => copied(name),
        b'a' => anthropic(name),
        // LiteLLM repeats what is left under its own name, but the resets of its provider only so.
        b'l' => {
            let name = name.strip_prefix("llm_provider-")?;
            copied(name).or_else(|| anthropic(name))
        }
        _ => None,
    }
}

fn copied(name: &str) -> Option<(Window, Part)> {
    let Some(rest) = name.strip_prefix("x-ratelimit-") else {
        let window = match name.strip_prefix("x-rate-limit-reset-")? {
            "requests" => Window::Requests,
            "tokens" => Window::Tokens,
            _ => return None,
        };
        return Some((window, Part::MisspeltReset));
    };
    let before = |name, part| Some((part, rest.strip_prefix(name)?));
    let (part, window) = before("limit-", Part::Limit)
        .or_else(|| before("remaining-", Part::Remaining))
        .or_else(|| before("reset-", Part::Reset))?;
    let window = match window {
        "requests" => Window::Requests,
        "tokens" => Window::Tokens,
        "req-minute" => Window::MinuteRequests,
        "tokens-minute" => Window::MinuteTokens,
        _ => return None,
    };
    Some((window, part))
}

fn anthropic(name: &str) -> Option<(Window, Part)> {
    let rest = name.strip_prefix("anthropic-ratelimit-")?;
    let after = |name, part| Some((rest.strip_suffix(name)?, part));
    let (window, part) = after("-limit", Part::Limit)
        .or_else(|| after("-remaining", Part::Remaining))
        .or_else(|| after("-reset", Part::Reset))?;
    let window = match window {
        "requests" => Window::AnthropicRequests,
        "tokens" => Window::AnthropicTokens,
        "input-tokens" => Window::InputTokens,
        "output-tokens" => Window::OutputTokens,
        _ => return None,
    };
    Some((window, part))
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
    let trimmed = || text.trim().parse();
    text.parse().or_else(|_| trimmed()).ok()
}

/// A reset: a Go duration, seconds, or an instant.
fn span(text: &str, wall: SystemTime) -> Option<Duration> {
    duration::go(text)
        .or_else(|| duration::seconds(text))
        .or_else(|| Some(duration::until(duration::rfc3339(text)?, wall)))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;
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
    fn resets_come_through_litellm() {
        let read = limits(&[
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "0"),
            ("llm_provider-x-ratelimit-limit-requests", "500"),
            ("llm_provider-x-ratelimit-remaining-requests", "0"),
            ("llm_provider-x-ratelimit-reset-requests", "7s"),
        ]);
        assert_eq!(read.requests, window(500, 0, 7000));
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

    #[test]
    fn of_a_header_that_comes_twice_the_first_counts() {
        let name = HeaderName::from_static("x-ratelimit-remaining-tokens-minute");
        let mut headers = HeaderMap::new();
        headers.append(&name, HeaderValue::from_static("3"));
        headers.append(&name, HeaderValue::from_static("0"));
        let read = Limits::from_headers(&headers, SystemTime::UNIX_EPOCH);
        assert_eq!(read.tokens.unwrap().remaining, Some(3));
    }

    #[test]
    fn a_windows_first_name_goes_before_the_others() {
        let read = limits(&[
            ("x-ratelimit-remaining-req-minute", "1"),
            ("anthropic-ratelimit-requests-remaining", "2"),
            ("x-ratelimit-limit-requests", "-1"),
            ("x-ratelimit-remaining-tokens-minute", "3"),
            ("x-ratelimit-remaining-tokens", "4"),
            ("x-ratelimit-reset", "5"),
        ]);
        assert_eq!(read.requests.unwrap().remaining, Some(2));
        assert_eq!(read.tokens.unwrap().remaining, Some(4));
    }

    proptest! {
        #[test]
        fn nothing_panics(values in prop::collection::vec("[ -~]{0,24}", 9)) {
            let copied = ["requests", "tokens", "req-minute", "tokens-minute"];
            let own = ["requests", "tokens", "input-tokens", "output-tokens"];
            let names: Vec<_> = ["limit", "remaining", "reset"]
                .into_iter()
                .flat_map(|part| {
                    let copied = copied.map(|window| format!("x-ratelimit-{part}-{window}"));
                    let own = own.map(|window| format!("anthropic-ratelimit-{window}-{part}"));
                    copied.into_iter().chain(own)
                })
                .collect();
            prop_assert!(names.iter().all(|name| place(name).is_some()));
            let values = values.iter().map(String::as_str).cycle();
            let headers: Vec<_> = names.iter().map(String::as_str).zip(values).collect();
            let read = limits(&headers);
            let _ = (read.exhausted(), read.exhausted_reset());
        }
    }
}
