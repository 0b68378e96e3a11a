//! A stream passes as it came, however its events are framed.

use http::Response;
use http_body_util::BodyExt;
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_outcome::{FailoverLayer, HoldBack, OutcomeRouter, OutcomeRoutingLayer, Routed};

use crate::support::*;

const LINES: &str = "application/x-ndjson";
const FRAMES: &str = "application/vnd.amazon.eventstream";

fn answer(content_type: &'static str, steps: Vec<Step>) -> Response<Frames> {
    let response = Response::builder().header("content-type", content_type);
    response.body(Frames::new(steps)).unwrap()
}

/// A good stream in every framing, event by event.
fn framed() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let events = [ROLE, CONTENT, STOP];
    vec![
        (
            "text/event-stream",
            events
                .map(|event| format!("data: {event}\n\n").into())
                .into(),
        ),
        (
            LINES,
            events.map(|event| format!("{event}\r\n").into()).into(),
        ),
        (
            FRAMES,
            events.map(|event| event_frame("chunk", event)).into(),
        ),
    ]
}

/// Sends what a provider answers through failover and routing, and returns the body that comes out.
async fn through(router: &OutcomeRouter, provider: Provider, hold_back: bool) -> Vec<bytes::Bytes> {
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider);
    let mut request = chat("a");
    request.extensions_mut().insert(HoldBack(hold_back));
    let mut body = stack.oneshot(request).await.unwrap().into_body();
    let mut frames = vec![];
    while let Some(frame) = body.frame().await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    frames
}

#[tokio::test(start_paused = true)]
async fn frames_come_out_as_they_went_in() {
    for (content_type, events) in framed() {
        let stream = events.concat();
        for piece in [1, 7, 100, stream.len()] {
            for hold_back in [true, false] {
                let pieces: Vec<_> = stream.chunks(piece).map(<[u8]>::to_vec).collect();
                let steps: Vec<_> = pieces
                    .iter()
                    .flat_map(|piece| [Step::data(piece.clone()), Step::Wait(seconds(0.01))])
                    .collect();
                let router = three();
                let provider = Provider::new(move |_, _| answer(content_type, steps.clone()));
                let out = through(&router, provider, hold_back).await;
                assert_eq!(out, pieces, "{content_type}");
                assert_account(&router, &[("success", 1)]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_stream_is_held_to_its_first_content_and_then_let_go() {
    for (content_type, events) in framed() {
        let [role, content, stop] = events.try_into().unwrap();
        let steps = vec![
            Step::data(role),
            Step::Wait(seconds(2.0)),
            Step::data(content),
            Step::Wait(seconds(1.0)),
            Step::data(stop),
        ];
        let provider = Provider::new(move |_, _| answer(content_type, steps.clone()));
        let service = OutcomeRoutingLayer::new(three()).layer(provider);
        let start = tokio::time::Instant::now();
        let answer = service.oneshot(chat("a")).await.unwrap();
        assert_eq!(start.elapsed(), seconds(2.0), "{content_type}");
        let mut body = answer.into_body();
        let mut came = vec![];
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            came.push(start.elapsed().as_secs());
        }
        assert_eq!(came, [2, 2, 3], "{content_type}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_before_its_first_content_is_failed_over_and_never_seen() {
    let throttled = exception_frame("throttlingException", "{\"message\":\"Too many tokens\"}");
    let mut corrupt = event_frame("chunk", CONTENT);
    *corrupt.last_mut().unwrap() ^= 1;
    for (content_type, broken, class) in [
        (
            FRAMES,
            [event_frame("chunk", ROLE), throttled].concat(),
            "rate_limited",
        ),
        (
            FRAMES,
            [event_frame("chunk", ROLE), corrupt].concat(),
            "truncated",
        ),
        (FRAMES, event_frame("chunk", ROLE), "truncated"),
        (LINES, format!("{ROLE}\n{ERROR}\n").into(), "server_error"),
        (LINES, format!("{ROLE}\n").into(), "truncated"),
    ] {
        let router = three();
        let provider = Provider::new(move |_, number| match number {
            0 => answer(content_type, vec![Step::data(broken.clone())]),
            _ => good_stream(),
        });
        let out = through(&router, provider.clone(), true).await.concat();
        assert!(out.starts_with(b"data: "), "{class}");
        assert_eq!(provider.models(), ["a", "b"]);
        assert_account(&router, &[(class, 1), ("success", 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_exception_after_the_first_content_arrives_as_it_is_and_counts() {
    let router = three();
    let frames = [
        event_frame("chunk", CONTENT),
        exception_frame("modelStreamErrorException", "{\"message\":\"broke\"}"),
    ];
    let steps: Vec<_> = frames.iter().cloned().map(Step::data).collect();
    let provider = Provider::new(move |_, _| answer(FRAMES, steps.clone()));
    let out = through(&router, provider, true).await;
    assert_eq!(out, frames);
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_array_is_held_to_its_first_content_where_a_stream_was_asked_for() {
    let uri = "http://provider.example/v1beta/models/a:streamGenerateContent";
    let item = |text: &str, more: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}}{more}}}]}}"#)
    };
    let pieces = [
        format!("[{}\r\n", item("Hello", "")),
        format!(",\r\n{}", item("!", r#","finishReason":"STOP""#)),
        "]".to_owned(),
    ];
    let mut steps = vec![];
    for piece in &pieces {
        steps.extend([Step::Wait(seconds(1.0)), Step::data(piece.clone())]);
    }
    let router = three();
    let provider = Provider::new(move |_, _| answer("application/json", steps.clone()));
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    let start = tokio::time::Instant::now();
    let answer = service
        .oneshot(post(uri, "{\"contents\":[]}"))
        .await
        .unwrap();
    assert_eq!(start.elapsed(), seconds(1.0));
    assert_eq!(answer.extensions().get::<Routed>().unwrap().target(), "a");
    assert_eq!(text(answer.into_body()).await, pieces.concat());
    assert_account(&router, &[("success", 1)]);
}
