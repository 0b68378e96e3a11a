//! Copies of calls: as many as paid for, never to the same target, and the call itself never
//! notices.

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tokio_test::task;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_outcome::{
    Candidates, FailoverLayer, HoldBack, Mode, OutcomeRouter, OutcomeRoutingLayer, Pool, Reason,
    RequestBody, ResponseBody, Risk, Routed, Score, Session, ShadowLayer, Strict, Target, Upstream,
    checks::{Answer, Grade},
};

use crate::support::*;

fn always(router: &OutcomeRouter) -> ShadowLayer {
    ShadowLayer::new(router.clone()).percent(100.0).unwrap()
}

fn stack<S>(
    router: &OutcomeRouter,
    shadow: ShadowLayer,
    inner: S,
) -> impl Service<
    Request<Frames>,
    Response = Response<ResponseBody<Frames>>,
    Error = BoxError,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: Service<
            Request<RequestBody<RequestBody<RequestBody<Frames>>>>,
            Response = Response<Frames>,
            Error = BoxError,
            Future: Send,
        > + Clone
        + Send
        + 'static,
{
    ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(shadow)
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(inner)
}

/// Answers the first request well, and the copy with this.
fn beside(mut copy: impl FnMut() -> Reply + Send + 'static) -> Provider {
    Provider::new(move |_, number| match number {
        0 => good().into(),
        _ => copy(),
    })
}

fn shadows(router: &OutcomeRouter) -> u64 {
    router.snapshot().counts.shadows
}

#[tokio::test]
async fn as_many_calls_are_copied_as_was_paid_for() {
    for (percent, least, most) in [
        (0.0, 0, 0),
        (1.0, 4, 6),
        (25.0, 124, 126),
        (100.0, 500, 500),
    ] {
        let (router, provider) = (three(), Provider::good());
        let shadow = ShadowLayer::new(router.clone()).percent(percent).unwrap();
        let stack = stack(&router, shadow, provider.clone());
        for _ in 0..500 {
            let answer = stack.clone().oneshot(chat("a")).await.unwrap();
            assert_eq!(text(answer.into_body()).await, GOOD);
            idle().await;
        }
        let copies = shadows(&router);
        assert!((least..=most).contains(&copies), "{percent} %: {copies}");
        let models = provider.models();
        assert_eq!(models.iter().filter(|model| *model == "a").count(), 500);
        assert_eq!(models.len() as u64, 500 + copies);
        assert_account(&router, &[("success", 500 + copies)]);
    }
}

#[tokio::test]
async fn a_share_is_a_number_of_percent() {
    for wrong in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        assert!(ShadowLayer::new(three()).percent(wrong).is_err());
    }
}

#[tokio::test]
async fn a_copy_is_the_same_request_to_another_target_and_says_so() {
    let upstream = |host: &str| Upstream::new(&format!("http://{host}/v1")).unwrap();
    let pool = Pool::new("pool")
        .target(Target::new("m").named("first").upstream(upstream("one")))
        .target(Target::new("m").named("second").upstream(upstream("two")));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let provider = Provider::good();
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let noted = reasons.clone();
    let stack = ServiceBuilder::new()
        .layer(always(&router))
        .map_response(move |response: Response<ResponseBody<Frames>>| {
            let routed = response.extensions().get::<Routed>().unwrap();
            let (target, attempt) = (routed.target().to_owned(), routed.attempt());
            noted
                .lock()
                .unwrap()
                .push((target, attempt, routed.reason().clone()));
            response
        })
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let body = r#"{"model":"pool","messages":[],"x":"\u00e9"}"#;
    let mut request = post(CHAT, body);
    request.headers_mut().insert("x-own", "1".parse().unwrap());
    request.extensions_mut().insert(Session::new("s"));
    stack.clone().oneshot(request).await.unwrap();
    idle().await;
    let seen = provider.seen();
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        assert_eq!(seen.body(), body.replace("pool", "m"));
        assert_eq!(seen.header("x-own"), Some("1"));
    }
    let mut hosts: Vec<_> = seen.iter().map(|seen| seen.parts.uri.host()).collect();
    hosts.sort_unstable();
    assert_eq!(hosts, [Some("one"), Some("two")]);
    let mut reasons = reasons.lock().unwrap().clone();
    reasons.sort_by_key(|(target, ..)| target.clone());
    assert_eq!(
        reasons,
        [
            ("first".to_owned(), 1, Reason::Preferred),
            ("second".to_owned(), 1, Reason::Shadow)
        ]
    );
    assert_eq!(Reason::Shadow.to_string(), "shadow of a call");
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_copy_the_call_does_not_notice() {
    type Case = (fn() -> Reply, &'static str, f64);
    let copies: [Case; 7] = [
        (|| status(500, &[]).into(), "server_error", 0.0),
        (
            || status(429, &[("retry-after", "9")]).into(),
            "rate_limited",
            0.0,
        ),
        (|| Reply::Error("reset".into()), "server_error", 0.0),
        (|| Reply::Hang, "abandoned", 60.0),
        (|| Reply::Panic, "abandoned", 0.0),
        (
            || stream([event(CONTENT), Step::Error("cut")]).into(),
            "truncated",
            0.0,
        ),
        (
            || stream([event(CONTENT), Step::Hang]).into(),
            "abandoned",
            60.0,
        ),
    ];
    for (copy, class, lasts) in copies {
        let (router, provider) = (three(), beside(copy));
        let stack = stack(&router, always(&router), provider.clone());
        let start = Instant::now();
        let answer = stack.clone().oneshot(chat("a")).await.unwrap();
        assert_eq!(answer.extensions().get::<Routed>().unwrap().target(), "a");
        assert_eq!(text(answer.into_body()).await, GOOD);
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::sleep(seconds(lasts + 0.1)).await;
        assert_eq!(provider.models(), ["a", "b"], "and no repeat");
        assert_account(&router, &[(class, 1), ("success", 1)]);
        assert_eq!(shadows(&router), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_outlives_its_call_but_not_the_stack() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => Reply::Hang,
        _ => Reply::after(seconds(5.0), good()),
    });
    let stack = stack(&router, always(&router), provider.clone());
    let mut call = task::spawn(stack.clone().oneshot(chat("a")));
    for _ in 0..4 {
        assert!(call.poll().is_pending());
    }
    drop(call);
    tokio::time::sleep(seconds(6.0)).await;
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);

    let answer = stack.oneshot(chat("a")).await.unwrap();
    idle().await;
    assert_eq!(provider.heads().len(), 4);
    drop(answer);
    idle().await;
    assert_account(&router, &[("abandoned", 2), ("success", 2)]);
}

#[tokio::test]
async fn a_call_dropped_before_it_was_picked_is_not_copied() {
    let (router, provider) = (three(), Provider::good());
    let mut stack = stack(&router, always(&router), provider.clone());
    let call = stack.ready().await.unwrap().call(chat("a"));
    drop(call);
    idle().await;
    assert!(provider.heads().is_empty());
    assert_account(&router, &[]);
}

#[tokio::test]
async fn a_copy_does_not_stand_in_line_for_a_service() {
    let (router, provider) = (three(), Provider::new(|_, _| Reply::Hang));
    let limited = ServiceBuilder::new()
        .layer(ConcurrencyLimitLayer::new(1))
        .service(provider.clone());
    let stack = stack(&router, always(&router), limited);
    let call = tokio::spawn(stack.clone().oneshot(chat("a")));
    idle().await;
    assert_eq!(provider.models(), ["a"]);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The permit is back: nobody waits for it.
    let other = tokio::spawn(stack.oneshot(chat("b")));
    idle().await;
    assert_eq!(provider.models(), ["a", "b"]);
    other.abort();
    let _ = other.await;
    assert_account(&router, &[("abandoned", 2)]);
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_copied() {
    let hinted = |hint: fn(&mut http::Extensions)| {
        let mut request = chat("a");
        hint(request.extensions_mut());
        request
    };
    let body = |body: &str| post(CHAT, body);
    let requests = [
        hinted(|extensions| _ = extensions.insert(Strict)),
        hinted(|extensions| _ = extensions.insert(Risk)),
        hinted(|extensions| _ = extensions.insert(Candidates::one("a"))),
        body(r#"{"model":"a","store":true}"#),
        body(r#"{"model":"a","tools":[{"type":"web_search"}]}"#),
        body(r#"{"model":"a","tools":[{}],"messages":[{"role":"tool","content":"1"}]}"#),
        body(r#"{"model":"unknown"}"#),
        body("nonsense"),
        chat("c"),
        post("http://h/v1/files", &chat_body("a")),
    ];
    let router = three();
    let count = requests.len();
    let provider = Provider::good();
    let stack = stack(&router, always(&router), provider.clone());
    for request in requests {
        stack.clone().oneshot(request).await.unwrap();
        idle().await;
    }
    assert_eq!(provider.heads().len(), count);
    for mode in [Mode::Observe, Mode::Off] {
        assert!(router.set_mode("default", mode));
        stack.clone().oneshot(chat("a")).await.unwrap();
        idle().await;
    }
    assert_eq!(provider.heads().len(), count + 2);
    assert_eq!(shadows(&router), 0);
    assert_eq!(router.snapshot().counts.refused, 0);
    // And the right to a copy is not lost by it.
    assert!(router.set_mode("default", Mode::Route));
    stack.oneshot(chat("a")).await.unwrap();
    idle().await;
    assert_eq!(shadows(&router), 1);
}

#[tokio::test]
async fn the_callers_candidates_hold_for_the_copy() {
    for (candidates, copied) in [
        (Candidates::only(["a", "c"]), "c"),
        (Candidates::except(["b"]), "c"),
        (Candidates::except(["c"]), "b"),
    ] {
        let (router, provider) = (three(), Provider::good());
        let stack = stack(&router, always(&router), provider.clone());
        let mut request = chat("a");
        request.extensions_mut().insert(candidates);
        stack.clone().oneshot(request).await.unwrap();
        idle().await;
        assert_eq!(provider.models(), ["a", copied]);
    }
}

#[tokio::test]
async fn a_large_request_is_not_copied() {
    let large = format!(r#"{{"model":"a","x":"{}"}}"#, "x".repeat(4 * 1024 * 1024));
    for sized in [true, false] {
        let (router, provider) = (three(), Provider::good());
        let stack = stack(&router, always(&router), provider.clone());
        let body = Frames::of([large.clone()]);
        let body = if sized { body } else { body.unsized_() };
        stack.clone().oneshot(upload(CHAT, body)).await.unwrap();
        idle().await;
        assert_eq!(provider.only().body(), large);
        assert_eq!(shadows(&router), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_not_copied() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => status(500, &[]),
        _ => good(),
    });
    let stack = stack(&router, always(&router), provider.clone());
    stack.oneshot(chat("a")).await.unwrap();
    idle().await;
    assert_eq!(shadows(&router), 1);
    assert_eq!(
        provider.heads().len(),
        3,
        "the attempt, its copy, the repeat"
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_failing_or_full_gets_no_copies() {
    for reply in [
        || status(429, &[("retry-after", "900")]),
        || status(500, &[]),
    ] {
        let router = models(&["a", "b"]);
        let provider = Provider::new(move |parts, _| match parts.headers.contains_key("x-fail") {
            true => reply(),
            false => good(),
        });
        let routing = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
        for _ in 0..6 {
            let mut request = chat("b");
            request.headers_mut().insert("x-fail", "1".parse().unwrap());
            routing.clone().oneshot(request).await.unwrap();
        }
        let before = provider.heads().len();
        let stack = stack(&router, always(&router), provider.clone());
        stack.oneshot(chat("a")).await.unwrap();
        idle().await;
        assert_eq!(provider.heads().len(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn copies_are_bounded_in_number_and_time() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 | 2 | 4 | 5 => good().into(),
        _ => Reply::Hang,
    });
    let shadow = always(&router).at_once(2).time_limit(seconds(3.0));
    let stack = stack(&router, shadow, provider.clone());
    for _ in 0..3 {
        stack.clone().oneshot(chat("a")).await.unwrap();
        idle().await;
    }
    assert_eq!(shadows(&router), 2);
    tokio::time::sleep(seconds(3.1)).await;
    assert_account(&router, &[("abandoned", 2), ("success", 3)]);
    stack.oneshot(chat("a")).await.unwrap();
    idle().await;
    assert_eq!(shadows(&router), 3);
}

#[tokio::test]
async fn the_answer_to_a_copy_is_checked_and_teaches() {
    let grade =
        |answer: &Answer<'_>| (answer.target == "b").then_some(Grade::Quality(Score::WORST));
    let pool = Pool::new("pool").model("a").model("b").success_when(grade);
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let before = router.snapshot().pools[0].targets[1].quality;
    let provider = Provider::new(|_, number| match number {
        0 => good(),
        _ => good_stream(),
    });
    let mut request = chat("a");
    request.extensions_mut().insert(HoldBack(false));
    let stack = stack(&router, always(&router), provider);
    stack.clone().oneshot(request).await.unwrap();
    idle().await;
    let snapshot = router.snapshot();
    assert_eq!(snapshot.counts.reports, 1);
    assert!(snapshot.pools[0].targets[1].quality < before);
}

#[test]
fn without_a_runtime_there_are_no_copies_and_the_call_works() {
    let router = three();
    type Body = Full<Bytes>;
    let client = service_fn(|_: Request<RequestBody<RequestBody<Body>>>| {
        ready(Ok::<_, Infallible>(good().map(|_| Body::from(GOOD))))
    });
    let routing = OutcomeRoutingLayer::new(router.clone()).layer(client);
    let mut service = always(&router).layer(routing);
    let request = upload(CHAT, Body::from(chat_body("a")));
    let answer = service.call(request).now_or_never().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(shadows(&router), 0);
}
