//! However an attempt is left, it is settled exactly once, and as what it was.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, retry::RetryLayer, timeout::TimeoutLayer};
use tower_outcome::{
    Call, CallLayer, Class, FailoverLayer, OutcomeRouter, OutcomeRouting, OutcomeRoutingLayer,
    ResponseBody, RetryPolicy, failover::Failover,
};

use self::support::*;

type Stack = Failover<OutcomeRouting<Provider>>;

fn stack(router: &OutcomeRouter, provider: &Provider) -> Stack {
    ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone())
}

/// A provider that answers every request so, and a router for it.
fn scripted<R: Into<Reply>>(
    mut reply: impl FnMut() -> R + Send + 'static,
) -> (OutcomeRouter, Provider) {
    (three(), Provider::new(move |_, _| reply()))
}

fn called() -> (Request<Frames>, Call) {
    let (mut request, call) = (chat("a"), Call::new());
    request.extensions_mut().insert(call.clone());
    (request, call)
}

#[track_caller]
fn assert_verdict(call: &Call, attempts: usize, class: Class) {
    assert_eq!(call.attempts(), attempts);
    assert_eq!(call.verdict().unwrap().class, class);
    assert_eq!(call.last().unwrap().requested_model(), "a");
}

#[tokio::test(start_paused = true)]
async fn f13_an_outer_timeout_is_recorded_once() {
    let (router, provider) = scripted(|| Reply::Hang);
    let service = TimeoutLayer::new(seconds(3.0)).layer(stack(&router, &provider));
    let (request, call) = called();
    let error = service.oneshot(request).await.err().unwrap();
    assert!(error.is::<tower::timeout::error::Elapsed>());
    assert_account(&router, &[("abandoned", 1)]);
    assert_verdict(&call, 1, Class::Abandoned);
    assert_eq!(call.last().unwrap().target(), "a");
    let health = router.snapshot().targets().next().unwrap().health;
    assert!(health > 0.98, "no evidence: {health}");
}

#[tokio::test(start_paused = true)]
async fn f13_an_outer_timeout_past_what_its_answers_ever_take_is_bad() {
    for (patience, bad) in [(0.5, false), (30.0, true)] {
        let router = three();
        let provider = Provider::new(|_, number| match number {
            ..25 => Reply::after(seconds(1.0), good()),
            _ => Reply::Hang,
        });
        for _ in 0..25 {
            let answer = stack(&router, &provider).oneshot(chat("a")).await.unwrap();
            read(answer.into_body()).await;
        }
        let before = router.snapshot().targets().next().unwrap().health;
        let call = stack(&router, &provider).oneshot(chat("a"));
        assert!(timeout(seconds(patience), call).await.is_err());
        assert_account(&router, &[("abandoned", 1), ("success", 25)]);
        let after = router.snapshot().targets().next().unwrap().health;
        assert_eq!(after < before - 0.02, bad, "{before} {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_collecting_or_waiting_it_is_no_attempt() {
    let (router, provider) = scripted(good);
    let upload = upload(CHAT, Frames::new([Step::data("{"), Step::Hang]));
    let call = stack(&router, &provider).oneshot(upload);
    assert!(timeout(seconds(1.0), call).await.is_err());
    assert_account(&router, &[]);

    let router = models(&["a"]);
    let provider = Provider::new(|_, _| status(429, &[("retry-after", "5")]));
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    service.clone().oneshot(chat("a")).await.unwrap();
    let call = service.oneshot(chat("a"));
    assert!(timeout(seconds(1.0), call).await.is_err());
    assert_account(&router, &[("rate_limited", 1)]);
    assert_eq!(provider.heads().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_holding_it_is_what_its_head_said() {
    for (reply, class) in [
        (stream([event(ROLE), Step::Hang]), "abandoned"),
        (
            status(503, &[]).map(|_| Frames::new([Step::Hang])),
            "overloaded",
        ),
        (
            json("").map(|_| Frames::new([Step::data("{"), Step::Hang])),
            "abandoned",
        ),
        (
            status(429, &[]).map(|_| Frames::new([Step::Hang])),
            "rate_limited",
        ),
    ] {
        let mut reply = Some(reply);
        let (router, provider) = scripted(move || reply.take().unwrap());
        let call = stack(&router, &provider).oneshot(chat("a"));
        assert!(timeout(seconds(0.5), call).await.is_err());
        assert_account(&router, &[(class, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_while_pausing_there_is_no_other_attempt() {
    let router = models(&["a"]);
    let provider = Provider::new(|_, _| status(500, &[]));
    let call = stack(&router, &provider).oneshot(chat("a"));
    assert!(timeout(seconds(0.1), call).await.is_err());
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_half_way_is_abandoned() {
    let (router, provider) = scripted(good_stream);
    let (request, call) = called();
    let answer = stack(&router, &provider).oneshot(request).await.unwrap();
    let mut body = answer.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    assert_eq!(router.snapshot().targets().next().unwrap().in_flight, 1);
    assert!(call.verdict().is_none());
    drop(body);
    assert_account(&router, &[("abandoned", 1)]);
    assert_verdict(&call, 1, Class::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_after_its_terminal_event_is_a_success() {
    let frames = [event(CONTENT), event(STOP), event("[DONE]"), Step::Hang];
    let (router, provider) = scripted(move || stream(frames.clone()));
    let (request, call) = called();
    let answer = stack(&router, &provider).oneshot(request).await.unwrap();
    let mut body = answer.into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    assert_account(&router, &[("success", 1)]);
    assert_verdict(&call, 1, Class::Success);
}

#[tokio::test(start_paused = true)]
async fn a_body_dropped_after_an_error_event_is_that_error() {
    let frames = [event(CONTENT), event(ERROR), Step::Hang];
    let (router, provider) = scripted(move || stream(frames.clone()));
    let answer = stack(&router, &provider).oneshot(chat("a")).await.unwrap();
    let mut body = answer.into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_503_that_a_retry_drops_unread_is_a_503() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => status(503, &[]).map(|_| Frames::new([Step::data("x".repeat(70_000)), Step::Hang])),
        _ => good(),
    });
    let answer = stack(&router, &provider).oneshot(chat("a")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_account(&router, &[("overloaded", 1), ("success", 1)]);

    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => status(500, &[]).map(|_| Frames::new([Step::Wait(seconds(9.0))])),
        _ => good(),
    });
    let policy = RetryPolicy::new(&FailoverLayer::new(router.clone()));
    let retried = ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RetryLayer::new(policy))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let body = http_body_util::Full::new(bytes::Bytes::from(chat_body("a")));
    let answer = retried.oneshot(upload(CHAT, body)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(provider.models(), ["a", "b"]);
    assert_account(&router, &[("server_error", 1), ("success", 1)]);
}

/// Runs a call on a task of its own that is expected to panic.
async fn panics<S>(service: S, request: Request<Frames>)
where
    S: Service<Request<Frames>, Response = Response<ResponseBody<Frames>>, Error = BoxError>
        + Send
        + 'static,
    S::Future: Send,
{
    let call = tokio::spawn(async move {
        let answer = service.oneshot(request).await.unwrap();
        read(answer.into_body()).await;
    });
    assert!(call.await.unwrap_err().is_panic());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_inner_service_is_one_outcome() {
    let held = [event(ROLE), Step::Panic];
    let released = [event(CONTENT), Step::Panic];
    let replies: [fn() -> Reply; 2] = [|| Reply::PanicAtOnce, || Reply::Panic];
    for reply in replies {
        let (router, provider) = scripted(reply);
        let (request, call) = called();
        panics(stack(&router, &provider), request).await;
        assert_account(&router, &[("abandoned", 1)]);
        assert_verdict(&call, 1, Class::Abandoned);
    }
    for frames in [held, released] {
        let (router, provider) = scripted(move || stream(frames.clone()));
        let (request, call) = called();
        panics(stack(&router, &provider), request).await;
        assert_account(&router, &[("abandoned", 1)]);
        assert_verdict(&call, 1, Class::Abandoned);
    }
    let (router, provider) =
        scripted(|| status(500, &[]).map(|_| Frames::new([Step::data("{"), Step::Panic])));
    panics(stack(&router, &provider), chat("a")).await;
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_body_is_no_attempt() {
    let (router, provider) = scripted(good);
    let body = Frames::new([Step::data("{"), Step::Panic]);
    panics(stack(&router, &provider), upload(CHAT, body)).await;
    assert_account(&router, &[]);
}

#[tokio::test(start_paused = true)]
async fn an_error_carries_who_failed_and_how() {
    let (router, provider) = scripted(|| Reply::Error("connection reset".into()));
    let (request, call) = called();
    let error = stack(&router, &provider)
        .oneshot(request)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "connection reset");
    assert_verdict(&call, 3, Class::ServerError);
    assert_eq!(call.last().unwrap().target(), "c");
    assert_eq!(call.last().unwrap().attempt(), 3);
    assert_account(&router, &[("server_error", 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_was_never_polled_is_no_attempt() {
    let (router, provider) = scripted(good);
    let mut service = stack(&router, &provider);
    for _ in 0..2 {
        let ready = ServiceExt::<Request<Frames>>::ready(&mut service).await;
        drop(ready.unwrap().call(chat("a")));
    }
    assert_account(&router, &[]);
    assert!(provider.heads().is_empty());
}
