//! Feedback over HTTP: by which ids answers are known, and to whom.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_outcome::gateway::{ClientKey, Gateway};

use crate::support::*;

const FEEDBACK: &str = "/outcome/feedback";
const OK: &str = "{\"id\":\"chatcmpl-1\",\"choices\":[{\"message\":{\"content\":\"Hi\"},\
                  \"finish_reason\":\"stop\"}]}";

async fn tell(address: SocketAddr, feedback: &Value) -> (u16, Value) {
    let response = post(address, FEEDBACK, feedback.to_string()).await;
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

async fn with_key(address: SocketAddr, path: &str, key: &str, body: String) -> Response<Bytes> {
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .header("x-api-key", key);
    send(request.body(Full::new(body.into())).unwrap()).await
}

#[tokio::test]
async fn an_answer_is_scored_by_our_id_and_by_the_providers() {
    let provider = Raw::json(200, OK).await;
    let (address, router) = gateway(&[&provider]).await;
    let response = post(address, CHAT, ask("first")).await;
    let id = text(response.headers(), "x-outcome-id");

    let (status, told) = tell(address, &json!({ "id": id, "success": false })).await;
    assert_eq!((status, &told["taken"]), (200, &json!(true)), "{told}");
    let by_provider = json!({ "id": "chatcmpl-1", "score": 0.75, "reason": "polite" });
    let (status, told) = tell(address, &by_provider).await;
    assert_eq!((status, &told["outcome"]), (200, &json!(id)), "{told}");
    assert_eq!(router.snapshot().counts.reports, 2);

    let (status, told) = tell(address, &json!({ "id": "chatcmpl-2", "score": 1 })).await;
    assert_eq!(
        (status, &told["error"]["code"]),
        (404, &json!("unknown_id"))
    );
    let many = json!([
        { "id": "chatcmpl-1", "score": 1 },
        { "id": "chatcmpl-2", "score": 1 },
    ]);
    let (status, told) = tell(address, &many).await;
    assert_eq!(status, 200);
    assert_eq!(told["results"][0]["taken"], true);
    assert_eq!(told["results"][1]["taken"], false);
    let (status, told) = tell(address, &json!([{ "id": "chatcmpl-1", "score": 7 }])).await;
    let message = "[0].score must be a number from 0 to 1.";
    assert_eq!((status, &told["error"]["message"]), (400, &json!(message)));
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn streams_are_known_from_their_first_event_on() {
    let openai = [
        "data: {\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ];
    let responses = [
        "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\"}}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\"}}\n\n",
    ];
    let anthropic = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":\
         {\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ];
    let gemini = [
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\
                   \"finishReason\":\"STOP\"}],\"responseId\":\"g-1\"}\r\n\r\n",
    ];
    for (path, events, id) in [
        (CHAT, &openai[..], "chatcmpl-1"),
        ("/v1/responses", &responses[..], "resp_1"),
        (MESSAGES, &anthropic[..], "msg_1"),
        (
            "/v1beta/models/first:streamGenerateContent?alt=sse",
            &gemini[..],
            "g-1",
        ),
    ] {
        let provider = Raw::events(events).await;
        let (address, _) = gateway(&[&provider]).await;
        let request = Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/json");
        let body = json!({ "model": "first", "messages": [], "stream": true }).to_string();
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let client = client();
        let mut response = client.request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.body_mut().frame().await.unwrap().unwrap();
        // While the stream goes on.
        let (status, told) = tell(address, &json!({ "id": id, "success": true })).await;
        assert_eq!(status, 200, "{path}: {told}");
    }
}

#[tokio::test]
async fn a_providers_id_is_known_to_the_key_that_made_the_call() {
    let provider = Raw::json(200, OK).await;
    let gateway = Gateway::builder(pool([provider.upstream()])).client_keys([
        ClientKey::of_secret("a", "key-of-a"),
        ClientKey::of_secret("b", "key-of-b"),
    ]);
    let address = start(gateway.build().unwrap()).await;
    with_key(address, CHAT, "key-of-a", ask("first")).await;
    let feedback = json!({ "id": "chatcmpl-1", "score": 1 }).to_string();
    for (key, status) in [("key-of-b", 404), ("key-of-c", 401), ("key-of-a", 200)] {
        let response = with_key(address, FEEDBACK, key, feedback.clone()).await;
        assert_eq!(response.status(), status, "{key}");
    }
}

#[tokio::test]
async fn f23_what_is_no_feedback_is_refused() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let ask = |method: &str, content_type: &str, body: String| {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{FEEDBACK}"))
            .header("content-type", content_type);
        send(request.body(Full::new(body.into())).unwrap())
    };
    let one = json!({ "id": "chatcmpl-1", "score": 1 }).to_string();
    let huge = " ".repeat(300 * 1024);
    for (method, content_type, body, status) in [
        ("GET", "application/json", String::new(), 405),
        ("POST", "text/plain", one.clone(), 415),
        ("POST", "application/json", huge, 413),
        ("POST", "application/json", String::new(), 400),
        ("POST", "application/json; charset=utf-8", one, 404),
    ] {
        let response = ask(method, content_type, body).await;
        assert_eq!(response.status(), status, "{method} {content_type}");
        let told: Value = serde_json::from_slice(response.body()).unwrap();
        assert!(told["error"]["message"].is_string(), "{told}");
    }
    assert!(provider.seen().is_empty());
}
