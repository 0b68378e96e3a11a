//! The instance that became ready is the one that is called, and nothing is held meanwhile.

use std::{future::poll_fn, pin::pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_outcome::{CallLayer, FailoverLayer, OutcomeRoutingLayer, RequestBody, ShadowLayer};
use tower_test::mock;

use crate::support::*;

/// Calls through a layer twice, and twice more through a clone that was never ready.
async fn calls_only_what_is_ready<S, R>(mut service: S, provider: Provider)
where
    S: Service<Request<Frames>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    for _ in 0..2 {
        let ready = service.ready().await.unwrap();
        let answer = ready.call(chat("a")).await.unwrap();
        assert_eq!(text(answer.into_body()).await, GOOD);
    }
    let mut clone = service.clone();
    for _ in 0..2 {
        let ready = clone.ready().await.unwrap();
        ready.call(chat("x")).await.unwrap();
    }
    assert_eq!(provider.models(), ["a", "a", "x", "x"]);
}

#[tokio::test]
async fn f14_every_layer_calls_the_instance_that_was_ready() {
    let (router, provider) = (three(), Provider::good);
    let inner = provider();
    let routing = OutcomeRoutingLayer::new(router.clone());
    calls_only_what_is_ready(routing.layer(inner.clone()), inner).await;
    let inner = provider();
    let failover = FailoverLayer::new(router.clone());
    calls_only_what_is_ready(failover.layer(inner.clone()), inner).await;
    let inner = provider();
    calls_only_what_is_ready(CallLayer::new().layer(inner.clone()), inner).await;
    for percent in [0.0, 100.0] {
        let inner = provider();
        let shadow = ShadowLayer::new(router.clone()).percent(percent).unwrap();
        calls_only_what_is_ready(shadow.layer(inner.clone()), inner).await;
    }
    let inner = provider();
    let stack = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(failover)
        .layer(routing)
        .service(inner.clone());
    calls_only_what_is_ready(stack, inner).await;
}

#[tokio::test(start_paused = true)]
async fn f14_a_slow_upload_calls_a_service_that_was_readied_again() {
    let router = three();
    let provider = Provider::good();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    for stack in [stack.clone(), stack] {
        let slow = Frames::new([
            Step::data(r#"{"model":"#),
            Step::Wait(seconds(1.0)),
            Step::data(r#""a"}"#),
        ]);
        stack.oneshot(upload(CHAT, slow)).await.unwrap();
    }
    assert_account(&router, &[("success", 2)]);
}

/// Polls the readiness of a layer over a mock: nothing but the mock's own answer comes out.
fn passes_readiness<T, S>(layer: impl Layer<mock::Mock<T, Response<Frames>>, Service = S>)
where
    S: Service<Request<Frames>, Error = BoxError>,
{
    let (mock, mut handle) = mock::pair();
    let mut service = layer.layer(mock);
    let mut ready = task::spawn(poll_fn(|cx| service.poll_ready(cx)));
    handle.allow(0);
    assert_pending!(ready.poll());
    handle.allow(1);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
    assert_ready_ok!(ready.poll());
    handle.send_error("broken");
    assert_ready_err!(ready.poll());
}

#[tokio::test]
async fn readiness_and_its_errors_pass_through_and_are_no_outcome() {
    let router = three();
    passes_readiness::<Request<RequestBody<Frames>>, _>(OutcomeRoutingLayer::new(router.clone()));
    passes_readiness::<Request<RequestBody<Frames>>, _>(FailoverLayer::new(router.clone()));
    passes_readiness::<Request<RequestBody<Frames>>, _>(ShadowLayer::new(router.clone()));
    passes_readiness::<Request<Frames>, _>(CallLayer::new());
    assert_account(&router, &[]);
    assert_eq!(router.snapshot().decisions, 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_after_an_upload_is_no_outcome() {
    let router = three();
    let provider = Provider::good();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let slow = Frames::new([Step::Wait(seconds(1.0)), Step::data(r#"{"model":"a"}"#)]);
    let mut call = task::spawn(stack.oneshot(upload(CHAT, slow)));
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    provider.set_broken();
    tokio::time::advance(seconds(2.0)).await;
    assert_ready_err!(call.poll());
    assert_account(&router, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_holds_no_permit() {
    let router = three();
    let provider = Provider::good();
    let limited = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .service(provider.clone());
    let routed = OutcomeRoutingLayer::new(router.clone()).layer(limited.clone());
    others_go_through_meanwhile(routed).await;
    let failing_over = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(limited.clone());
    others_go_through_meanwhile(failing_over).await;
    let shadowed = ServiceBuilder::new()
        .layer(ShadowLayer::new(router.clone()).percent(100.0).unwrap())
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(limited);
    others_go_through_meanwhile(shadowed).await;
    // A copy goes out only where the one permit is free again.
    let real: Vec<_> = provider
        .models()
        .into_iter()
        .filter(|model| model != "c")
        .collect();
    assert_eq!(real[..4], ["b", "a", "b", "a"]);
    assert!(account(&router)["success"] >= 6);
}

async fn others_go_through_meanwhile<S, R>(mut service: S)
where
    S: Service<Request<Frames>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let slow = Frames::new([
        Step::data(r#"{"model":"a""#),
        Step::Wait(seconds(60.0)),
        Step::data("}"),
    ]);
    let mut other = service.clone();
    let upload = upload(CHAT, slow);
    let first = pin!(service.ready().await.unwrap().call(upload));
    let mut first = task::spawn(first);
    assert!(first.poll().is_pending());
    let second = async { other.ready().await.unwrap().call(chat("b")).await.unwrap() };
    let second = tokio::time::timeout(seconds(1.0), second).await.unwrap();
    assert_eq!(text(second.into_body()).await, GOOD);
    assert_eq!(text(first.await.unwrap().into_body()).await, GOOD);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_a_target_holds_no_permit() {
    let router = models(&["a"]);
    let provider = Provider::new(|parts, _| match parts.uri.path() {
        "/v1/models" => good(),
        _ => status(429, &[("retry-after", "5")]),
    });
    let limited = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .service(provider.clone());
    let service = OutcomeRoutingLayer::new(router.clone()).layer(limited);
    service.clone().oneshot(chat("a")).await.unwrap();
    let mut waiting = task::spawn(service.clone().oneshot(chat("a")));
    for _ in 0..4 {
        assert_pending!(waiting.poll());
    }
    let get = Request::get("http://provider.example/v1/models");
    let other = service.oneshot(get.body(Frames::empty()).unwrap());
    tokio::time::timeout(seconds(1.0), other)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn f31_nothing_wakes_itself() {
    let router = three();
    let provider = Provider::new(|_, _| Reply::Hang);
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router))
        .service(provider);
    let mut call = task::spawn(stack.oneshot(chat("a")));
    assert_pending!(call.poll());
    // The provider wakes once for each readiness that takes two polls.
    for _ in 0..2 {
        assert_pending!(call.poll());
    }
    assert!(!call.is_woken());
}

#[tokio::test]
async fn the_wrapped_service_is_reachable() {
    let router = three();
    macro_rules! reachable {
        ($layer:expr) => {
            let mut service = $layer.layer(7_u8);
            assert_eq!(*service.get_ref(), 7);
            *service.get_mut() = 8;
            assert_eq!(service.clone().into_inner(), 8);
            assert!(!format!("{service:?}").is_empty());
        };
    }
    reachable!(OutcomeRoutingLayer::new(router.clone()));
    reachable!(ShadowLayer::new(router.clone()));
    reachable!(FailoverLayer::new(router));
    reachable!(CallLayer::new());
}
