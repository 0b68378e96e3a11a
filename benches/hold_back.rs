//! What holding a stream back until its first content costs its reader, beside the same stream that
//! is let go at once and the bare inner service.
//!
//! `cargo bench --bench hold_back` first prints when the head and the first content reach the reader,
//! on a paused clock, then what an answer costs in time of the processor.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, Service, service_fn};
use tower_outcome::{HoldBack, OutcomeRouter, OutcomeRoutingLayer, RequestBody};

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = latency, processor
}
criterion_main!(benches);

/// Milliseconds before each event, and the event.
type Script = &'static [(u64, &'static str)];

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
const CONTENT: &str = r#"{"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

/// What a provider may do between the head and the first content.
const SCRIPTS: [(&str, Script); 3] = [
    (
        "content at once",
        &[(0, ROLE), (0, CONTENT), (20, CONTENT), (20, STOP)],
    ),
    (
        "content after 600 ms",
        &[(0, ROLE), (600, CONTENT), (20, CONTENT), (20, STOP)],
    ),
    (
        "content after 8 s",
        &[(0, ROLE), (8000, CONTENT), (20, CONTENT), (20, STOP)],
    ),
];

const AT_ONCE: Script = &[
    (0, ROLE),
    (0, CONTENT),
    (0, CONTENT),
    (0, CONTENT),
    (0, CONTENT),
    (0, CONTENT),
    (0, CONTENT),
    (0, CONTENT),
    (0, STOP),
];

/// Sends its events when they are due.
struct Scripted {
    events: std::slice::Iter<'static, (u64, &'static str)>,
    due: Option<(Pin<Box<Sleep>>, &'static str)>,
}

impl Scripted {
    fn new(script: Script) -> Self {
        Self {
            events: script.iter(),
            due: None,
        }
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.due.is_none() {
            let Some((wait, event)) = self.events.next() else {
                return Poll::Ready(None);
            };
            if *wait == 0 {
                return Poll::Ready(Some(Ok(frame(event))));
            }
            self.due = Some((Box::pin(sleep(Duration::from_millis(*wait))), event));
        }
        if let Some((sleep, event)) = &mut self.due {
            ready!(sleep.as_mut().poll(cx));
            let frame = frame(event);
            self.due = None;
            return Poll::Ready(Some(Ok(frame)));
        }
        Poll::Pending
    }
}

fn frame(event: &str) -> Frame<Bytes> {
    Frame::data(Bytes::from(format!("data: {event}\n\n")))
}

fn request(hold_back: bool) -> Request<Full<Bytes>> {
    let body = r#"{"model":"a","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    Request::post("http://provider.example/v1/chat/completions")
        .header("content-type", "application/json")
        .extension(HoldBack(hold_back))
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

fn answer(script: Script) -> Response<Scripted> {
    Response::builder()
        .header("content-type", "text/event-stream")
        .body(Scripted::new(script))
        .unwrap()
}

fn router() -> OutcomeRouter {
    let builder = OutcomeRouter::builder().model("a").model("b");
    builder.build().unwrap()
}

fn latency(_: &mut Criterion) {
    println!("milliseconds until the reader has the head, and the first content");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for (name, script) in SCRIPTS {
        let mut line = format!("  {name:<21}");
        for (what, hold_back) in [("let go", false), ("held", true)] {
            let (head, content) = runtime.block_on(reach(script, hold_back));
            line += &format!("   {what:>6} {head:>5} {content:>5}");
        }
        println!("{line}");
    }
}

async fn reach(script: Script, hold_back: bool) -> (u128, u128) {
    let inner = service_fn(move |_: Request<RequestBody<Full<Bytes>>>| {
        ready(Ok::<_, Infallible>(answer(script)))
    });
    let mut service = OutcomeRoutingLayer::new(router()).layer(inner);
    let start = Instant::now();
    let response = service.call(request(hold_back)).await.unwrap();
    let head = start.elapsed().as_millis();
    let mut body = pin!(response.into_body());
    while let Some(Ok(frame)) = body.frame().await {
        let text = frame.into_data().unwrap_or_default();
        if memchr::memmem::find(&text, b"Hello").is_some() {
            return (head, start.elapsed().as_millis());
        }
    }
    (head, u128::MAX)
}

fn processor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a stream of nine events");
    let mut bare =
        service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(answer(AT_ONCE))));
    group.bench_function("bare", |b| b.iter(|| read(bare.call(request(true)))));
    let inner = service_fn(|_: Request<RequestBody<Full<Bytes>>>| {
        ready(Ok::<_, Infallible>(answer(AT_ONCE)))
    });
    let mut routed = OutcomeRoutingLayer::new(router()).layer(inner);
    for (name, hold_back) in [("let go", false), ("held", true)] {
        group.bench_function(name, |b| b.iter(|| read(routed.call(request(hold_back)))));
    }
    group.finish();
}

fn read<B: Body<Data = Bytes>>(call: impl Future<Output = Result<Response<B>, Infallible>>) {
    let response = call.now_or_never().unwrap().unwrap();
    let mut body = pin!(response.into_body());
    while let Some(Some(frame)) = body.frame().now_or_never() {
        black_box(frame.is_ok());
    }
}
