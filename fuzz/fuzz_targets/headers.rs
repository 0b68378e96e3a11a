//! Any values of the headers and fields that say how long to wait: reading them never panics, says
//! the same twice, and does not depend on headers that are nothing of this.
#![no_main]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_outcome::classify::{BodySeen, Classify, DefaultClassifier, Limits, Seen, retry_after};

const NAMES: &[&str] = &[
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-limit-req-minute",
    "x-ratelimit-remaining-req-minute",
    "x-ratelimit-limit-tokens-minute",
    "x-ratelimit-remaining-tokens-minute",
    "x-ratelimit-reset",
    "x-rate-limit-reset-tokens",
    "x-ms-retry-after-ms",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
    "x-amzn-errortype",
];

fuzz_target!(|input: (u64, Vec<(u8, &[u8])>, u8, &str)| {
    let (seconds, fields, place, wait) = input;
    // Any wall clock of a thousand years.
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds % (1000 * 366 * 86_400));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_static(NAMES[usize::from(name) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let (limits, asked) = (
        Limits::from_headers(&headers, wall),
        retry_after(&headers, wall),
    );
    headers.insert("x-request-id", HeaderValue::from_static("1"));
    assert_eq!(limits, Limits::from_headers(&headers, wall));
    assert_eq!(asked, retry_after(&headers, wall));

    // The same text where a body has it.
    let text = serde_json::to_string(wait).unwrap_or_default();
    let words = serde_json::to_string(&format!("Please try again in {wait}")).unwrap_or_default();
    let body = match place % 3 {
        0 => format!(r#"{{"error":{{"code":429,"message":{words}}}}}"#),
        1 => format!(r#"{{"error":{{"code":429,"details":[{{"retryDelay":{text}}}]}}}}"#),
        _ => format!(
            r#"{{"error":{{"code":429,"metadata":{{"headers":{{"X-RateLimit-Reset":{text}}}}}}}}}"#
        ),
    };
    let head = Seen::head(
        "/v1/chat/completions",
        StatusCode::TOO_MANY_REQUESTS,
        &headers,
        wall,
    );
    let seen = head.with_body(BodySeen::Whole(body.as_bytes().into()));
    let _ = DefaultClassifier.classify(&seen);
});
