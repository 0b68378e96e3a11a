//! A request goes to a target that can take it, and as that target wants it.

use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_outcome::{
    Class, Explain, FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, PickRequest, Pool,
    Reason, ResponseBody, Routed, Session, ShadowLayer, Target, Upstream, dialect::Groq,
    router::Obstacle,
};

use crate::support::*;

fn router(targets: impl IntoIterator<Item = Target>) -> OutcomeRouter {
    let pool = Pool::new("p");
    let pool = targets.into_iter().fold(pool, Pool::target);
    OutcomeRouter::builder().pool(pool).seed(1).build().unwrap()
}

fn stack(
    router: &OutcomeRouter,
    provider: &Provider,
) -> impl Service<
    Request<Frames>,
    Response = Response<ResponseBody<Frames>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone())
}

/// A chat request of about so many tokens, with these members beside.
fn long(tokens: usize, beside: &str) -> Request<Frames> {
    let text = "some words ".repeat(tokens * 4 / 11);
    let body =
        format!(r#"{{"model":"p"{beside},"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    post(CHAT, &body)
}

fn with(beside: &str) -> Request<Frames> {
    long(4, beside)
}

fn refusal(status_code: u16, error: &str) -> Response<Frames> {
    let mut response = json(&format!(r#"{{"error":{error}}}"#));
    *response.status_mut() = status_code.try_into().unwrap();
    response
}

fn reason(response: &Response<ResponseBody<Frames>>) -> Reason {
    let routed = response.extensions().get::<Routed>().unwrap();
    routed.reason().clone()
}

fn because(response: &Response<ResponseBody<Frames>>) -> Option<Obstacle> {
    match reason(response) {
        Reason::Instead { because, .. } => Some(because),
        _ => None,
    }
}

const TOOLS: &str = r#","tools":[{"type":"function"}]"#;
const JSON: &str = r#","response_format":{"type":"json_object"}"#;
const IMAGE: &str = r#"{"model":"p","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}]}"#;

#[tokio::test(start_paused = true)]
async fn a_prompt_too_long_for_the_first_goes_to_the_second_and_says_why() {
    let router = router([Target::new("a").context_window(8_192), Target::new("b")]);
    let provider = Provider::good();
    let service = stack(&router, &provider);
    let response = service.clone().oneshot(long(20_000, "")).await.unwrap();
    let told = because(&response).unwrap().to_string();
    let start = "its context window of 8192 tokens is too small for about ";
    assert!(told.starts_with(start), "{told}");
    // Not at the margin: what may have as few as fit is sent.
    service.oneshot(long(12_000, "")).await.unwrap();
    assert_eq!(provider.models(), ["b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn an_image_in_the_body_is_no_long_prompt() {
    let router = router([Target::new("a").context_window(8_192), Target::new("b")]);
    let provider = Provider::good();
    let data = "iVBORw0KGgoAAAANSUhEUg".repeat(20_000);
    let body = format!(
        r#"{{"model":"p","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
    );
    let service = stack(&router, &provider);
    service.oneshot(post(CHAT, &body)).await.unwrap();
    assert_eq!(provider.models(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_lacks_an_ability_is_left_out() {
    let plain = || Target::new("a").vision(false).tools(false).json_mode(false);
    let router = router([plain(), Target::new("b").max_output_tokens(100)]);
    let provider = Provider::good();
    let service = stack(&router, &provider);
    for (request, expected) in [
        (with(""), None),
        (with(TOOLS), Some(Obstacle::Tools)),
        (with(JSON), Some(Obstacle::JsonMode)),
        (post(CHAT, IMAGE), Some(Obstacle::Images)),
    ] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(because(&response), expected);
    }
    // Nobody else can take it: that it asks for too much is for the provider to say.
    let both = format!(r#","max_tokens":500{TOOLS}"#);
    let response = service.oneshot(with(&both)).await.unwrap();
    assert_eq!(because(&response), Some(Obstacle::Tools));
    assert_eq!(provider.models(), ["a", "b", "b", "b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_longer_answers_goes_where_they_are() {
    let router = router([Target::new("a").max_output_tokens(100), Target::new("b")]);
    let provider = Provider::good();
    let service = stack(&router, &provider);
    let response = service.clone().oneshot(with(r#","max_tokens":101"#)).await;
    let expected = Obstacle::MaxOutput {
        limit: 100,
        asked: 101,
    };
    assert_eq!(because(&response.unwrap()), Some(expected));
    service.oneshot(with(r#","max_tokens":100"#)).await.unwrap();
    assert_eq!(provider.models(), ["b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_of_every_target_why_it_cannot_take_the_request() {
    let router = router([
        Target::new("a").context_window(8_192).tools(false),
        Target::new("b").tools(false),
    ]);
    let provider = Provider::good();
    let service = stack(&router, &provider);
    let response = service.clone().oneshot(long(20_000, TOOLS)).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["x-should-retry"], "false");
    let error = text(response.into_body()).await;
    assert!(error.contains("a: its context window of 8192 tokens is too small for about 2"));
    assert!(error.contains("; b: does not take tools\""), "{error}");
    let anthropic = r#"{"model":"p","max_tokens":5,"tools":[{"name":"f"}],"messages":[]}"#;
    let response = service.oneshot(post(MESSAGES, anthropic)).await.unwrap();
    assert_eq!(response.status(), 400);
    let error = text(response.into_body()).await;
    assert!(error.starts_with(r#"{"type":"error","error":{"type":"invalid_request_error""#));
    assert!(provider.models().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_an_upstream_does_not_have_is_asked_for_elsewhere() {
    let groq = Upstream::new("http://one.example/v1")
        .unwrap()
        .dialect(&Groq);
    let router = router([Target::new("a").upstream(groq), Target::new("b")]);
    let provider = Provider::good();
    let service = stack(&router, &provider);
    let body = r#"{"model":"p","input":"x"}"#;
    for (path, expected) in [
        ("/v1/moderations", Some(Obstacle::Operation("/moderations"))),
        ("/v1/embeddings", None),
    ] {
        let request = post(&format!("http://provider.example{path}"), body);
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(because(&response), expected);
    }
    assert_eq!(provider.models(), ["b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_context_error_moves_the_next_one_before_it_is_sent() {
    let router = router([Target::new("a"), Target::new("b")]);
    let provider = Provider::new(|_, number| match number {
        0 => refusal(
            400,
            r#"{"message":"This model's maximum context length is 8192 tokens.","code":"context_length_exceeded"}"#,
        ),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let send = |request| {
        let service = service.clone();
        async move { service.oneshot(request).await.unwrap() }
    };
    assert_eq!(send(long(20_000, "")).await.status(), 200);
    let mut explained = long(20_000, "");
    explained.extensions_mut().insert(Explain);
    let response = send(explained).await;
    assert_eq!(because(&response), Some(Obstacle::TooLong(seconds(3600.0))));
    let decision = response.extensions().get::<std::sync::Arc<_>>();
    let decision: &tower_outcome::Decision = decision.unwrap();
    let told = serde_json::to_value(&decision.candidates[0].obstacle).unwrap();
    assert_eq!(told["kind"], "too_long");
    // By the limit, what is longer than that for sure; and shorter ones go on.
    send(long(13_000, "")).await;
    send(long(8_000, "")).await;
    assert_eq!(provider.models(), ["a", "b", "b", "b", "a"]);
    // In an hour one may try again.
    tokio::time::advance(seconds(3601.0)).await;
    send(long(20_000, "")).await;
    send(long(20_000, "")).await;
    assert_eq!(provider.models()[5..], ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_parameter_moves_the_next_one_before_it_is_sent() {
    let router = router([Target::new("a"), Target::new("b")]);
    let provider = Provider::new(|_, number| match number {
        0 => refusal(
            400,
            r#"{"message":"Unsupported parameter","param":"logprobs","code":"unsupported_parameter"}"#,
        ),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let logprobs = || with(r#","logprobs":true"#);
    service.clone().oneshot(logprobs()).await.unwrap();
    let response = service.clone().oneshot(logprobs()).await.unwrap();
    let told = because(&response).unwrap().to_string();
    assert_eq!(told, "refused the parameter \"logprobs\" before");
    service.oneshot(with("")).await.unwrap();
    assert_eq!(provider.models(), ["a", "b", "b", "a"]);
    assert_account(&router, &[("model_error", 1), ("success", 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_ability_moves_the_next_one_before_it_is_sent() {
    let router = router([Target::new("a"), Target::new("b")]);
    let provider = Provider::new(|_, number| match number {
        0 => refusal(400, r#"{"message":"gemma does not support vision"}"#),
        _ => good(),
    });
    let service = stack(&router, &provider);
    for _ in 0..2 {
        service.clone().oneshot(post(CHAT, IMAGE)).await.unwrap();
    }
    service.oneshot(with("")).await.unwrap();
    assert_eq!(provider.models(), ["a", "b", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_out_for_a_minute() {
    let router = router([Target::new("a"), Target::new("b")]);
    let provider = Provider::new(|_, number| match number {
        0 => refusal(404, r#"{"message":"no","code":"model_not_found"}"#),
        _ => good(),
    });
    let service = stack(&router, &provider);
    for _ in 0..2 {
        service.clone().oneshot(with("")).await.unwrap();
    }
    tokio::time::advance(seconds(61.0)).await;
    service.oneshot(with("")).await.unwrap();
    assert_eq!(provider.models(), ["a", "b", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_never_rules_out_the_last_target() {
    let router = router([Target::new("a"), Target::new("b").tools(false)]);
    let provider = Provider::new(|_, _| {
        refusal(
            400,
            r#"{"message":"x","param":"seed","code":"unsupported_parameter"}"#,
        )
    });
    let service = stack(&router, &provider);
    for _ in 0..2 {
        let request = with(&format!(r#","seed":1{TOOLS}"#));
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 400);
        assert!(text(response.into_body()).await.contains("seed"));
    }
    assert_eq!(provider.models(), ["a", "a"]);
}

/// Two targets of one provider, and one of another.
fn providers() -> [Target; 3] {
    let of = |model: &str, base: &str| Target::new(model).upstream(Upstream::new(base).unwrap());
    [
        of("a", "http://one.example/v1"),
        of("b", "http://two.example/v1"),
        of("c", "http://one.example/v1"),
    ]
}

const SIGNED: &str = r#"{"model":"p","max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"Eq"}]},{"role":"user","content":"y"}]}"#;

#[tokio::test(start_paused = true)]
async fn signed_thinking_stays_with_its_provider() {
    let router = router(providers());
    let provider = Provider::new(|_, number| match number {
        0 => status(529, &[]),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let response = service.clone().oneshot(post(MESSAGES, SIGNED)).await;
    assert_eq!(response.unwrap().status(), 200);
    assert_eq!(provider.models(), ["a", "c"], "not to the next in order");
    // By the model that it names.
    let named = SIGNED.replace("\"p\"", "\"b\"");
    service.oneshot(post(MESSAGES, &named)).await.unwrap();
    assert_eq!(provider.models()[2..], ["b"]);
}

#[tokio::test(start_paused = true)]
async fn signed_thinking_stays_with_the_provider_of_its_session() {
    let router = router(providers());
    let provider = Provider::new(|_, number| match number {
        0 => status(429, &[("retry-after", "60")]),
        3 => status(529, &[]),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let send = |body: &str| {
        let mut request = post(MESSAGES, body);
        request.extensions_mut().insert(Session::new("s"));
        service.clone().oneshot(request)
    };
    let first = r#"{"model":"p","max_tokens":5,"messages":[{"role":"user","content":"x"}]}"#;
    send(first).await.unwrap();
    assert_eq!(provider.models(), ["a", "b"]);
    send(SIGNED).await.unwrap();
    assert_eq!(provider.models()[2..], ["b"]);
    // Where its provider fails, nobody else is asked.
    let response = send(SIGNED).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(provider.models()[3..], ["b", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_bound_request_stays_with_its_provider_too() {
    let [a, b, _] = providers();
    let router = router([a, b]);
    let provider = Provider::good();
    let service = ServiceBuilder::new()
        .layer(ShadowLayer::new(router.clone()).percent(100.0).unwrap())
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    service
        .clone()
        .oneshot(post(MESSAGES, SIGNED))
        .await
        .unwrap();
    idle().await;
    assert_eq!(provider.models(), ["a"], "nobody could read the copy");
    let free = SIGNED.replace("thinking", "text");
    service
        .clone()
        .oneshot(post(MESSAGES, &free))
        .await
        .unwrap();
    idle().await;
    assert_eq!(provider.models(), ["a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn targets_of_one_compatibility_group_read_each_others_state() {
    let [a, b, _] = providers();
    let router = router([a.compatibility_group("x"), b.compatibility_group("x")]);
    let provider = Provider::new(|_, number| match number {
        0 => status(503, &[]),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let body = r#"{"model":"p","previous_response_id":"resp_1","input":"x"}"#;
    let request = post("http://provider.example/v1/responses", body);
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    assert_eq!(provider.models(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn parameters_reach_each_target_as_it_wants_them() {
    let router = router([
        Target::new("a")
            .rename_parameter("max_tokens", "max_completion_tokens")
            .drop_parameter("seed")
            .set_parameter("reasoning_effort", "low"),
        Target::new("b"),
    ]);
    let provider = Provider::new(|_, number| match number {
        0 => status(503, &[]),
        _ => good(),
    });
    let service = stack(&router, &provider);
    let body = r#"{"seed":1, "model":"p", "max_tokens" : 5 ,"messages":[ ]}"#;
    let mut request = post(CHAT, body);
    let length = body.len().into();
    request.headers_mut().insert("content-length", length);
    service.oneshot(request).await.unwrap();
    let seen = provider.seen();
    let bodies: Vec<_> = seen.iter().map(Seen::body).collect();
    assert_eq!(
        bodies,
        [
            r#"{"model":"a", "max_completion_tokens" : 5 ,"messages":[ ],"reasoning_effort":"low"}"#,
            r#"{"seed":1, "model":"b", "max_tokens" : 5 ,"messages":[ ]}"#,
        ]
    );
    for seen in &seen {
        let length = seen.body().len().to_string();
        assert_eq!(seen.header("content-length"), Some(length.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_are_put_right_for_the_named_model_and_not_while_observed() {
    let router = router([Target::new("a").drop_parameter("seed")]);
    let provider = Provider::good();
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    let body = r#"{"model":"a","seed":1}"#;
    service.clone().oneshot(post(CHAT, body)).await.unwrap();
    assert!(router.set_mode("p", Mode::Observe));
    service.oneshot(post(CHAT, body)).await.unwrap();
    let bodies: Vec<_> = provider.seen().iter().map(Seen::body).collect();
    assert_eq!(bodies, [r#"{"model":"a"}"#, body]);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_renamed_is_learned_by_its_new_name() {
    let router = router([
        Target::new("a").rename_parameter("max_tokens", "max_completion_tokens"),
        Target::new("b"),
    ]);
    let provider = Provider::new(|_, number| match number {
        0 => refusal(
            400,
            r#"{"message":"x","param":"max_completion_tokens","code":"unsupported_parameter"}"#,
        ),
        _ => good(),
    });
    let service = stack(&router, &provider);
    for _ in 0..2 {
        let request = with(r#","max_tokens":5"#);
        service.clone().oneshot(request).await.unwrap();
    }
    service.oneshot(with("")).await.unwrap();
    assert_eq!(provider.models(), ["a", "b", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_tells_what_did_not_fit() {
    let router = router([Target::new("a")]);
    let provider =
        Provider::new(|_, _| refusal(400, r#"{"message":"m","code":"context_length_exceeded"}"#));
    let service = stack(&router, &provider);
    let call = tower_outcome::Call::new();
    let mut request = with("");
    request.extensions_mut().insert(call.clone());
    service.oneshot(request).await.unwrap();
    let verdict = call.verdict().unwrap();
    assert_eq!(verdict.class, Class::ModelError);
    let expected = tower_outcome::classify::Unfit::Context { limit: None };
    assert_eq!(verdict.unfit, Some(expected));
    // A prompt as short as that is believed to have been too long by nobody.
    let decision = router.decide(&PickRequest::new("p").prompt_tokens(50_000), router.now());
    assert_eq!(decision.unwrap().target(), Some("a"));
}
