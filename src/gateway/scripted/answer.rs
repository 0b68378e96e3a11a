use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

const WORDS: [&str; 4] = ["A ", "scripted ", "answer", "."];

/// An error in the OpenAI format.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = json!({ "error": { "message": message, "type": "requests", "code": code } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An answer in the OpenAI format.
pub(super) fn completion(model: &str, stream: bool) -> Response<Body> {
    let (body, content_type) = if stream {
        (events(model).into(), "text/event-stream")
    } else {
        let body = json!({
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": WORDS.concat() },
                "finish_reason": "stop",
            }],
            "usage": { "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13 },
        });
        (Body::from(body.to_string()), "application/json")
    };
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn events(model: &str) -> Bytes {
    let event = |delta: serde_json::Value, finish: Option<&str>| {
        let chunk = json!({
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        format!("data: {chunk}\n\n")
    };
    let words = WORDS
        .iter()
        .map(|word| event(json!({ "content": word }), None));
    std::iter::once(event(json!({ "role": "assistant", "content": "" }), None))
        .chain(words)
        .chain([
            event(json!({}), Some("stop")),
            "data: [DONE]\n\n".to_owned(),
        ])
        .collect::<String>()
        .into()
}
