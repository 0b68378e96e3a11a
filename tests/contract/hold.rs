//! A streamed answer is held until its first content, and no longer than is promised.

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_outcome::{
    FailoverLayer, HoldBack, OutcomeRouter, OutcomeRoutingLayer, Pool, ResponseBody, Routed,
};

use crate::support::*;

/// Sends a chat request through failover and routing; also tells how long the head took.
async fn send(
    router: &OutcomeRouter,
    provider: &Provider,
    request: Request<Frames>,
) -> (Response<ResponseBody<Frames>>, f64) {
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let start = Instant::now();
    let answer = stack.oneshot(request).await.unwrap();
    (answer, start.elapsed().as_secs_f64())
}

/// How long the head of a streamed answer of these steps is held.
async fn held(steps: Vec<Step>) -> f64 {
    let steps = std::sync::Mutex::new(Some(steps));
    let provider = Provider::new(move |_, _| stream(steps.lock().unwrap().take().unwrap()));
    let (answer, held) = send(&three(), &provider, chat("a")).await;
    drop(answer);
    held
}

fn repeat(steps: [Step; 2], times: usize) -> Vec<Step> {
    std::iter::repeat_n(steps, times).flatten().collect()
}

#[track_caller]
fn assert_about(seconds: f64, expected: f64) {
    assert!(
        (seconds - expected).abs() < 0.01,
        "{seconds} s, not {expected} s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_held_to_its_first_content() {
    let steps = [
        event(ROLE),
        Step::Wait(seconds(2.0)),
        event(CONTENT),
        Step::Hang,
    ];
    assert_about(held(steps.into()).await, 2.0);
    let reasoning = r#"{"choices":[{"index":0,"delta":{"reasoning_content":"Hm"}}]}"#;
    let steps = [Step::Wait(seconds(1.0)), event(reasoning), Step::Hang];
    assert_about(held(steps.into()).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_let_go_after_five_seconds() {
    assert_about(held(vec![Step::Hang]).await, 5.0);
    assert_about(held(vec![event(ROLE), Step::Hang]).await, 5.0);
    let mut slow = repeat([Step::Wait(seconds(0.3)), event(ROLE)], 30);
    slow.push(Step::Hang);
    assert_about(held(slow).await, 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_ping_lets_a_stream_go_one_second_later() {
    let ping = || Step::data(": ping\n\n");
    assert_about(held(vec![ping(), Step::Hang]).await, 1.0);
    let later = vec![event(ROLE), Step::Wait(seconds(2.0)), ping(), Step::Hang];
    assert_about(held(later).await, 3.0);
    let late = vec![Step::Wait(seconds(4.5)), ping(), Step::Hang];
    assert_about(held(late).await, 5.0);
    let several = repeat([ping(), Step::Wait(seconds(0.4))], 10);
    assert_about(held(several).await, 1.0);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_64_events_or_64_kib() {
    let mut events = vec![event(ROLE); 63];
    events.push(Step::Hang);
    assert_about(held(events.clone()).await, 5.0);
    events.insert(0, event(ROLE));
    assert_about(held(events).await, 0.0);
    let comment = |kib: usize| Step::data(format!(":{}", "x".repeat(kib * 1024 - 1)));
    assert_about(held(vec![comment(64), Step::Hang]).await, 5.0);
    assert_about(held(vec![comment(64), comment(1), Step::Hang]).await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn crumbs_are_not_held_without_end() {
    let mut crumbs = vec![Step::data(""); 100_000];
    crumbs.push(Step::Hang);
    assert_about(held(crumbs).await, 0.0);
    let mut crumbs = vec![Step::data(":"); 32 * 1024];
    crumbs.push(Step::Hang);
    assert_about(held(crumbs).await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn after_release_every_frame_comes_as_it_was_when_it_came() {
    let steps = || {
        vec![
            event(ROLE),
            event(CONTENT),
            Step::Wait(seconds(1.0)),
            Step::data("data: {\"cho"),
            Step::Wait(seconds(1.0)),
            Step::data("ices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"),
            event("[DONE]"),
            Step::trailer("x-end", "1"),
        ]
    };
    let router = three();
    let provider = Provider::new(move |_, _| stream(steps()));
    let (answer, held) = send(&router, &provider, chat("a")).await;
    assert_about(held, 0.0);
    let start = Instant::now();
    let mut body = answer.into_body();
    let mut times = Vec::new();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        times.push(start.elapsed().as_secs());
        frames.push(frame.unwrap());
    }
    assert_eq!(times, [0, 0, 1, 2, 2, 2]);
    let expected: Vec<_> = steps()
        .into_iter()
        .filter_map(|step| match step {
            Step::Data(data) => Some(data),
            _ => None,
        })
        .collect();
    let trailers = frames.pop().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["x-end"], "1");
    let frames: Vec<_> = frames.into_iter().map(|f| f.into_data().unwrap()).collect();
    assert_eq!(frames, expected);
    assert_account(&router, &[("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn hold_back_can_be_switched_off() {
    let silent = || Provider::new(|_, _| stream([event(ROLE), Step::Hang]));
    let mut request = chat("a");
    request.extensions_mut().insert(HoldBack(false));
    let (_answer, held) = send(&three(), &silent(), request).await;
    assert_about(held, 0.0);

    let pool = || Pool::new("p").model("a").hold_back(false);
    let router = || OutcomeRouter::builder().pool(pool()).build().unwrap();
    let (_answer, held) = send(&router(), &silent(), chat("a")).await;
    assert_about(held, 0.0);
    let mut request = chat("a");
    request.extensions_mut().insert(HoldBack(true));
    let (_answer, held) = send(&router(), &silent(), request).await;
    assert_about(held, 5.0);
}

/// How Mistral says that it failed.
const FAILED: &str = r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#;

#[tokio::test(start_paused = true)]
async fn an_error_before_the_first_content_is_failed_over_and_never_seen() {
    for broken in [
        vec![event(ERROR), event("[DONE]")],
        vec![event(ROLE), Step::Wait(seconds(1.0)), event(ERROR)],
        vec![event(ROLE), event(FAILED), event("[DONE]")],
        vec![event(ROLE), Step::Error("reset")],
        vec![event(ROLE)],
    ] {
        let router = three();
        let provider = Provider::new(move |_, number| match number {
            0 => stream(broken.clone()),
            _ => good_stream(),
        });
        let (answer, _) = send(&router, &provider, chat("a")).await;
        assert_eq!(answer.status(), 200);
        let routed = answer.extensions().get::<Routed>().unwrap();
        assert_eq!((routed.target(), routed.attempt()), ("b", 2));
        let body = text(answer.into_body()).await;
        let expected = [ROLE, CONTENT, STOP, "[DONE]"].map(|e| format!("data: {e}\n\n"));
        assert_eq!(body, expected.concat());
        assert_eq!(provider.models(), ["a", "b"]);
        let classes = account(&router);
        assert_eq!(classes["success"], 1, "{classes:?}");
        assert_eq!(classes.values().sum::<u64>(), 2, "{classes:?}");
    }
}

/// A request for a stream.
fn streamed(model: &str) -> Request<Frames> {
    let body = chat_body(model).replacen('{', r#"{"stream":true,"#, 1);
    post(CHAT, &body)
}

/// A stream of events by another name, or by none.
fn unsaid(content_type: &str, steps: impl IntoIterator<Item = Step>) -> Response<Frames> {
    let mut answer = stream(steps);
    answer.headers_mut().remove("content-type");
    if !content_type.is_empty() {
        let content_type = content_type.parse().unwrap();
        answer.headers_mut().insert("content-type", content_type);
    }
    answer
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_say_so_is_known_by_its_beginning() {
    for content_type in ["", "text/plain; charset=utf-8", "application/json"] {
        // Let go with its first content, and watched to its end.
        let router = three();
        let steps = [
            Step::data("\n"),
            Step::data("da"),
            Step::data(format!("ta: {ROLE}\n\n")),
            event(CONTENT),
            Step::Wait(seconds(3.0)),
            event(STOP),
        ];
        let provider = Provider::new(move |_, _| unsaid(content_type, steps.clone()));
        let (answer, held) = send(&router, &provider, streamed("a")).await;
        assert_about(held, 0.0);
        text(answer.into_body()).await;
        assert_account(&router, &[("success", 1)]);

        // An error inside is one, and a cut is one.
        for broken in [vec![event(ROLE), event(ERROR)], vec![event(ROLE)]] {
            let router = three();
            let provider = Provider::new(move |_, number| match number {
                0 => unsaid(content_type, broken.clone()),
                _ => good_stream(),
            });
            let (answer, _) = send(&router, &provider, streamed("a")).await;
            let routed = answer.extensions().get::<Routed>().unwrap();
            assert_eq!(routed.target(), "b", "{content_type}");
        }
    }
    let mut request = streamed("a");
    request.extensions_mut().insert(HoldBack(false));
    let provider = Provider::new(|_, _| unsaid("", [event(ROLE), Step::Hang]));
    let (_answer, held) = send(&three(), &provider, request).await;
    assert_about(held, 0.0);
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_first_content_arrives_as_it_is_and_counts() {
    let router = three();
    let provider = Provider::new(|_, _| stream([ROLE, CONTENT, ERROR].map(event)));
    let (answer, _) = send(&router, &provider, chat("a")).await;
    let body = text(answer.into_body()).await;
    assert!(body.ends_with(&format!("data: {ERROR}\n\n")));
    assert_eq!(provider.models(), ["a"]);
    assert_account(&router, &[("server_error", 1)]);

    let router = three();
    let cut = [event(CONTENT), Step::Error("reset")];
    let provider = Provider::new(move |_, _| stream(cut.clone()));
    let (answer, _) = send(&router, &provider, chat("a")).await;
    let mut body = answer.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "reset");
    assert!(body.frame().await.is_none());
    assert_account(&router, &[("truncated", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_before_its_first_frame_is_an_answer() {
    for content_type in ["audio/mpeg", "text/event-stream", "application/json"] {
        let router = three();
        let provider = Provider::new(move |_, _| {
            let answer = Response::builder().header("content-type", content_type);
            answer.status(204).body(Frames::empty()).unwrap()
        });
        let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
        let answer = service.oneshot(chat("a")).await.unwrap();
        // A server does not poll a body that has ended.
        drop(answer);
        let classes = account(&router);
        assert!(
            !classes.contains_key("abandoned"),
            "{content_type}: {classes:?}"
        );
    }
}
