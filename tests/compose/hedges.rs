//! tower's hedge above the layers.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, hedge, layer::layer_fn};
use tower_outcome::{CallLayer, FailoverLayer, OutcomeRoutingLayer, ResponseBody};

use crate::support::*;

#[derive(Clone, Copy)]
struct Always;

impl hedge::Policy<Request<Full<Bytes>>> for Always {
    fn clone_request(&self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }

    fn can_retry(&self, _: &Request<Full<Bytes>>) -> bool {
        true
    }
}

/// Sends a second request when the first takes longer than ten milliseconds.
fn hedged<S>() -> impl Layer<S, Service = hedge::Hedge<S, Always>> + Clone
where
    S: Service<Request<Full<Bytes>>, Error = BoxError> + Clone,
{
    layer_fn(|service| {
        let latencies = [10; 20];
        hedge::Hedge::new_with_mock_latencies(service, Always, 5, 0.5, seconds(60.0), &latencies)
    })
}

async fn send<S>(service: S) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResponseBody<Frames>>, Error = BoxError>,
{
    let start = Instant::now();
    let request = upload(CHAT, Full::new(Bytes::from(chat_body("a"))));
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer.into_body()).await, GOOD);
    start.elapsed().as_secs_f64()
}

/// The first request hangs, the second is answered.
fn hangs_once() -> Provider {
    Provider::new(|_, number| match number {
        0 => Reply::Hang,
        _ => good().into(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_hedge_below_a_call_layer_goes_to_a_second_target() {
    let (router, provider) = (three(), hangs_once());
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(hedged())
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    assert!(send(stack).await < 1.0);
    assert_eq!(provider.models(), ["a", "b"]);
    idle().await;
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_without_a_call_layer_goes_to_the_same_target() {
    let (router, provider) = (three(), hangs_once());
    let stack = ServiceBuilder::new()
        .layer(hedged())
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    assert!(send(stack).await < 1.0);
    assert_eq!(provider.models(), ["a", "a"]);
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_above_failover_goes_to_a_second_target() {
    let (router, provider) = (three(), hangs_once());
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(hedged())
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    assert!(send(stack).await < 1.0);
    assert_eq!(provider.models(), ["a", "b"]);
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_beside_a_good_attempt_does_not_repeat_it() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => Reply::after(seconds(0.2), good()),
        _ => status(503, &[]).into(),
    });
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(hedged())
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let took = send(stack).await;
    assert!((took - 0.2).abs() < 0.01, "{took}");
    assert_eq!(provider.models(), ["a", "b", "c"]);
    assert_account(&router, &[("overloaded", 2), ("success", 1)]);
}
