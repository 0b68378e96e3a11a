use std::time::Duration;

use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_outcome::{FailoverLayer, OutcomeRoutingLayer};

use crate::support::*;

const JUNK: [&str; 20] = [
    "",
    " ",
    "-1",
    "-0",
    "0",
    "0.0000000001",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e19",
    "1e300",
    "99999999999999999999999999",
    "18446744073709551615",
    "12 parsecs",
    "1,5",
    "0x10",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Wed, 99 Foo 2026 99:99:99 GMT",
];

const HEADERS: [&str; 5] = [
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset",
    "anthropic-ratelimit-requests-reset",
];

#[tokio::test(start_paused = true)]
async fn f12_junk_in_retry_after_moves_a_call_on_and_blocks_no_longer_than_an_hour() {
    for junk in JUNK {
        for header in HEADERS {
            for code in [429, 503, 500, 504, 409, 402] {
                let router = models(&["a", "b"]);
                let limits = [
                    (header, junk),
                    ("x-ratelimit-limit-requests", "10"),
                    ("x-ratelimit-remaining-requests", "0"),
                ];
                let provider = Provider::new(move |_, number| match number {
                    0 => status(code, &limits),
                    _ => good(),
                });
                let stack = ServiceBuilder::new()
                    .layer(FailoverLayer::new(router.clone()))
                    .layer(OutcomeRoutingLayer::new(router.clone()))
                    .service(provider.clone());
                let answer = stack.oneshot(chat("a")).await.unwrap();
                assert_eq!(answer.status(), 200, "{code} {header}: {junk}");
                assert_eq!(provider.models(), ["a", "b"], "{code} {header}: {junk}");
                let snapshot = router.snapshot();
                let wait = snapshot.targets().next().unwrap().rate_limited_s;
                assert!(
                    wait.is_none_or(|wait| wait <= 3600.0),
                    "{header} {junk}: {wait:?}"
                );
                assert_eq!(account(&router).values().sum::<u64>(), 2);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f12_junk_in_retry_after_never_hangs_a_call_that_has_nowhere_to_go() {
    for junk in JUNK {
        for code in [429, 503, 500, 504] {
            let router = models(&["a"]);
            let provider = Provider::new(move |_, _| status(code, &[("retry-after", junk)]));
            for deadline in [Some(seconds(20.0)), Some(Duration::MAX), None] {
                let mut failover = FailoverLayer::new(router.clone());
                if let Some(deadline) = deadline {
                    failover = failover.deadline(deadline);
                }
                let routed = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
                let call = failover.layer(routed).oneshot(chat("a"));
                let limit = deadline.map_or(seconds(60.0), |d| d.min(seconds(4.0 * 3600.0)));
                let answer = tokio::time::timeout(limit + seconds(1.0), call).await;
                let answer = answer.unwrap_or_else(|_| panic!("{code} {junk} {deadline:?}"));
                assert_ne!(answer.unwrap().status(), 200);
            }
        }
    }
}
