use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, retry::RetryLayer, timeout::TimeoutLayer};
use tower_outcome::{
    CallLayer, Class, FailoverLayer, Outcome, OutcomeRouter, OutcomeRoutingLayer, PickRequest,
    RetryPolicy, Verdict,
};

use crate::support::*;

const CALLS: u32 = 2000;
const PER_SECOND: u32 = 200;

/// Everything fails, in every way there is, or in every way that a status tells.
fn broken(streams: bool) -> Provider {
    Provider::new(move |_, number| -> Reply {
        match number % 4 {
            0 => status(503, &[]).into(),
            1 => Reply::Error("connection reset".into()),
            2 if streams => stream([event(ERROR)]).into(),
            _ => status(500, &[]).into(),
        }
    })
}

/// Sends calls at a steady rate and expects no more attempts than the budget allows.
async fn storm<S>(what: &str, provider: &Provider, service: S)
where
    S: Service<Request<Full<Bytes>>, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
{
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let request = upload(CHAT, Full::new(Bytes::from(chat_body("a"))));
        let service = service.clone();
        calls.spawn(async move { drop(service.oneshot(request).await) });
        tokio::time::sleep(seconds(1.0) / PER_SECOND).await;
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let attempts = provider.heads().len() as f64;
    let time = start.elapsed().as_secs_f64();
    let most = 1.2 * f64::from(CALLS) + 10.0 * (time + 1.0);
    assert!(
        attempts <= most,
        "{what}: {attempts} attempts, not {most} in {time} s"
    );
    assert!(
        attempts >= f64::from(CALLS) * 1.1,
        "{what}: {attempts} attempts"
    );
}

#[tokio::test(start_paused = true)]
async fn f35_at_total_failure_failover_keeps_within_its_budget() {
    let (router, provider) = (three(), broken(true));
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    storm("failover", &provider, stack).await;
    assert!(!account(&router).contains_key("success"));

    let (router, provider) = (three(), broken(true));
    let stack = ServiceBuilder::new()
        .layer(TimeoutLayer::new(seconds(60.0)))
        .layer(FailoverLayer::new(router.clone()).deadline(seconds(30.0)))
        .layer(TimeoutLayer::new(seconds(20.0)))
        .layer(OutcomeRoutingLayer::new(router))
        .layer(TimeoutLayer::new(seconds(10.0)))
        .service(provider.clone());
    storm("failover between timeouts", &provider, stack).await;
}

#[tokio::test(start_paused = true)]
async fn f35_at_total_failure_retry_keeps_within_its_budget() {
    for call_layer in [true, false] {
        // Without a call, a policy sees only statuses.
        let (router, provider) = (three(), broken(call_layer));
        let policy = RetryPolicy::new(&FailoverLayer::new(router.clone()));
        let layer = call_layer.then(CallLayer::new);
        let stack = ServiceBuilder::new()
            .option_layer(layer)
            .layer(RetryLayer::new(policy))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone());
        storm(&format!("retry, CallLayer {call_layer}"), &provider, stack).await;
        account(&router);
    }
}

fn settle(router: &OutcomeRouter, verdict: &Verdict, times: usize) {
    let now = router.now();
    for model in ["a", "b", "c"] {
        for _ in 0..times {
            let request = PickRequest::new(model).strict(true);
            let ticket = router.pick_at(&request, now).unwrap();
            ticket.settle_at(Outcome::new(verdict.clone()), now);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f36_when_all_are_behind_walls_the_answer_is_quick_and_honest() {
    let (router, provider) = (three(), Provider::good());
    let wall = Verdict::new(Class::RateLimited).with_retry_after(Some(seconds(45.0)));
    settle(&router, &wall, 1);
    let routed = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    let service = FailoverLayer::new(router.clone()).layer(routed);
    let start = Instant::now();
    let answer = service.oneshot(chat("a")).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "45");
    assert_eq!(start.elapsed(), seconds(0.0));
    assert!(provider.heads().is_empty());
    assert_account(&router, &[("rate_limited", 3)]);
}

#[tokio::test(start_paused = true)]
async fn f36_when_all_breakers_are_open_the_least_bad_serves() {
    let (router, provider) = (three(), Provider::good());
    settle(&router, &Verdict::new(Class::ServerError), 6);
    assert!(router.snapshot().targets().all(|target| target.broken));
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    let answer = service.oneshot(chat("a")).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    assert_account(&router, &[("server_error", 18), ("success", 1)]);
}
