//! Any status, headers and body: classifying never panics.
#![no_main]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use tower_outcome::classify::{
    BodySeen, Classify, DefaultClassifier, ErrorView, Limits, Seen, Usage, retry_after,
};

const NAMES: [&str; 10] = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "content-type",
    "x-should-retry",
];

fuzz_target!(|input: (u16, Vec<(u8, Vec<u8>)>, &[u8])| {
    let (status, fields, body) = input;
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400);
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = NAMES[usize::from(name) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(name, value);
        }
    }
    let _ = retry_after(&headers, wall);
    let _ = Limits::from_headers(&headers, wall);
    let _ = ErrorView::parse(body);
    let _ = Usage::of_body(body);
    let Ok(status) = StatusCode::from_u16(status) else {
        return;
    };
    let head = Seen::head("/v1/chat/completions", status, &headers, wall);
    let _ = DefaultClassifier.classify(&head);
    let _ = DefaultClassifier.classify(&head.with_body(BodySeen::Whole(body.into())));
});
