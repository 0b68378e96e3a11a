use std::{collections::VecDeque, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::paced::Paced;

const WORDS: [&str; 4] = ["A ", "scripted ", "answer", "."];

/// What of a request matters to its answer.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) model: String,
    #[serde(default)]
    pub(super) stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// An error in the OpenAI format.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    // Of a rate limit the type says which one; of anything else what the code does.
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => "requests",
        _ => code,
    };
    let body = json!({ "error": { "message": message, "type": kind, "code": code } });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An answer in the OpenAI format. A streamed one takes `writing` from its first word to its end.
pub(super) fn completion(
    asked: &Asked,
    (prompt, answer): (u64, u64),
    writing: Duration,
) -> Response<Body> {
    let usage = json!({
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt.saturating_add(answer),
    });
    let (body, content_type) = if asked.stream {
        let events = events(asked, &usage);
        (Body::new(Paced::new(events, writing)), "text/event-stream")
    } else {
        let body = json!({
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 0,
            "model": asked.model,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": WORDS.concat() },
                "finish_reason": "stop",
            }],
            "usage": usage,
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

fn events(asked: &Asked, usage: &Value) -> VecDeque<Bytes> {
    let event = |choices: Value, usage: &Value| {
        let mut chunk = json!({
            "id": "chatcmpl-scripted",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": asked.model,
            "choices": choices,
        });
        if asked.stream_options.include_usage
            && let Some(chunk) = chunk.as_object_mut()
        {
            chunk.insert("usage".to_owned(), usage.clone());
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Option<&str>| {
        let choice = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        event(choice, &Value::Null)
    };
    let start = delta(json!({ "role": "assistant", "content": "" }), None);
    let words = WORDS.map(|word| delta(json!({ "content": word }), None));
    let mut end = delta(json!({}), Some("stop"));
    if asked.stream_options.include_usage {
        end.push_str(&event(json!([]), usage));
    }
    end.push_str("data: [DONE]\n\n");
    // The first word comes with the head: time to the first content is what the script says.
    let mut events: VecDeque<Bytes> = words.into_iter().map(Bytes::from).collect();
    if let Some(first) = events.front_mut() {
        *first = [start.into(), std::mem::take(first)].concat().into();
    }
    events.push_back(end.into());
    events
}
