//! What the suites share: scripted providers and bodies, requests, answers, and the account that
//! every suite ends with.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "no suite uses all of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod body;
mod frames;
mod provider;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tower_outcome::{OutcomeRouter, router::Passed};

pub use self::{
    body::{Frames, Step},
    frames::{crc32, event_frame, exception_frame, frame, raw_frame},
    provider::{Provider, Reply, Seen},
};

pub type BoxError = tower::BoxError;

pub const CHAT: &str = "http://provider.example/v1/chat/completions";
pub const MESSAGES: &str = "http://provider.example/v1/messages";

/// A router of the models `a`, `b`, `c`.
pub fn three() -> OutcomeRouter {
    models(&["a", "b", "c"])
}

pub fn models(names: &[&str]) -> OutcomeRouter {
    let mut builder = OutcomeRouter::builder().seed(1);
    for name in names {
        builder = builder.model(*name);
    }
    builder.build().unwrap()
}

/// A chat request for a model.
pub fn chat(model: &str) -> Request<Frames> {
    post(CHAT, &chat_body(model))
}

pub fn chat_body(model: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#)
}

pub fn post(uri: &str, body: &str) -> Request<Frames> {
    upload(uri, Frames::of([body.to_owned()]))
}

/// A JSON POST of any body.
pub fn upload<B>(uri: &str, body: B) -> Request<B> {
    let request = Request::post(uri).header("content-type", "application/json");
    request.body(body).unwrap()
}

/// A whole good answer.
pub fn good() -> Response<Frames> {
    json(GOOD)
}

pub const GOOD: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;

pub fn json(body: &str) -> Response<Frames> {
    let response = Response::builder().header("content-type", "application/json");
    response.body(Frames::of([body.to_owned()])).unwrap()
}

pub fn status(status: u16, headers: &[(&str, &str)]) -> Response<Frames> {
    let mut response = json(r#"{"error":{"message":"no"}}"#);
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// A streamed answer of these steps.
pub fn stream(steps: impl IntoIterator<Item = Step>) -> Response<Frames> {
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(Frames::new(steps)).unwrap()
}

pub fn event(data: &str) -> Step {
    Step::data(format!("data: {data}\n\n"))
}

pub const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
pub const CONTENT: &str = r#"{"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
pub const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
pub const ERROR: &str = r#"{"error":{"message":"x","type":"server_error","code":null}}"#;

pub fn good_stream() -> Response<Frames> {
    stream([ROLE, CONTENT, STOP, "[DONE]"].map(event))
}

/// A body, read to its end.
pub async fn read<B>(body: B) -> (Bytes, Option<HeaderMap>)
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned();
    (collected.to_bytes(), trailers)
}

pub async fn text<B>(body: B) -> String
where
    B: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    String::from_utf8(read(body).await.0.to_vec()).unwrap()
}

/// How many attempts settled in which class, when nothing is open any more.
pub fn account(router: &OutcomeRouter) -> BTreeMap<&'static str, u64> {
    let mut classes = BTreeMap::new();
    for target in router.snapshot().targets() {
        assert_eq!(target.in_flight, 0, "{}: {target:?}", target.name);
        assert_eq!(target.picks, target.settled(), "{target:?}");
        for (class, count) in &target.outcomes {
            *classes.entry(*class).or_default() += count;
        }
    }
    classes
}

/// Asserts that the attempts settled in exactly these classes.
#[track_caller]
pub fn assert_account(router: &OutcomeRouter, expected: &[(&'static str, u64)]) {
    assert_eq!(account(router), expected.iter().copied().collect());
}

/// Asserts that exactly these requests passed through unrouted, and nothing else did.
#[track_caller]
pub fn assert_passed(router: &OutcomeRouter, expected: &[(Passed, u64)]) {
    assert_eq!(router.snapshot().counts.passed_through, expected);
}

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Lets spawned tasks run until nothing moves.
pub async fn idle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
