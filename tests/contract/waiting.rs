//! When nobody is free, routing waits a bounded time, or answers in the caller's own dialect.

use std::time::Duration;

use http::{Request, Response};
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, Service, ServiceExt};
use tower_outcome::{
    Candidates, Deadline, FailoverLayer, NobodyFree, OutcomeRouter, OutcomeRouting,
    OutcomeRoutingLayer, Pool, ResponseBody,
};

use crate::support::*;

/// The only model is behind a wall of so many seconds, and good afterwards.
async fn walled(wait: &'static str) -> (OutcomeRouter, Provider, OutcomeRouting<Provider>) {
    walled_pool(Pool::new("p").model("a"), wait).await
}

async fn walled_pool(
    pool: Pool,
    wait: &'static str,
) -> (OutcomeRouter, Provider, OutcomeRouting<Provider>) {
    let router = OutcomeRouter::builder().pool(pool).seed(1).build().unwrap();
    let provider = Provider::new(move |_, number| match number {
        0 => status(429, &[("retry-after", wait)]),
        _ => good(),
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    let first = service.clone().oneshot(chat("a")).await.unwrap();
    assert_eq!(first.status(), 429);
    (router, provider, service)
}

async fn timed<S>(service: S, request: Request<Frames>) -> (S::Response, f64)
where
    S: Service<Request<Frames>, Error = BoxError>,
{
    let start = Instant::now();
    let answer = service.oneshot(request).await.unwrap();
    (answer, start.elapsed().as_secs_f64())
}

fn with_deadline(deadline: Duration) -> Request<Frames> {
    let mut request = chat("a");
    request.extensions_mut().insert(Deadline(deadline));
    request
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_wall_to_end_and_no_longer() {
    let (router, provider, service) = walled("5").await;
    let (answer, waited) = timed(service, chat("a")).await;
    assert_eq!(answer.status(), 200);
    assert!((5.0..5.5).contains(&waited), "{waited}");
    assert_eq!(provider.heads().len(), 2);
    drop(answer);
    assert_account(&router, &[("rate_limited", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_bounds_the_wait_both_ways() {
    let (_router, provider, service) = walled("5").await;
    let (answer, waited) = timed(service.clone(), with_deadline(seconds(2.0))).await;
    assert_eq!(answer.status(), 429);
    assert!(waited < 0.01, "not worth a wait: {waited}");
    assert_eq!(provider.heads().len(), 1);

    let (_router, _provider, service) = walled("30").await;
    let (answer, waited) = timed(service.clone(), chat("a")).await;
    assert_eq!(answer.status(), 429, "longer than ten seconds");
    assert!(waited < 0.01, "{waited}");
    let (answer, waited) = timed(service, with_deadline(seconds(60.0))).await;
    assert_eq!(answer.status(), 200);
    assert!((30.0..31.0).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_for_the_whole_call_is_no_wish_to_wait_for_as_long() {
    let (router, _, service) = walled("60").await;
    let layer = FailoverLayer::new(router).deadline(Duration::from_secs(120));
    let (answer, waited) = timed(layer.layer(service), chat("a")).await;
    assert_eq!(answer.status(), 429);
    assert!(waited < 1.0, "{waited}");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_do_not_all_wake_at_once() {
    let (_, provider, service) = walled("5").await;
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let service = service.clone();
        calls.spawn(async move {
            service.oneshot(chat("a")).await.unwrap();
            start.elapsed().as_millis()
        });
    }
    let moments: std::collections::BTreeSet<_> = calls.join_all().await.into_iter().collect();
    assert!(moments.len() > 25, "{moments:?}");
    assert_eq!(provider.heads().len(), 51);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_without_end_is_no_panic() {
    let (_router, _provider, service) = walled("1800").await;
    let (answer, waited) = timed(service, with_deadline(Duration::MAX)).await;
    assert_eq!(answer.status(), 200);
    assert!((1800.0..1801.0).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn no_more_than_256_requests_wait() {
    let (router, _provider, service) = walled("8").await;
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..300 {
        let service = service.clone();
        calls.spawn(async move {
            let answer = service.oneshot(chat("a")).await.unwrap();
            (answer.status().as_u16(), start.elapsed())
        });
    }
    let mut refused_at_once = 0;
    while let Some(done) = calls.join_next().await {
        let (status, after) = done.unwrap();
        if status == 429 && after < seconds(0.01) {
            refused_at_once += 1;
        } else {
            assert!(after >= seconds(8.0), "{status} after {after:?}");
            assert!(after <= seconds(10.5), "{status} after {after:?}");
        }
    }
    assert_eq!(refused_at_once, 300 - 256);
    assert_eq!(router.snapshot().counts.refused as usize, refused_at_once);
    assert_eq!(account(&router)["success"], 256);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_gives_its_place_back() {
    let (_router, _provider, service) = walled("8").await;
    for _ in 0..3 {
        let calls: Vec<_> = (0..256)
            .map(|_| tokio::spawn(service.clone().oneshot(chat("a"))))
            .collect();
        idle().await;
        let one_more = service.clone().oneshot(chat("a")).await.unwrap();
        assert_eq!(one_more.status(), 429);
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        idle().await;
    }
    assert_eq!(service.oneshot(chat("a")).await.unwrap().status(), 200);
}

async fn refusal(answer: Response<ResponseBody<Frames>>) -> serde_json::Value {
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_slice(&read(answer.into_body()).await.0).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_speaks_the_dialect_of_the_caller() {
    let (router, provider, service) = walled("30").await;
    let answer = service.clone().oneshot(chat("a")).await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "30");
    assert!(!answer.headers().contains_key("x-should-retry"));
    let body = refusal(answer).await;
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert!(body["error"]["message"].as_str().unwrap().contains("30"));

    let body = chat_body("a");
    let answer = service
        .clone()
        .oneshot(post(MESSAGES, &body))
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    let body = refusal(answer).await;
    assert_eq!(body["type"], "error");
    assert_eq!(body["error"]["type"], "rate_limit_error");
    assert_eq!(provider.heads().len(), 1);
    assert_eq!(router.snapshot().counts.refused, 2);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_hopeless_is_told_not_to_be_repeated() {
    for (wait, hopeless) in [("59.5", false), ("60", false), ("61", true), ("3600", true)] {
        let (_router, _provider, service) = walled(wait).await;
        let answer = service.oneshot(chat("a")).await.unwrap();
        assert_eq!(answer.status(), 429);
        let advice = answer.headers().get("x-should-retry");
        assert_eq!(
            advice.is_some_and(|advice| advice == "false"),
            hopeless,
            "{wait}"
        );
        let rounded = wait.parse::<f64>().unwrap().ceil().to_string();
        assert_eq!(answer.headers()["retry-after"], rounded.as_str());
    }
    let mut request = chat("a");
    request
        .extensions_mut()
        .insert(Candidates::only(["nobody"]));
    let service = OutcomeRoutingLayer::new(three()).layer(Provider::good());
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.headers()["x-should-retry"], "false");
    assert!(!answer.headers().contains_key("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_pool_can_answer_at_once() {
    let pool = Pool::new("p").model("a").nobody_free(NobodyFree::Answer);
    let (_router, _provider, service) = walled_pool(pool, "1").await;
    let (answer, waited) = timed(service, chat("a")).await;
    assert_eq!(answer.status(), 429);
    assert!(waited < 0.01, "{waited}");
    assert_eq!(answer.headers()["retry-after"], "1");
}
