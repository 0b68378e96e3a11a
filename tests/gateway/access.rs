//! Client keys: who is let in, to what, and for how much.

use std::{net::SocketAddr, time::SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::ServiceExt;
use tower_outcome::{
    OutcomeRouter, Pool, Price, Target,
    config::Config,
    gateway::{Builder, ClientKey, Gateway},
};

use crate::support::*;

const OK: &str = "{\"id\":\"chatcmpl-1\",\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}],\
                  \"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":1000}}";
const GEMINI: &str = "/v1beta/models/first:generateContent";

/// Two pools at one provider, a dollar for each call of a thousand tokens.
fn two_pools(provider: &Raw) -> OutcomeRouter {
    let pool = |pool: &str, model: &str| {
        let target = Target::new(model).upstream(provider.upstream());
        Pool::new(pool).target(target.price(Price::per_million(500.0, 500.0)))
    };
    let router = OutcomeRouter::builder().pool(pool("chat", "first"));
    router.pool(pool("secret", "second")).build().unwrap()
}

fn guarded(provider: &Raw) -> Builder {
    Gateway::builder(two_pools(provider)).client_keys([
        ClientKey::of_secret("all", "key-of-all"),
        ClientKey::of_secret("chat", "key-of-chat").pools(["chat"]),
        ClientKey::of_secret("frugal", "key-of-frugal").daily_dollars(1.5),
    ])
}

async fn call(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Response<Bytes> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let uri = format!("http://{address}{path}");
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers
        .iter()
        .chain(&[("content-type", "application/json")])
    {
        request = request.header(*name, *value);
    }
    let body = Full::new(body.unwrap_or_default().into());
    send(request.body(body).unwrap()).await
}

async fn chat(address: SocketAddr, key: &str, model: &str) -> Response<Bytes> {
    let key = format!("Bearer {key}");
    call(address, CHAT, &[("authorization", &key)], Some(ask(model))).await
}

#[allow(
    clippy::disallowed_methods,
    reason = "the day is that of the router's own clock"
)]
fn wall() -> SystemTime {
    SystemTime::now()
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn without_a_known_key_nothing_is_served_in_any_dialect() {
    let provider = Raw::json(200, OK).await;
    let address = start(guarded(&provider).build().unwrap()).await;
    for (path, pointer, kind) in [
        (CHAT, "/error/code", "invalid_api_key"),
        (MESSAGES, "/error/type", "authentication_error"),
        (GEMINI, "/error/status", "UNAUTHENTICATED"),
        ("/model/first/converse", "/__type", "AccessDeniedException"),
        ("/outcome/feedback", "/error/code", "invalid_api_key"),
        ("/v1/files", "/error/code", "invalid_api_key"),
    ] {
        for (headers, told) in [
            (&[][..], "no key"),
            (&[("authorization", "Bearer canary")][..], "none of"),
            (&[("x-api-key", "canary")][..], "none of"),
        ] {
            let response = call(address, path, headers, Some(ask("first"))).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(text(response.headers(), "www-authenticate"), "Bearer");
            let body = json(&response);
            assert_eq!(body.pointer(pointer).unwrap(), kind, "{body}");
            assert!(body.to_string().contains(told), "{body}");
            assert!(!body.to_string().contains("canary"), "{body}");
        }
    }
    let signed = [("authorization", "AWS4-HMAC-SHA256 Credential=canary")];
    let response = call(
        address,
        "/model/first/converse",
        &signed,
        Some(ask("first")),
    )
    .await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let told = json(&response)["message"].to_string();
    assert!(told.contains("AWS_BEARER_TOKEN_BEDROCK"), "{told}");
    for path in ["/v1/models", "/outcome/state", "/"] {
        let response = call(address, path, &[], None).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(call(address, "/healthz", &[], None).await.status(), 200);
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn f39_a_key_lets_in_wherever_it_is_put_and_goes_no_further() {
    let provider = Raw::json(200, OK).await;
    let address = start(guarded(&provider).build().unwrap()).await;
    for (path, name, value) in [
        (CHAT, "authorization", "Bearer key-of-all"),
        (CHAT, "api-key", "key-of-all"),
        (MESSAGES, "x-api-key", "key-of-all"),
        (GEMINI, "x-goog-api-key", "key-of-all"),
        (&format!("{CHAT}?key=key-of-all&a=b"), "accept", "*/*"),
        (
            "/model/first/converse",
            "authorization",
            "Bearer key-of-all",
        ),
    ] {
        let response = call(address, path, &[(name, value)], Some(ask("first"))).await;
        assert_eq!(response.status(), StatusCode::OK, "{path} {name}");
    }
    let seen = provider.seen();
    assert_eq!(seen.len(), 6);
    for seen in seen {
        assert!(!seen.contains("key-of-all"), "{seen}");
    }
}

#[tokio::test]
async fn a_pool_that_is_closed_to_a_key_is_not_there_for_it() {
    let provider = Raw::json(200, OK).await;
    let builder = guarded(&provider)
        .default_upstream(provider.upstream())
        .pass_unknown_models(true);
    let address = start(builder.build().unwrap()).await;
    for model in ["second", "secret", "unknown"] {
        let response = chat(address, "key-of-chat", model).await;
        let (status, message) = error(CHAT, &response);
        assert_eq!(status, StatusCode::NOT_FOUND, "{model}");
        assert_eq!(json(&response)["error"]["code"], "model_not_found");
        let told = format!(
            "The model \"{model}\" is not served here. GET /v1/models lists those that are: chat, \
             first."
        );
        assert_eq!(message, told);
    }
    let authorization = [("authorization", "Bearer key-of-chat")];
    let response = call(address, "/v1/files", &authorization, None).await;
    assert_eq!(error(CHAT, &response).0, StatusCode::FORBIDDEN);
    assert!(provider.seen().is_empty());
    let response = call(address, "/v1/models/second", &authorization, None).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(chat(address, "key-of-chat", "first").await.status(), 200);
    for model in ["second", "unknown"] {
        assert_eq!(chat(address, "key-of-all", model).await.status(), 200);
    }
}

#[tokio::test]
async fn a_list_of_models_has_what_the_key_may_use() {
    let provider = Raw::json(200, OK).await;
    let builder = guarded(&provider)
        .default_upstream(provider.upstream())
        .pass_unknown_models(true);
    let address = start(builder.build().unwrap()).await;
    for (key, names, passes) in [
        ("key-of-chat", &["chat", "first"][..], Value::Null),
        (
            "key-of-all",
            &["chat", "first", "secret", "second"][..],
            Value::Bool(true),
        ),
    ] {
        let list = call(address, "/v1/models", &[("api-key", key)], None).await;
        let list = json(&list);
        let data = list["data"].as_array().unwrap();
        let ids: Vec<_> = data
            .iter()
            .map(|model| model["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, names);
        assert_eq!(list["passes_unknown_models"], passes);
    }
}

#[tokio::test]
async fn a_key_spends_what_it_may_in_a_day_and_no_more() {
    let provider = Raw::json(200, OK).await;
    let gateway = guarded(&provider).build().unwrap();
    let address = start(gateway.clone()).await;
    for _ in 0..2 {
        assert_eq!(chat(address, "key-of-frugal", "first").await.status(), 200);
    }

    let response = chat(address, "key-of-frugal", "first").await;

    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(text(response.headers(), "x-should-retry"), "false");
    let seconds: u64 = text(response.headers(), "retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    let body = json(&response);
    assert_eq!(body["error"]["type"], "insufficient_quota");
    let message = "The key has spent its 1.5 dollars of today. It may spend again from 00:00 UTC.";
    assert_eq!(body["error"]["message"], message);
    let body = call(
        address,
        MESSAGES,
        &[("x-api-key", "key-of-frugal")],
        Some(ask("first")),
    )
    .await;
    assert_eq!(json(&body)["error"]["type"], "billing_error");
    assert_eq!(provider.seen().len(), 2);
    // It may still look around, and others may still spend.
    let key = [("api-key", "key-of-frugal")];
    assert_eq!(call(address, "/v1/models", &key, None).await.status(), 200);
    assert_eq!(chat(address, "key-of-all", "first").await.status(), 200);

    let now = wall();
    let spent = gateway.spending().spent(now);
    assert_eq!(spent.dollars["frugal"], 2.0);
    // A configuration that is read anew begins no new day.
    let reloaded = guarded(&provider).take_over(&gateway).build().unwrap();
    let address = start(reloaded).await;
    assert_eq!(chat(address, "key-of-frugal", "first").await.status(), 429);
    // Nor does a restart.
    let restarted = guarded(&provider).build().unwrap();
    restarted.spending().resume(&spent, now);
    let address = start(restarted).await;
    assert_eq!(chat(address, "key-of-frugal", "first").await.status(), 429);
}

#[tokio::test]
async fn keys_come_from_the_configuration_and_go_with_it() {
    let provider = Raw::json(200, OK).await;
    // Of "key-of-file" and "key-of-later", as sha256sum prints them.
    let first = "e5d772630ffa4c5b19e17420b9f10f207db91f362ca7b04ad0117a800e7d4dc1";
    let later = "128c7dad58c5776d1951fa44d8d9fa428e94d37c493c3038d7414dd596221a69";
    let config = |key: &str| {
        let text = format!(
            "[[upstream]]\nname = \"p\"\nbase_url = \"http://{}/v1\"\n\
             [[pool]]\nname = \"chat\"\n\
             targets = [{{ model = \"first\", upstream = \"p\", \
             price = {{ input = 500.0, output = 500.0 }} }}]\n\
             [[key]]\nname = \"team\"\nsha256 = \"{key}\"\ndaily_dollars = 1.5\n",
            provider.address
        );
        Config::parse("gateway.toml", &text, |_| None).unwrap()
    };
    let gateway = Gateway::from_config(config(first)).unwrap();
    let address = start(gateway.clone()).await;
    assert_eq!(chat(address, "key-of-later", "chat").await.status(), 401);
    let answered = chat(address, "key-of-file", "chat").await;
    assert_eq!(answered.status(), 200);

    gateway.reload(config(later)).unwrap();

    assert_eq!(chat(address, "key-of-file", "chat").await.status(), 401);
    assert_eq!(chat(address, "key-of-later", "chat").await.status(), 200);
    // The second dollar: the name of the key has stayed.
    assert_eq!(chat(address, "key-of-later", "chat").await.status(), 429);
    // What was answered before can still be scored.
    let id = text(answered.headers(), "x-outcome-id");
    let feedback =
        format!("[{{\"id\":\"{id}\",\"score\":1}},{{\"id\":\"chatcmpl-1\",\"score\":1}}]");
    let key = [("api-key", "key-of-later")];
    let told = call(address, "/outcome/feedback", &key, Some(feedback)).await;
    let told = json(&told);
    assert_eq!(told["results"][0]["taken"], true, "{told}");
    assert_eq!(told["results"][1]["taken"], true, "{told}");
}

#[tokio::test]
async fn a_stream_costs_when_it_ends_and_also_when_its_caller_goes_away() {
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}],\"usage\":\
                 {\"prompt_tokens\":1000,\"completion_tokens\":1000}}\n\n";
    let stop = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let provider = Raw::events(&[delta, stop, "data: [DONE]\n\n"]).await;
    for read_it_all in [true, false] {
        let gateway = guarded(&provider).build().unwrap();
        let ask = "{\"model\":\"first\",\"messages\":[],\"stream\":true}";
        let request = Request::post(CHAT)
            .header("content-type", "application/json")
            .header("authorization", "Bearer key-of-frugal");
        let request = request.body(Body::from(ask)).unwrap();
        let response = gateway.clone().oneshot(request).await.unwrap();
        let mut body = response.into_body();
        let now = wall();
        body.frame().await.unwrap().unwrap();
        assert!(gateway.spending().spent(now).dollars.is_empty());
        if read_it_all {
            body.collect().await.unwrap();
        } else {
            drop(body);
        }
        assert_eq!(gateway.spending().spent(now).dollars["frugal"], 1.0);
    }
}

#[tokio::test]
async fn keys_hold_within_an_application_too() {
    let provider = Raw::json(200, OK).await;
    let gateway = guarded(&provider).build().unwrap();
    let app = axum::Router::new().nest("/llm", gateway.into_router());
    for (key, status) in [("key-of-all", 200), ("key-of-none", 401)] {
        let request = Request::post(format!("/llm{CHAT}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"));
        let request = request.body(Body::from(ask("first"))).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{key}");
    }
}
