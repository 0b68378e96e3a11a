use std::time::{Duration, SystemTime};

use http::HeaderMap;

use super::duration;

/// Returns how long the headers of an answer ask us to wait, or `None` where they do not say.
///
/// `retry-after-ms` (float milliseconds) goes before `retry-after`, which holds float seconds or
/// an HTTP date that `wall` turns into a span. What is zero, past, negative, not a number or out
/// of range is not said. The result is not capped: that is policy.
///
/// LiteLLM passes its provider's on with `llm_provider-` before their names, and says nothing itself.
///
/// Limit headers (`x-ratelimit-reset-…`) are no request to wait, see
/// [`Limits`](super::Limits::exhausted_reset).
#[must_use]
pub fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let millis = |name| said(headers, name, duration::millis);
    let seconds = |name| {
        said(headers, name, |value| {
            duration::seconds(value).or_else(|| date(value, wall))
        })
    };
    millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| seconds("retry-after"))
        .or_else(|| millis("llm_provider-retry-after-ms"))
        .or_else(|| seconds("llm_provider-retry-after"))
}

/// Returns the time until the instant that `x-ratelimit-reset` names, for use where nothing else
/// says more: Cohere writes seconds since 1970 there, OpenRouter milliseconds.
pub(super) fn epoch_reset(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    said(headers, "x-ratelimit-reset", |value| {
        let when = duration::epoch(value.trim().parse().ok()?)?;
        Some(duration::until(when, wall))
    })
}

fn said(
    headers: &HeaderMap,
    name: &str,
    parse: impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| parse(value.to_str().ok()?))
        .find(|wait| !wait.is_zero())
}

fn date(value: &str, wall: SystemTime) -> Option<Duration> {
    let when = httpdate::parse_http_date(value.trim()).ok()?;
    Some(duration::until(when, wall))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// Sun, 01 Mar 2026 12:00:00 GMT.
    fn wall() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400)
    }

    fn wait(headers: &[(&'static str, &str)]) -> Option<u128> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        retry_after(&map, wall()).map(|wait| wait.as_millis())
    }

    #[test]
    fn milliseconds_go_before_seconds() {
        assert_eq!(
            wait(&[("retry-after", "6"), ("retry-after-ms", "5612.5")]),
            Some(5612)
        );
        assert_eq!(
            wait(&[("retry-after", "6"), ("retry-after-ms", "junk")]),
            Some(6000)
        );
        assert_eq!(wait(&[("retry-after", "1.5")]), Some(1500));
        assert_eq!(
            wait(&[
                ("llm_provider-retry-after", "7"),
                ("llm_provider-retry-after-ms", "6500"),
            ]),
            Some(6500)
        );
        assert_eq!(
            wait(&[("llm_provider-retry-after", "7"), ("retry-after", "2")]),
            Some(2000)
        );
    }

    #[test]
    fn dates_are_relative_to_the_wall_clock() {
        assert_eq!(
            wait(&[("retry-after", "Sun, 01 Mar 2026 12:00:45 GMT")]),
            Some(45_000)
        );
        assert_eq!(
            wait(&[("retry-after", "Sunday, 01-Mar-26 12:00:45 GMT")]),
            Some(45_000)
        );
        assert_eq!(
            wait(&[("retry-after", "Sun Mar  1 12:00:45 2026")]),
            Some(45_000)
        );
        assert_eq!(
            wait(&[("retry-after", "Sun, 01 Mar 2026 11:59:59 GMT")]),
            None
        );
    }

    #[test]
    fn a_bare_reset_is_an_instant() {
        let reset = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-ratelimit-reset", HeaderValue::from_static(value));
            epoch_reset(&headers, wall()).map(|wait| wait.as_secs())
        };
        assert_eq!(reset("1772366407"), Some(7));
        assert_eq!(reset("1772366407000"), Some(7));
        for value in ["7", "1772366400", "NaN", "-1772366407", "soon"] {
            assert_eq!(reset(value), None, "{value}");
        }
    }

    #[test]
    fn f12_junk_is_not_said() {
        for junk in [
            "0",
            "-1",
            "-0",
            "NaN",
            "inf",
            "-inf",
            "1e400",
            "1e300",
            "soon",
            "",
            " ",
            "5 s",
            "0x10",
            "99999999999999999999999",
            "Sun, 99 Mar 2026 12:00:45 GMT",
        ] {
            assert_eq!(wait(&[("retry-after", junk)]), None, "{junk}");
            assert_eq!(wait(&[("retry-after-ms", junk)]), None, "{junk}");
        }
        assert_eq!(
            wait(&[("retry-after", "junk"), ("retry-after", "3")]),
            Some(3000)
        );
    }

    proptest! {
        #[test]
        fn f12_nothing_panics(ms in any::<Vec<u8>>(), seconds in any::<Vec<u8>>(), at in any::<u32>()) {
            let mut headers = HeaderMap::new();
            for (name, value) in [("retry-after-ms", ms), ("retry-after", seconds)] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.insert(name, value);
                }
            }
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(at));
            prop_assert_ne!(retry_after(&headers, wall), Some(Duration::ZERO));
        }

        #[test]
        fn every_positive_float_is_said(seconds in 0.001_f64..1e9) {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", HeaderValue::from_str(&seconds.to_string()).unwrap());
            prop_assert_eq!(
                retry_after(&headers, wall()),
                Some(Duration::from_secs_f64(seconds))
            );
        }
    }
}
