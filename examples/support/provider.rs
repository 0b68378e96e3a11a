//! A provider on loopback, so that the examples need no key and no network: `gpt-4o` is rate
//! limited, everything else answers.

use std::net::SocketAddr;

use axum::{Router, body::Bytes, http::StatusCode, response::IntoResponse, routing::post};

/// Starts it and returns its base URL.
pub(crate) async fn start() -> std::io::Result<String> {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/v1"))
}

async fn answer(body: Bytes) -> impl IntoResponse {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let model = request
        .get("model")
        .and_then(|model| model.as_str())
        .unwrap_or_default();
    let json = [("content-type", "application/json"), ("retry-after", "30")];
    if model == "gpt-4o" {
        let body = r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;
        return (StatusCode::TOO_MANY_REQUESTS, json, body.to_owned());
    }
    let message =
        serde_json::json!({"role": "assistant", "content": format!("Hello from {model}")});
    let choice = serde_json::json!({"index": 0, "message": message, "finish_reason": "stop"});
    let body =
        serde_json::json!({"object": "chat.completion", "model": model, "choices": [choice]});
    (StatusCode::OK, json, body.to_string())
}
