//! Many calls through the whole stack, a third of them with a fault, a cancel or a panic: every
//! pick is settled exactly once.
//!
//! `SOAK_CALLS` sets how many; the default is small enough for every test run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::{pin::Pin, task, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::{task::JoinSet, time::sleep};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn, timeout::TimeoutLayer};
use tower_outcome::{
    FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, RequestBody, policy::Rng,
    router::TargetSnapshot,
};

const FAULTS: f64 = 0.3;
const CONCURRENCY: usize = 64;

type Answer = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

#[tokio::test(start_paused = true)]
async fn every_pick_is_settled_exactly_once() {
    std::panic::set_hook(Box::new(|info| {
        if info.payload().downcast_ref::<&str>() != Some(&"scripted") {
            eprintln!("{info}");
        }
    }));
    let calls = std::env::var("SOAK_CALLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000);
    let router = OutcomeRouter::builder()
        .model("a")
        .model("b")
        .model("c")
        .seed(7)
        .build()
        .unwrap();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()).deadline(Duration::from_secs(30)))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(TimeoutLayer::new(Duration::from_secs(20)))
        .service(service_fn(provider));
    let mut tasks = JoinSet::new();
    let mut panics = 0_u64;
    for number in 0..calls {
        let stack = stack.clone();
        tasks.spawn(async move { caller(stack, number).await });
        if tasks.len() >= CONCURRENCY {
            panics += u64::from(tasks.join_next().await.is_some_and(|done| done.is_err()));
        }
    }
    while let Some(done) = tasks.join_next().await {
        panics += u64::from(done.is_err());
    }

    let snapshot = router.snapshot();
    let picks: u64 = snapshot.targets().map(|target| target.picks).sum();
    let settled: u64 = snapshot.targets().map(TargetSnapshot::settled).sum();
    println!("{calls} calls, {panics} panics, {picks} picks, {settled} settled");
    for target in snapshot.targets() {
        println!("{}: {:?}", target.name, target.outcomes);
        assert_eq!(target.in_flight, 0, "{}", target.name);
        assert_eq!(target.picks, target.settled(), "{}", target.name);
    }
    assert!(picks >= calls / 2, "{picks}");
    assert!(panics > calls / 500, "{panics}");
    let classes: std::collections::BTreeSet<_> = snapshot
        .targets()
        .flat_map(|target| target.outcomes.keys())
        .copied()
        .collect();
    for class in [
        "success",
        "server_error",
        "timeout",
        "truncated",
        "abandoned",
        "rate_limited",
        "client_error",
    ] {
        assert!(
            classes.contains(class),
            "{class} never happened: {classes:?}"
        );
    }
}

/// A caller who may lose patience at any point.
async fn caller<S>(stack: S, number: u64)
where
    S: Service<Request<Full<Bytes>>, Response = Response<tower_outcome::ResponseBody<Answer>>>,
    S::Error: std::fmt::Debug,
{
    let mut rng = Rng::new(1, number);
    let stream = rng.next_f64() < 0.5;
    let body = format!(r#"{{"model":"a","stream":{stream},"n":{number}}}"#);
    let request = Request::post("http://provider/v1/chat/completions")
        .header("content-type", "application/json")
        .header("x-number", number)
        .header("x-stream", if stream { "1" } else { "0" })
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let patience = if rng.next_f64() < FAULTS / 3.0 {
        Duration::from_millis((rng.next_f64() * 3000.0) as u64)
    } else {
        Duration::from_secs(600)
    };
    let read_on = rng.next_f64() >= FAULTS / 6.0;
    let _ = tokio::time::timeout(patience, async {
        let Ok(response) = stack.oneshot(request).await else {
            return;
        };
        let mut body = std::pin::pin!(response.into_body());
        let mut frames = 0;
        while let Some(Ok(_)) = body.frame().await {
            frames += 1;
            if !read_on && frames == 2 {
                return;
            }
        }
    })
    .await;
}

/// A provider with a fault in about a third of its answers.
async fn provider(
    request: Request<RequestBody<RequestBody<Full<Bytes>>>>,
) -> Result<Response<Answer>, BoxError> {
    let number = header(&request, "x-number");
    let stream = header(&request, "x-stream") == 1;
    let body = request.into_body().collect().await?.to_bytes();
    let mut rng = Rng::new(
        2,
        number ^ (body.len() as u64) << 40 ^ u64::from(body[10]) << 32,
    );
    if rng.next_f64() < 0.3 {
        sleep(Duration::from_millis((rng.next_f64() * 2000.0) as u64)).await;
    }
    let fault = (rng.next_f64() < FAULTS).then(|| rng.next_u64() % 10);
    match fault {
        Some(0) => panic!("scripted"),
        Some(1) => return Err("connection reset".into()),
        Some(2) => std::future::pending::<()>().await,
        Some(3) => return Ok(status(429, &[("retry-after", "0.05")])),
        Some(4) => return Ok(status(503, &[])),
        Some(5) => return Ok(status(400, &[])),
        _ => {}
    }
    let mut frames: Frames = if stream { events() } else { json() };
    match fault {
        Some(6) => frames.truncate(frames.len() / 2),
        Some(7) => frames.push(Err("reset".into())),
        Some(8) => frames.insert(0, Ok(Frame::data(Bytes::from_static(
            b"data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"code\":null}}\n\n",
        )))),
        _ => {}
    }
    let content_type = if stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let panics = fault == Some(9);
    let body = Paced {
        frames: frames.into(),
        slow: rng.next_f64() < 0.2,
        sleep: None,
        panics,
    };
    Ok(Response::builder()
        .header("content-type", content_type)
        .body(body.boxed_unsync())
        .unwrap())
}

fn header<B>(request: &Request<B>, name: &str) -> u64 {
    request.headers()[name].to_str().unwrap().parse().unwrap()
}

fn status(status: u16, headers: &[(&str, &str)]) -> Response<Answer> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let body: Frames = vec![Ok(Frame::data(Bytes::from_static(
        b"{\"error\":{\"message\":\"no\"}}",
    )))];
    response
        .body(StreamBody::new(futures_util::stream::iter(body)).boxed_unsync())
        .unwrap()
}

fn events() -> Frames {
    let event = |text: &str| Ok(Frame::data(Bytes::from(format!("data: {text}\n\n"))));
    vec![
        event(r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#),
        event(r#"{"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#),
        event(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#),
        event("[DONE]"),
    ]
}

fn json() -> Frames {
    let text = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}"#;
    let (first, second) = text.split_at(40);
    vec![
        Ok(Frame::data(Bytes::from(first))),
        Ok(Frame::data(Bytes::from(second))),
    ]
}

/// A body whose frames may come slowly, or not at all.
struct Paced {
    frames: std::collections::VecDeque<Result<Frame<Bytes>, BoxError>>,
    slow: bool,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    panics: bool,
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.slow {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(700))));
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        if self.panics && self.frames.len() == 1 {
            panic!("scripted");
        }
        task::Poll::Ready(self.frames.pop_front())
    }
}
