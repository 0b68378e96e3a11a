use std::net::SocketAddr;

use axum::Router;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_outcome::gateway::{Gateway, serve};

use crate::support::*;

const OK: &str = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";

async fn get(address: SocketAddr, path: &str, header: Option<&str>) -> Response<Bytes> {
    let mut request = Request::get(format!("http://{address}{path}"));
    if let Some(header) = header {
        request = request.header(header, "2023-06-01");
    }
    send(request.body(Full::default()).unwrap()).await
}

#[tokio::test]
async fn it_says_that_it_is_alive_and_what_it_serves() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    assert_eq!(get(address, "/healthz", None).await.body(), "ok\n");
    for header in [None, Some("anthropic-version")] {
        let list = get(address, "/v1/models", header).await;
        let list: serde_json::Value = serde_json::from_slice(list.body()).unwrap();
        let ids: Vec<_> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["id"])
            .collect();
        assert_eq!(ids, ["chat", "nickname", "first"]);
    }
    assert_eq!(
        get(address, "/v1/models/first", None).await.status(),
        StatusCode::OK
    );
    for path in ["/v1/models/other", "/v1/files", "/outcome/state", "/"] {
        let response = get(address, path, None).await;
        let (status, message) = error(path, &response);
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(message.contains(path), "{message}");
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn each_sdk_finds_the_models_where_it_looks_for_them() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    for (header, path, pointer, name) in [
        (
            "x-goog-api-key",
            "/v1beta/models",
            "/models/2/name",
            "models/first",
        ),
        (
            "x-goog-api-key",
            "/v1beta/models/first",
            "/name",
            "models/first",
        ),
        ("authorization", "/openai/v1/models", "/data/2/id", "first"),
        ("authorization", "/openai/v1/models/first", "/id", "first"),
    ] {
        let answer = get(address, path, Some(header)).await;
        let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let told = answer.pointer(pointer).and_then(serde_json::Value::as_str);
        assert_eq!(told, Some(name), "{path}: {answer}");
    }
    for path in ["/v1beta/modelsx", "/v1beta/models/", "/v2/models"] {
        let answer = get(address, path, None).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_routed_goes_to_the_default_upstream() {
    let provider = Raw::json(200, OK).await;
    let other = Raw::json(200, "{\"object\":\"list\"}").await;
    let builder = Gateway::builder(pool([provider.upstream()]))
        .default_upstream(other.upstream())
        .pass_unknown_models(true);
    let address = start(builder.build().unwrap()).await;
    let response = get(address, "/v1/files?limit=1", None).await;
    assert_eq!(response.body(), "{\"object\":\"list\"}");
    assert!(!response.headers().contains_key("x-outcome-model"));
    post(address, CHAT, ask("unknown")).await;
    post(address, CHAT, ask("first")).await;
    let seen = other.seen();
    assert_eq!(seen.len(), 2);
    assert!(
        seen[0].starts_with("GET /v1/files?limit=1 HTTP/1.1\r\n"),
        "{}",
        seen[0]
    );
    assert!(seen[1].ends_with(&ask("unknown")), "{}", seen[1]);
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn f22_the_default_upstream_is_asked_for_nothing_odd() {
    let provider = Raw::json(200, OK).await;
    let other = Raw::json(200, "{}").await;
    let builder = Gateway::builder(pool([provider.upstream()])).default_upstream(other.upstream());
    let address = start(builder.build().unwrap()).await;
    let length = ask("first").len();
    for (head, status) in [
        ("TRACE /v1/files HTTP/1.1\r\n", "405"),
        (
            "CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n",
            "405",
        ),
        ("PURGE /v1/files HTTP/1.1\r\n", "405"),
        (
            "OPTIONS /v1/files HTTP/1.1\r\norigin: http://localhost\r\n",
            "204",
        ),
        ("GET /v1/%2e%2e/admin HTTP/1.1\r\n", "400"),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-digest: sha-256=x\r\n",
            "400",
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-encoding: compress\r\n",
            "415",
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999\r\n",
            "413",
        ),
    ] {
        let mut request = head.to_owned();
        if !head.contains("host:") {
            request += "host: localhost\r\n";
        }
        if head.starts_with("POST") {
            request += "content-type: application/json\r\n";
            if !head.contains("length") {
                request += &format!("content-length: {length}\r\n");
            }
        }
        request += "connection: close\r\n\r\n";
        if head.starts_with("POST") && !head.contains("length") {
            request += &ask("first");
        }
        let answer = raw(address, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{head}: {answer}"
        );
        assert!(!answer.contains("access-control"), "{answer}");
        let allow = answer.contains("\r\nallow: GET, HEAD, POST, ");
        assert_eq!(allow, status == "405" || status == "204", "{answer}");
    }
    let form = Request::post(format!("http://{address}{CHAT}"))
        .header("content-type", "text/plain")
        .body(Full::new(Bytes::from(ask("first"))));
    let response = send(form.unwrap()).await;
    assert_eq!(error(CHAT, &response).0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(other.seen().is_empty(), "{:?}", other.seen());
    assert!(provider.seen().is_empty());
    // What is no inference is not looked into, and goes there; inference has to name its model.
    let form = |path: &str| {
        let request = Request::post(format!("http://{address}{path}"))
            .header("content-type", "multipart/form-data; boundary=x");
        request.body(Full::new(Bytes::from("--x--"))).unwrap()
    };
    assert_eq!(send(form("/v1/files")).await.status(), StatusCode::OK);
    let response = send(form("/v1/audio/transcriptions")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn a_gateway_without_an_upstream_for_a_target_is_not_built() {
    let router = tower_outcome::OutcomeRouter::builder()
        .model("gpt-4o")
        .build()
        .unwrap();
    let error = Gateway::builder(router).build().unwrap_err().to_string();
    assert!(error.contains("\"gpt-4o\" has no upstream"), "{error}");
    let upstream = tower_outcome::Upstream::new("http://127.0.0.1:1").unwrap();
    let builder = Gateway::builder(pool([upstream])).pass_unknown_models(true);
    assert!(builder.build().is_err());
}

#[tokio::test]
async fn it_can_be_mounted_under_a_path_of_an_application() {
    let provider = Raw::json(200, OK).await;
    let gateway = Gateway::builder(pool([provider.upstream()]))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/", axum::routing::get(|| async { "mine" }))
        .nest("/llm", gateway.into_router());
    let request = Request::post(format!("/llm{CHAT}"))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(ask("first")));
    let response = app.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.headers(), "x-outcome-model"), "first");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, OK);
    assert!(provider.seen()[0].starts_with("POST /v1/chat/completions "));

    // An axum router is a service, too, and the server takes any.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, app, std::future::pending()));
    assert_eq!(get(address, "/", None).await.body(), "mine");
    assert_eq!(get(address, "/llm/healthz", None).await.body(), "ok\n");
}

#[tokio::test]
async fn some_calls_are_copied_to_a_second_target_where_that_was_asked_for() {
    let providers = [Raw::json(200, OK).await, Raw::json(200, OK).await];
    let router = pool(providers.iter().map(Raw::upstream));
    let builder = Gateway::builder(router.clone());
    assert!(builder.shadow_percent(101.0).build().is_err());
    let builder = Gateway::builder(router.clone()).shadow_percent(50.0);
    let address = start(builder.build().unwrap()).await;
    for _ in 0..4 {
        let response = post(address, CHAT, ask("first")).await;
        assert_eq!(text(response.headers(), "x-outcome-model"), "first");
    }
    let copied = async {
        while router.snapshot().pools[0].targets[1].settled() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let patience = std::time::Duration::from_secs(5);
    tokio::time::timeout(patience, copied).await.unwrap();
    assert_eq!(router.snapshot().counts.shadows, 2);
    assert!(providers[1].seen()[0].ends_with(&ask("second")));
}
