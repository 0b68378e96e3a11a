//! Limits per minute that are set for targets.

#![allow(clippy::unwrap_used, reason = "tests")]

use tokio::time::{Duration, Instant};
use tower_outcome::{Credential, OutcomeRouter, PickRequest, Pool, Target, Upstream};

fn target(model: &str) -> Target {
    let upstream = Upstream::new("https://api.openai.com/v1").unwrap();
    let key = Credential::new("key").unwrap();
    Target::new(model).upstream(upstream.credential(key))
}

fn pool(first: Target) -> Pool {
    Pool::new("chat").target(first).target(target("second"))
}

fn picked(router: &OutcomeRouter, model: &str, now: Instant) -> String {
    let ticket = router.pick_at(&PickRequest::new(model), now).unwrap();
    ticket.routed().target().to_owned()
}

#[test]
fn requests_over_the_limit_go_to_the_next_target() {
    let now = Instant::now();
    let first = target("first").requests_per_minute(3);
    let router = OutcomeRouter::builder().pool(pool(first)).build().unwrap();
    let names: Vec<_> = (0..4).map(|_| picked(&router, "chat", now)).collect();
    assert_eq!(names, ["first", "first", "second", "second"]);
    let later = now + Duration::from_secs(40);
    assert_eq!(picked(&router, "chat", later), "first");
}

#[test]
fn tokens_over_the_limit_go_to_the_next_target() {
    let now = Instant::now();
    let first = target("first").tokens_per_minute(10_000);
    let router = OutcomeRouter::builder().pool(pool(first)).build().unwrap();
    let large = PickRequest::new("chat").prompt_tokens(8_000);
    let ticket = router.pick_at(&large, now).unwrap();
    assert_eq!(ticket.routed().target(), "first");
    let ticket = router.pick_at(&large, now).unwrap();
    assert_eq!(ticket.routed().target(), "second");
}

#[test]
fn of_the_targets_of_a_quota_group_the_least_limit_holds() {
    let now = Instant::now();
    let other = Pool::new("other").target(target("first").requests_per_minute(2));
    let router = OutcomeRouter::builder()
        .pool(pool(target("first").requests_per_minute(100)))
        .pool(other)
        .build()
        .unwrap();
    assert_eq!(picked(&router, "other", now), "first");
    assert_eq!(picked(&router, "chat", now), "second");
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let built = OutcomeRouter::builder()
        .pool(pool(target("first").requests_per_minute(0)))
        .build();
    let error = built.unwrap_err().to_string();
    assert!(
        error.contains("a limit per minute must be at least 1"),
        "{error}"
    );
}
