//! What the layers add to a call, beside the bare inner service in the same run.
//!
//! `cargo bench --bench layer` prints times; allocations per call are printed first.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

use std::{convert::Infallible, future::ready, hint::black_box, time::Duration};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, service_fn};
use tower_outcome::{FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, dialect::json};

const SIZES: [(&str, usize); 3] = [("1KiB", 1024), ("64KiB", 64 * 1024), ("1MiB", 1024 * 1024)];

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = allocations, calls, scans
}
criterion_main!(benches);

/// A chat request of about `size` bytes that names `model`, key order as the Python SDK sends it.
fn chat(model: &str, size: usize) -> Bytes {
    let text = "The quick brown fox jumps over the lazy dog, and says so at some length. ";
    let text: String = text.chars().cycle().take(size.saturating_sub(90)).collect();
    Bytes::from(format!(
        r#"{{"messages":[{{"role":"user","content":"{text}"}}],"model":"{model}","temperature":0}}"#
    ))
}

fn request(body: &Bytes) -> Request<Full<Bytes>> {
    Request::post("http://provider.example/v1/chat/completions")
        .header("content-type", "application/json")
        .header("content-length", body.len())
        .header("authorization", "Bearer sk-test")
        .header("user-agent", "bench")
        .body(Full::new(body.clone()))
        .unwrap()
}

fn response() -> Response<Full<Bytes>> {
    static ANSWER: &[u8] = br#"{"id":"chatcmpl-1","object":"chat.completion","created":1772366400,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
    Response::builder()
        .header("content-type", "application/json")
        .header("x-ratelimit-limit-requests", "5000")
        .header("x-ratelimit-remaining-requests", "4999")
        .header("x-ratelimit-reset-requests", "12ms")
        .header("x-request-id", "req_1")
        .body(Full::new(Bytes::from_static(ANSWER)))
        .unwrap()
}

/// The inner service: takes the whole body, frame by frame, and answers at once.
fn provider<B: Body<Data = Bytes, Error = Infallible> + Unpin>(
    request: Request<B>,
) -> std::future::Ready<Result<Response<Full<Bytes>>, Infallible>> {
    drain(request.into_body());
    ready(Ok(response()))
}

fn drain<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    while let Some(Some(frame)) = body.frame().now_or_never() {
        black_box(frame.is_ok());
    }
}

/// One call, from the request to the last byte of the answer.
fn call<S, R>(service: &mut S, body: &Bytes)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes>,
{
    let answer = service.call(request(body)).now_or_never().unwrap().unwrap();
    let (parts, body) = answer.into_parts();
    let mut body = std::pin::pin!(body);
    while let Some(Some(frame)) = body.frame().now_or_never() {
        black_box(frame.is_ok());
    }
    black_box(parts);
}

fn router() -> OutcomeRouter {
    let pool = tower_outcome::Pool::new("default")
        .alias("auto")
        .model("gpt-4o")
        .model("gpt-4o-mini");
    OutcomeRouter::builder().pool(pool).build().unwrap()
}

fn allocations(_: &mut Criterion) {
    println!("allocations per call (count, bytes)");
    for (name, size) in SIZES {
        for (what, model) in [("as named", "gpt-4o"), ("renamed", "auto")] {
            let body = chat(model, size);
            let mut bare = service_fn(provider::<Full<Bytes>>);
            let mut routed = OutcomeRoutingLayer::new(router()).layer_on(service_fn(provider));
            let mut failover = ServiceBuilder::new()
                .layer(FailoverLayer::new(router()))
                .layer(OutcomeRoutingLayer::new(router()))
                .service(service_fn(provider));
            call(&mut routed, &body);
            call(&mut failover, &body);
            let bare = allocation_counter::measure(|| call(&mut bare, &body));
            let routed = allocation_counter::measure(|| call(&mut routed, &body));
            let failover = allocation_counter::measure(|| call(&mut failover, &body));
            println!(
                "  {name:>6} {what:<9} bare {:>3} {:>6}   routing +{} +{}   failover and routing +{} +{}",
                bare.count_total,
                bare.bytes_total,
                routed.count_total - bare.count_total,
                routed.bytes_total - bare.bytes_total,
                failover.count_total - bare.count_total,
                failover.bytes_total - bare.bytes_total,
            );
        }
    }
}

trait LayerOn {
    fn layer_on<S: Clone>(&self, inner: S) -> tower_outcome::OutcomeRouting<S>;
}

impl LayerOn for OutcomeRoutingLayer {
    fn layer_on<S: Clone>(&self, inner: S) -> tower_outcome::OutcomeRouting<S> {
        tower::Layer::layer(self, inner)
    }
}

fn calls(criterion: &mut Criterion) {
    for (name, size) in SIZES {
        let mut group = criterion.benchmark_group(format!("call/{name}"));
        let body = chat("gpt-4o", size);
        let renamed = chat("auto", size);
        let mut bare = service_fn(provider::<Full<Bytes>>);
        group.bench_function("bare", |b| {
            b.iter(|| call(&mut bare, &body));
        });
        let mut routed = OutcomeRoutingLayer::new(router()).layer_on(service_fn(provider));
        group.bench_function("routing", |b| {
            b.iter(|| call(&mut routed, &body));
        });
        group.bench_function("routing, renamed", |b| {
            b.iter(|| call(&mut routed, &renamed));
        });
        let shared = router();
        let mut failover = ServiceBuilder::new()
            .layer(FailoverLayer::new(shared.clone()))
            .layer(OutcomeRoutingLayer::new(shared))
            .service(service_fn(provider));
        group.bench_function("failover and routing", |b| {
            b.iter(|| call(&mut failover, &body));
        });
        group.finish();
    }
}

/// Bodies of about a megabyte of one kind of text.
fn texts() -> [(&'static str, String); 5] {
    let repeat = |unit: &str| unit.repeat(1024 * 1024 / unit.len());
    let prose = repeat("It was the best of times, it was the worst of times, it was long ago. ");
    // About a hundred words each.
    let said = "It was the best of times, it was the worst of times, it was long ago. ".repeat(6);
    let turns = repeat(&format!(r#"{{"role":"user","content":"{said}"}},"#));
    let code = serde_json::to_string(&repeat(
        "fn main() {\n    let greeting = \"hello\";\n    println!(\"{greeting}\");\n}\n",
    ))
    .unwrap();
    let tool = r#"{"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string","description":"The city"},"unit":{"type":"string","enum":["c","f"]}},"required":["city"],"additionalProperties":false}}},"#;
    let tools = repeat(tool);
    let numbers = repeat("0.0123,-0.4567,17,3.25e-4,");
    [
        (
            "prose",
            format!(r#"{{"messages":[{{"role":"user","content":"{prose}"}}],"model":"m"}}"#),
        ),
        (
            "prose in messages",
            format!(
                r#"{{"messages":[{}],"model":"m"}}"#,
                turns.trim_end_matches(',')
            ),
        ),
        (
            "code",
            format!(r#"{{"messages":[{{"role":"user","content":{code}}}],"model":"m"}}"#),
        ),
        (
            "tool schemas",
            format!(
                r#"{{"tools":[{}],"model":"m"}}"#,
                tools.trim_end_matches(',')
            ),
        ),
        (
            "numbers",
            format!(
                r#"{{"input":[{}],"model":"m"}}"#,
                numbers.trim_end_matches(',')
            ),
        ),
    ]
}

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, text) in texts() {
        let body = [Bytes::from(text)];
        group.throughput(Throughput::Bytes(body[0].len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                json::members(black_box(&body))
                    .filter(Result::is_ok)
                    .count()
            });
        });
    }
    group.finish();
}
