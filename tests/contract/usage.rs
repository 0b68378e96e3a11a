//! What an attempt used and cost is added up, however it ended; and a stream is asked for it without
//! the caller noticing.

use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_outcome::{
    Call, FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, Pool, Price, ResponseBody,
    Target, classify::Usage, router::TargetSnapshot,
};

use crate::support::*;

const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":50,"total_tokens":1050,"prompt_tokens_details":{"cached_tokens":600},"completion_tokens_details":{"reasoning_tokens":30}}}"#;
/// Fresh, cached and written prompt tokens, and the answer.
const PRICE: [f64; 4] = [2.5, 0.25, 3.0, 10.0];

fn price() -> Price {
    let [input, cached, written, output] = PRICE;
    Price::per_million(input, output)
        .cached(cached)
        .written(written)
}

/// A pool of the priced models `a`, `b`.
fn pool() -> Pool {
    let target = |model| Target::new(model).price(price());
    Pool::new("chat").target(target("a")).target(target("b"))
}

fn router(pool: Pool) -> OutcomeRouter {
    OutcomeRouter::builder().seed(1).pool(pool).build().unwrap()
}

fn asking() -> OutcomeRouter {
    router(pool().ask_usage(true))
}

fn request(body: &str) -> Request<Frames> {
    let mut request = post(CHAT, body);
    request.extensions_mut().insert(Call::new());
    request
}

fn streamed() -> Request<Frames> {
    request(r#"{"model":"a","stream":true,"messages":[]}"#)
}

async fn send(
    router: &OutcomeRouter,
    provider: &Provider,
    request: Request<Frames>,
) -> (Response<ResponseBody<Frames>>, Call) {
    let call = request.extensions().get::<Call>().unwrap().clone();
    let stack = ServiceBuilder::new()
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    (stack.oneshot(request).await.unwrap(), call)
}

fn first(router: &OutcomeRouter) -> TargetSnapshot {
    let snapshot = router.snapshot();
    snapshot.targets().next().unwrap().clone()
}

#[track_caller]
fn assert_dollars(dollars: Option<f64>, expected: f64) {
    let dollars = dollars.unwrap();
    assert!(
        (dollars - expected).abs() < 1e-9,
        "{dollars}, not {expected}"
    );
}

/// What the usage of these streams costs.
fn streamed_cost() -> f64 {
    (400.0 * PRICE[0] + 600.0 * PRICE[1] + 50.0 * PRICE[3]) / 1e6
}

fn answer(usage: &str) -> String {
    GOOD.replacen('{', &format!("{{\"usage\":{usage},"), 1)
}

#[tokio::test]
async fn a_whole_answer_is_added_up() {
    let usage = r#"{"prompt_tokens":2000,"completion_tokens":300,
        "prompt_tokens_details":{"cached_tokens":1500,"cache_write_tokens":100},
        "completion_tokens_details":{"reasoning_tokens":200}}"#;
    let provider = Provider::new(move |_, _| json(&answer(usage)));
    let router = router(pool());
    let cost = (400.0 * PRICE[0] + 1500.0 * PRICE[1] + 100.0 * PRICE[2] + 300.0 * PRICE[3]) / 1e6;
    for calls in 1..=3_u64 {
        let (answer, call) = send(&router, &provider, request(&chat_body("a"))).await;
        text(answer.into_body()).await;
        let used = Usage::new(2000, 300)
            .cached(1500)
            .written(100)
            .reasoning(200);
        assert_eq!(call.usage(), Some(used));
        assert_dollars(call.cost(), cost);
        let target = first(&router);
        assert_eq!(target.usage_reports, calls);
        assert_eq!(
            [
                target.input_tokens,
                target.cached_tokens,
                target.written_tokens,
                target.output_tokens,
                target.reasoning_tokens,
            ],
            [2000, 1500, 100, 300, 200].map(|tokens| tokens * calls)
        );
        assert_dollars(target.dollars, cost * calls as f64);
        assert_dollars(target.failed_dollars, 0.0);
        assert_dollars(router.snapshot().pools[0].dollars, cost * calls as f64);
    }
    let shown = serde_json::to_value(router.snapshot()).unwrap();
    let shown = &shown["pools"][0]["targets"][0];
    assert_eq!(shown["cached_tokens"], 4500);
    assert_dollars(shown["dollars"].as_f64(), cost * 3.0);
}

fn anthropic(cut: bool) -> Vec<Step> {
    let mut steps = vec![
        event(
            r#"{"type":"message_start","message":{"content":[],"usage":{"input_tokens":25,"cache_read_input_tokens":900,"cache_creation_input_tokens":75,"output_tokens":1}}}"#,
        ),
        event(
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        ),
    ];
    if cut {
        steps.push(Step::Hang);
        return steps;
    }
    steps.extend([
        event(
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#,
        ),
        event(r#"{"type":"message_stop"}"#),
    ]);
    steps
}

fn messages() -> Request<Frames> {
    let mut request = post(
        MESSAGES,
        r#"{"model":"a","stream":true,"max_tokens":9,"messages":[]}"#,
    );
    request.extensions_mut().insert(Call::new());
    request
}

#[tokio::test]
async fn a_stream_of_anthropics_is_added_up_at_its_end() {
    let provider = Provider::new(|_, _| stream(anthropic(false)));
    let router = asking();
    let (answer, call) = send(&router, &provider, messages()).await;
    assert_eq!((call.usage(), call.cost()), (None, None));
    text(answer.into_body()).await;
    let used = Usage::new(1000, 15).cached(900).written(75);
    assert_eq!(call.usage(), Some(used));
    let cost = (25.0 * PRICE[0] + 900.0 * PRICE[1] + 75.0 * PRICE[2] + 15.0 * PRICE[3]) / 1e6;
    assert_dollars(call.cost(), cost);
    assert_dollars(first(&router).dollars, cost);
    assert!(!provider.only().body().contains("stream_options"));
}

#[tokio::test]
async fn what_came_of_an_abandoned_stream_was_paid_for() {
    let provider = Provider::new(|_, _| stream(anthropic(true)));
    let router = router(pool());
    let (answer, call) = send(&router, &provider, messages()).await;
    drop(answer);
    assert_account(&router, &[("abandoned", 1)]);
    let cost = (25.0 * PRICE[0] + 900.0 * PRICE[1] + 75.0 * PRICE[2] + PRICE[3]) / 1e6;
    assert_dollars(call.cost(), cost);
    assert_dollars(first(&router).dollars, cost);
    assert_dollars(first(&router).failed_dollars, 0.0);
}

#[tokio::test(start_paused = true)]
async fn failed_attempts_that_report_usage_cost_too() {
    let provider = Provider::new(|_, number| {
        let usage = r#"{"prompt_tokens":100,"completion_tokens":10}"#;
        let mut answer = json(&answer(usage));
        if number == 0 {
            answer = json(&format!(r#"{{"error":{{"message":"x"}},"usage":{usage}}}"#));
            *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        answer
    });
    let router = router(pool());
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let request = request(&chat_body("a"));
    let call = request.extensions().get::<Call>().unwrap().clone();
    let answer = stack.oneshot(request).await.unwrap();
    text(answer.into_body()).await;
    let one = (100.0 * PRICE[0] + 10.0 * PRICE[3]) / 1e6;
    assert_eq!(call.attempts(), 2);
    assert_dollars(call.cost(), 2.0 * one);
    let pool = &router.snapshot().pools[0];
    assert_dollars(pool.dollars, 2.0 * one);
    assert_dollars(pool.failed_dollars, one);
    assert_dollars(pool.targets[1].failed_dollars, 0.0);
}

#[tokio::test]
async fn counts_that_no_answer_can_have_are_not_believed() {
    for usage in [
        r#"{"prompt_tokens":1e30,"completion_tokens":10}"#,
        r#"{"prompt_tokens":10,"completion_tokens":18446744073709551615}"#,
    ] {
        let provider = Provider::new(move |_, _| json(&answer(usage)));
        let router = router(pool());
        let (answer, call) = send(&router, &provider, request(&chat_body("a"))).await;
        text(answer.into_body()).await;
        assert_account(&router, &[("success", 1)]);
        assert_eq!(call.cost(), None);
        assert_eq!(first(&router).usage_reports, 0);
        assert_dollars(first(&router).dollars, 0.0);
    }
}

#[tokio::test]
async fn a_price_of_nothing_is_known_and_no_price_is_not() {
    let provider = Provider::new(|_, _| {
        json(&answer(
            r#"{"prompt_tokens":1000000,"completion_tokens":0}"#,
        ))
    });
    let free = Target::new("a").price(Price::per_million(0.0, 0.0));
    let router = router(Pool::new("chat").target(free).model("b"));
    let cost = async |model| {
        let (answer, call) = send(&router, &provider, request(&chat_body(model))).await;
        text(answer.into_body()).await;
        assert_eq!(call.usage(), Some(Usage::new(1_000_000, 0)));
        call.cost()
    };
    assert_eq!(cost("a").await, Some(0.0));
    assert_eq!(cost("b").await, None);
    assert_eq!(router.snapshot().pools[0].dollars, Some(0.0));
    assert_eq!(router.snapshot().pools[0].targets[1].dollars, None);
    assert!(router.set_price("chat", "b", Price::per_million(3.0, 0.0)));
    assert_eq!(cost("b").await, Some(3.0));
    assert_eq!(router.snapshot().pools[0].targets[1].dollars, Some(3.0));
}

#[tokio::test]
async fn headers_tell_what_the_body_does_not() {
    let provider = Provider::new(|_, number| {
        let mut response = if number == 0 {
            good()
        } else {
            json(&answer(r#"{"prompt_tokens":7,"completion_tokens":1}"#))
        };
        for (name, value) in [
            ("x-amzn-bedrock-input-token-count", "12"),
            ("x-amzn-bedrock-output-token-count", "34"),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    });
    let router = router(pool());
    for expected in [Usage::new(12, 34), Usage::new(7, 1)] {
        let (answer, call) = send(&router, &provider, request(&chat_body("a"))).await;
        text(answer.into_body()).await;
        assert_eq!(call.usage(), Some(expected));
    }
}

fn events(data: &[&str]) -> String {
    data.iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect()
}

#[tokio::test]
async fn a_stream_is_asked_and_its_caller_sees_nothing_of_it() {
    let all = events(&[ROLE, CONTENT, STOP, USAGE, "[DONE]"]);
    let seen = events(&[ROLE, CONTENT, STOP, "[DONE]"]);
    for size in [1, 10, 100, all.len()] {
        let (router, body) = (asking(), all.clone());
        let provider = Provider::new(move |_, _| {
            let chunks = body.as_bytes().chunks(size).map(<[u8]>::to_vec);
            let mut answer = stream(chunks.map(Step::data));
            let length = body.len().to_string().parse().unwrap();
            answer.headers_mut().insert("content-length", length);
            answer
        });
        let mut request = streamed();
        let headers = request.headers_mut();
        headers.insert("accept-encoding", "gzip, br".parse().unwrap());
        let (answer, call) = send(&router, &provider, request).await;
        assert!(!answer.headers().contains_key("content-length"));
        assert_eq!(text(answer.into_body()).await, seen, "by {size}");
        let asked = provider.only();
        assert_eq!(
            asked.body(),
            r#"{"model":"a","stream":true,"messages":[],"stream_options":{"include_usage":true}}"#
        );
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
        let length = asked.body().len().to_string();
        assert_eq!(asked.header("content-length"), Some(&*length));
        let used = Usage::new(1000, 50).cached(600).reasoning(30);
        assert_eq!(call.usage(), Some(used));
        assert_dollars(call.cost(), streamed_cost());
        assert_dollars(first(&router).dollars, streamed_cost());
        assert_account(&router, &[("success", 1)]);
    }
}

#[tokio::test]
async fn the_option_goes_with_another_model_and_into_options_that_are_there() {
    let router = asking();
    let provider = Provider::new(|_, _| good_stream());
    let body = r#"{"stream_options":{"include_usage":false},"model":"chat","stream":true}"#;
    let (answer, _) = send(&router, &provider, request(body)).await;
    text(answer.into_body()).await;
    assert_eq!(
        provider.only().body(),
        r#"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#
    );
}

#[tokio::test]
async fn nobody_is_asked_who_need_not_be() {
    let all = events(&[CONTENT, STOP, USAGE, "[DONE]"]);
    let untouched = |router: OutcomeRouter, uri: &'static str, body: &'static str| {
        let all = all.clone();
        async move {
            let stream = all.clone();
            let provider = Provider::new(move |_, _| self::stream([Step::data(stream.clone())]));
            let mut request = post(uri, body);
            request.extensions_mut().insert(Call::new());
            let (answer, _) = send(&router, &provider, request).await;
            assert_eq!(provider.only().body(), body);
            assert_eq!(text(answer.into_body()).await, all, "{body}");
        }
    };
    let plain = r#"{"model":"a","stream":true}"#;
    untouched(router(pool()), CHAT, plain).await;
    untouched(
        router(pool().ask_usage(true).mode(Mode::Observe)),
        CHAT,
        plain,
    )
    .await;
    untouched(router(pool().ask_usage(true).mode(Mode::Off)), CHAT, plain).await;
    untouched(asking(), MESSAGES, plain).await;
    untouched(asking(), "http://provider.example/v1/responses", plain).await;
    for body in [
        r#"{"model":"a","stream":false}"#,
        r#"{"model":"a"}"#,
        r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"model":"a","stream":true,"stream_options":"all"}"#,
    ] {
        untouched(asking(), CHAT, body).await;
    }
}

#[tokio::test]
async fn usage_on_the_last_chunk_of_the_answer_stays() {
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#;
    let all = events(&[ROLE, CONTENT, last, "[DONE]"]);
    let (router, body) = (asking(), all.clone());
    let provider = Provider::new(move |_, _| stream([Step::data(body.clone())]));
    let (answer, call) = send(&router, &provider, streamed()).await;
    assert_eq!(text(answer.into_body()).await, all);
    assert_eq!(call.usage(), Some(Usage::new(4, 2)));
}

#[tokio::test]
async fn what_is_held_comes_before_an_error_and_before_the_end() {
    let begun = "data: {\"choices\":[],\"usage\"";
    for error in [true, false] {
        let router = asking();
        let provider = Provider::new(move |_, _| {
            let mut steps = vec![event(CONTENT), event(STOP), Step::data(begun)];
            steps.extend(error.then_some(Step::Error("reset")));
            stream(steps)
        });
        let (answer, _) = send(&router, &provider, streamed()).await;
        let mut body = answer.into_body();
        let mut got = Vec::new();
        let failed = loop {
            match body.frame().await {
                Some(Ok(frame)) => got.extend(frame.into_data()),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert_eq!(got.concat(), (events(&[CONTENT, STOP]) + begun).as_bytes());
        assert_eq!(failed, error);
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_answer_waits_for_what_follows() {
    let router = asking();
    let provider = Provider::new(|_, _| {
        stream([
            event(CONTENT),
            Step::data("data: {\"choices\":[{\"delta\":{\"content\":\"x"),
            Step::Wait(seconds(1.0)),
            Step::data("\"}}]}\n\n"),
            event(STOP),
            Step::Wait(seconds(1.0)),
            event(USAGE),
            Step::Wait(seconds(1.0)),
            event("[DONE]"),
        ])
    });
    let (answer, _) = send(&router, &provider, streamed()).await;
    let start = tokio::time::Instant::now();
    let mut body = answer.into_body();
    let mut times = Vec::new();
    while let Some(frame) = body.frame().await {
        assert!(frame.is_ok());
        times.push(start.elapsed().as_secs());
    }
    assert_eq!(times, [0, 0, 1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_refuses_is_not_asked_for_an_hour() {
    let router = asking();
    let provider = Provider::new(|_, number| {
        if number > 0 {
            return good_stream();
        }
        let mut refusal = json(
            r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}"#,
        );
        *refusal.status_mut() = http::StatusCode::BAD_REQUEST;
        refusal
    });
    let send = async || {
        let (answer, _) = send(&router, &provider, streamed()).await;
        let status = answer.status().as_u16();
        text(answer.into_body()).await;
        let asked = provider.seen().last().unwrap().body();
        (status, asked.contains("stream_options"))
    };
    assert_eq!(send().await, (400, true));
    assert_eq!(send().await, (200, false));
    tokio::time::advance(Duration::from_secs(3590)).await;
    assert_eq!(send().await, (200, false));
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(send().await, (200, true));
    assert_eq!(router.snapshot().counts.usage_refused, 1);
}
