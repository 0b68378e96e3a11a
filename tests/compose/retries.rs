//! tower's own retry with our policy.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt, retry::RetryLayer, timeout::TimeoutLayer};
use tower_outcome::{
    Call, CallLayer, Class, Deadline, FailoverLayer, OutcomeRouter, OutcomeRoutingLayer,
    ResponseBody, RetryPolicy,
};

use crate::support::*;

type Answer = Response<ResponseBody<Frames>>;

fn request(model: &str) -> Request<Full<Bytes>> {
    upload(CHAT, Full::new(Bytes::from(chat_body(model))))
}

fn retried(
    layer: &FailoverLayer,
    router: &OutcomeRouter,
    provider: &Provider,
) -> impl Service<Request<Full<Bytes>>, Response = Answer, Error = BoxError> + Clone + Send + use<>
{
    ServiceBuilder::new()
        .layer(CallLayer::new())
        .layer(RetryLayer::new(RetryPolicy::new(layer)))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(TimeoutLayer::new(seconds(10.0)))
        .service(provider.clone())
}

#[tokio::test(start_paused = true)]
async fn retry_goes_to_the_next_best_target() {
    for failure in [
        || Reply::from(status(503, &[])),
        || status(429, &[("retry-after", "60")]).into(),
        || status(404, &[]).into(),
        || stream([event(ERROR)]).into(),
        || Reply::Error("reset".into()),
        || Reply::Hang,
    ] {
        let router = three();
        let provider = Provider::new(move |_, number| match number {
            0 => failure(),
            _ => good().into(),
        });
        let layer = FailoverLayer::new(router.clone());
        let answer = retried(&layer, &router, &provider)
            .oneshot(request("a"))
            .await
            .unwrap();
        assert_eq!(text(answer.into_body()).await, GOOD);
        assert_eq!(provider.models(), ["a", "b"]);
        assert_eq!(account(&router)["success"], 1);
        assert_eq!(router.snapshot().counts.repeats, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_keeps_the_number_of_attempts() {
    for attempts in [1, 2, 3, 5] {
        let (router, provider) = (three(), Provider::new(|_, _| status(500, &[])));
        let layer = FailoverLayer::new(router.clone()).attempts(attempts);
        let answer = retried(&layer, &router, &provider)
            .oneshot(request("a"))
            .await
            .unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(provider.heads().len(), attempts as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_repeats_elsewhere_only_what_would_fail_again_here() {
    for code in [402, 404] {
        let router = models(&["a"]);
        let provider = Provider::new(move |_, _| status(code, &[]));
        let layer = FailoverLayer::new(router.clone());
        let answer = retried(&layer, &router, &provider)
            .oneshot(request("a"))
            .await
            .unwrap();
        assert_eq!(answer.status(), code);
        assert_eq!(provider.heads().len(), 1, "{code}");
    }
    // The credential is the caller's own: no other target would take it.
    let (router, provider) = (three(), Provider::new(|_, _| status(401, &[])));
    let layer = FailoverLayer::new(router.clone());
    retried(&layer, &router, &provider)
        .oneshot(request("a"))
        .await
        .unwrap();
    assert_eq!(provider.heads().len(), 1);
    // The provider says that it is pointless, here.
    let router = models(&["a"]);
    let provider = Provider::new(|_, _| status(500, &[("x-should-retry", "false")]));
    let layer = FailoverLayer::new(router.clone());
    retried(&layer, &router, &provider)
        .oneshot(request("a"))
        .await
        .unwrap();
    assert_eq!(provider.heads().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn retry_does_not_repeat_what_was_refused_by_ourselves() {
    let router = models(&["a"]);
    let provider = Provider::new(|_, _| status(429, &[("retry-after", "60")]));
    let layer = FailoverLayer::new(router.clone());
    let stack = retried(&layer, &router, &provider);
    let answer = stack.clone().oneshot(request("a")).await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(provider.heads().len(), 1);
    assert_eq!(router.snapshot().counts.refused, 1, "asked once, not twice");
}

#[tokio::test(start_paused = true)]
async fn retry_begins_nothing_after_the_deadline() {
    let (router, provider) = (three(), Provider::new(|_, _| Reply::Hang));
    let layer = FailoverLayer::new(router.clone()).deadline(seconds(5.0));
    let stack = retried(&layer, &router, &provider);
    assert!(stack.clone().oneshot(request("a")).await.is_err());
    assert_eq!(provider.heads().len(), 1);
    let mut longer = request("a");
    longer.extensions_mut().insert(Deadline(seconds(15.0)));
    assert!(stack.oneshot(longer).await.is_err());
    assert_eq!(provider.heads().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn failover_repeats_elsewhere_only_what_would_fail_again_here() {
    let soon = [("retry-after", "1"), ("x-should-retry", "false")];
    for (code, headers) in [
        (402, &soon[..1]),
        (404, &[]),
        (401, &[]),
        (400, &[]),
        (429, &soon[..]),
        (503, &soon[..]),
        (500, &soon[1..]),
    ] {
        let router = models(&["a"]);
        let headers: Vec<_> = headers.to_vec();
        let provider = Provider::new(move |_, _| status(code, &headers));
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone());
        let answer = stack.oneshot(request("a")).await.unwrap();
        assert_eq!(answer.status(), code);
        assert_eq!(provider.heads().len(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn failover_pauses_before_the_same_target_and_keeps_the_providers_wait() {
    for (headers, least, most) in [
        (&[][..], 0.375, 0.5),
        (&[("retry-after", "3")][..], 3.0, 3.3),
        (&[("retry-after", "0.1")][..], 0.375, 0.5),
    ] {
        let router = models(&["a"]);
        let headers: Vec<_> = headers.to_vec();
        let provider = Provider::new(move |_, number| match number {
            0 => status(504, &headers),
            _ => good(),
        });
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone());
        let start = tokio::time::Instant::now();
        let (mut request, call) = (request("a"), Call::new());
        request.extensions_mut().insert(call.clone());
        let answer = stack.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let pause = start.elapsed().as_secs_f64();
        assert!((least..=most + 0.01).contains(&pause), "{pause}");
        drop(answer);
        assert_eq!(call.verdict().unwrap().class, Class::Success);
    }
}

#[tokio::test(start_paused = true)]
async fn headers_of_a_refusal_do_not_reach_the_answer_of_another() {
    let refusal = [
        ("retry-after", "60"),
        ("retry-after-ms", "60000"),
        ("x-should-retry", "true"),
        ("x-ratelimit-remaining-requests", "0"),
        ("anthropic-ratelimit-requests-remaining", "0"),
    ];
    let router = three();
    let provider = Provider::new(move |_, number| match number {
        0 => status(429, &refusal),
        _ => good(),
    });
    let answer = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router))
        .service(provider.clone())
        .oneshot(request("a"))
        .await
        .unwrap();
    assert_eq!(provider.models(), ["a", "b"]);
    for (name, _) in refusal {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}
