//! Timeouts, limits and buffers inside and outside.

use http::Request;
use tokio::time::Instant;
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    buffer::BufferLayer,
    limit::{ConcurrencyLimitLayer, RateLimitLayer},
    load_shed::LoadShedLayer,
    service_fn,
    timeout::TimeoutLayer,
};
use tower_outcome::{Call, CallLayer, Class, FailoverLayer, OutcomeRoutingLayer, RequestBody};

use crate::support::*;

/// The first target never answers, all others do.
fn hangs_once() -> Provider {
    Provider::new(|_, number| match number {
        0 => Reply::Hang,
        _ => good().into(),
    })
}

/// What a stack must be to be handed around; its future, too.
fn handed_around<S>(service: S) -> S
where
    S: Service<Request<Frames>, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    service
}

#[tokio::test(start_paused = true)]
async fn the_usual_stack_fails_over_what_its_inner_timeout_cuts() {
    let (router, provider) = (three(), hangs_once());
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()).deadline(seconds(120.0)))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .layer(TimeoutLayer::new(seconds(10.0)))
            .service(provider.clone()),
    );
    let start = Instant::now();
    let answer = stack.clone().oneshot(chat("a")).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10, "and no pause");
    assert_eq!(text(answer.into_body()).await, GOOD);
    assert_eq!(provider.models(), ["a", "b"]);
    assert_account(&router, &[("success", 1), ("timeout", 1)]);
    let spawned = tokio::spawn(stack.oneshot(chat("a")));
    assert!(spawned.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_total_timeout_above_everything_ends_a_call_once() {
    let (router, provider) = (three(), Provider::new(|_, _| Reply::Hang));
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(TimeoutLayer::new(seconds(15.0)))
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .layer(TimeoutLayer::new(seconds(10.0)))
            .service(provider),
    );
    let error = stack.oneshot(chat("a")).await.err().unwrap();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert_account(&router, &[("abandoned", 1), ("timeout", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_between_failover_and_routing_is_failed_over_too() {
    let (router, provider) = (three(), hangs_once());
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(TimeoutLayer::new(seconds(10.0)))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone()),
    );
    let (mut request, call) = (chat("a"), Call::new());
    request.extensions_mut().insert(call.clone());
    let answer = stack.oneshot(request).await.unwrap();
    assert_eq!(text(answer.into_body()).await, GOOD);
    assert_eq!(provider.models(), ["a", "b"]);
    assert_eq!(call.verdict().unwrap().class, Class::Success);
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_stands_outermost_or_under_a_buffer() {
    let (router, provider) = (three(), Provider::good());
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let limit = || RateLimitLayer::new(1, seconds(2.0));
    let start = Instant::now();
    let mut limited = limit().layer(stack.clone());
    for _ in 0..3 {
        let ready = ServiceExt::<Request<Frames>>::ready(&mut limited)
            .await
            .unwrap();
        ready.call(chat("a")).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 4);

    let start = Instant::now();
    let buffered = handed_around(
        ServiceBuilder::new()
            .layer(BufferLayer::<Request<Frames>>::new(8))
            .layer(limit())
            .service(stack),
    );
    let calls = (0..3).map(|_| tokio::spawn(buffered.clone().oneshot(chat("a"))));
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 4);
    assert_account(&router, &[("success", 6)]);

    // And below everything.
    let start = Instant::now();
    let inside = handed_around(
        ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .layer(BufferLayer::new(8))
            .layer(limit())
            .service(provider),
    );
    for _ in 0..3 {
        inside.clone().oneshot(chat("a")).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 4);
    assert_account(&router, &[("success", 9)]);
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_works_inside_and_outside() {
    for inside in [true, false] {
        let router = three();
        let provider = Provider::new(|_, _| Reply::after(seconds(1.0), good()));
        let limit = ConcurrencyLimitLayer::new(2);
        let stack = ServiceBuilder::new()
            .option_layer((!inside).then(|| limit.clone()))
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .option_layer(inside.then_some(limit))
            .service(provider);
        let stack = handed_around(stack);
        let start = Instant::now();
        let calls = (0..6).map(|_| tokio::spawn(stack.clone().oneshot(chat("a"))));
        for call in calls.collect::<Vec<_>>() {
            let answer = call.await.unwrap().unwrap();
            assert_eq!(text(answer.into_body()).await, GOOD);
        }
        assert_eq!(start.elapsed().as_secs(), 3, "inside: {inside}");
        assert_account(&router, &[("success", 6)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shed_inside_is_nobodys_fault() {
    let router = three();
    let provider = Provider::new(|_, _| Reply::after(seconds(1.0), good()));
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()).attempts(2))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .layer(LoadShedLayer::new())
            .layer(ConcurrencyLimitLayer::new(1))
            .service(provider),
    );
    let first = tokio::spawn(stack.clone().oneshot(chat("a")));
    idle().await;
    let error = stack.oneshot(chat("a")).await.unwrap_err();
    assert!(error.is::<tower::load_shed::error::Overloaded>());
    first.await.unwrap().unwrap();
    let classes = account(&router);
    assert_eq!((classes["success"], classes["overloaded"]), (1, 2));
    for target in router.snapshot().targets() {
        assert!(target.health > 0.98, "{target:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_shed_outside_is_no_attempt() {
    let router = three();
    let provider = service_fn(|_: Request<RequestBody<RequestBody<Frames>>>| async {
        tokio::time::sleep(seconds(1.0)).await;
        Ok::<_, BoxError>(good())
    });
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(LoadShedLayer::new())
            .layer(ConcurrencyLimitLayer::new(1))
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider),
    );
    let first = tokio::spawn(stack.clone().oneshot(chat("a")));
    idle().await;
    assert!(stack.oneshot(chat("a")).await.is_err());
    first.await.unwrap().unwrap();
    assert_account(&router, &[("success", 1)]);
}

#[tokio::test]
async fn layers_can_be_stacked_twice_and_used_alone() {
    let (router, provider) = (three(), Provider::good());
    let stack = handed_around(
        ServiceBuilder::new()
            .layer(CallLayer::new())
            .layer(FailoverLayer::new(router.clone()))
            .layer(CallLayer::new())
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider),
    );
    stack.oneshot(chat("a")).await.unwrap();
    assert_account(&router, &[("success", 1)]);
    let alone = FailoverLayer::new(router.clone()).layer(Provider::new(|_, _| status(503, &[])));
    assert_eq!(alone.oneshot(chat("a")).await.unwrap().status(), 503);
    assert_account(&router, &[("success", 1)]);
}
