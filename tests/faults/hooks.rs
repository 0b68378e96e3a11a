use std::time::SystemTime;

use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt};
use tower_outcome::{
    Classify, OutcomeRouter, OutcomeRoutingLayer, Verdict,
    classify::Seen,
    policy::{RoutingPolicy, View},
    router::Clock,
};

use crate::support::*;

#[derive(Debug)]
struct Panics;

impl Classify for Panics {
    fn classify(&self, _: &Seen<'_>) -> Verdict {
        panic!("scripted")
    }
}

impl RoutingPolicy for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    fn score(&self, _: &View<'_>, _: &mut [f64]) {
        panic!("scripted")
    }
}

#[tokio::test]
async fn f26_a_panic_of_the_classifier_or_the_policy_is_caught_and_counted() {
    let builder = || OutcomeRouter::builder().model("a").model("b");
    let router = builder().classifier(Panics).policy(Panics).build().unwrap();
    let provider = Provider::new(|_, number| match number {
        0 => good(),
        1 => good_stream(),
        2 => status(503, &[]),
        _ => stream([event(CONTENT), event(STOP), Step::Hang]),
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    for _ in 0..3 {
        let answer = service.clone().oneshot(chat("a")).await.unwrap();
        read(answer.into_body()).await;
    }
    // Dropped after its terminal event: the classifier panics within a drop.
    drop(service.clone().oneshot(chat("a")).await.unwrap());
    let mut answer = service.oneshot(chat("a")).await.unwrap().into_body();
    for _ in 0..2 {
        http_body_util::BodyExt::frame(&mut answer)
            .await
            .unwrap()
            .unwrap();
    }
    drop(answer);
    assert_eq!(provider.models(), ["a"; 5]);
    let classes = account(&router);
    assert_eq!(
        (classes["success"], classes["overloaded"]),
        (3, 1),
        "{classes:?}"
    );
    assert_eq!(classes.values().sum::<u64>(), 5);
    let counts = router.snapshot().counts;
    assert!(counts.classifier_panics >= 6, "{counts:?}");
    assert_eq!(counts.policy_panics, 5);
}

/// A clock that stands still.
#[derive(Debug)]
struct Frozen(Instant);

impl Clock for Frozen {
    fn now(&self) -> Instant {
        self.0
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

#[tokio::test(start_paused = true)]
async fn f31_a_clock_that_stands_still_makes_no_busy_loop() {
    let clock = Frozen(Instant::now());
    let router = OutcomeRouter::builder()
        .model("a")
        .clock(clock)
        .build()
        .unwrap();
    let provider = Provider::new(|_, _| status(429, &[("retry-after", "1")]));
    let service = OutcomeRoutingLayer::new(router).layer(provider.clone());
    service.clone().oneshot(chat("a")).await.unwrap();
    let waiting = service.oneshot(chat("a"));
    assert!(timeout(seconds(60.0), waiting).await.is_err());
    assert_eq!(provider.heads().len(), 1);
}
