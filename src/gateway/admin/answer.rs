use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;

/// For the body of a request.
const UPLOAD: Duration = Duration::from_secs(30);
/// What is said about a pool, a target or an answer is short.
const SHORT: usize = 16 * 1024;
/// Enough of a name to recognise it by.
const SHOWN: usize = 100;

/// A request that is not answered as it wants to be: a status, and what is wrong in words.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "message": self.message } });
        let mut response = json_response(&body);
        *response.status_mut() = self.status;
        response
    }
}

/// Answers with a JSON document.
pub(super) fn json_response(document: &impl Serialize) -> Response {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// Reads a body to its end.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Failure> {
    let slow = || {
        Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )
    };
    let read = timeout(UPLOAD, to_bytes(body, limit)).await;
    read.map_err(|_| slow())?.map_err(|_| {
        let message = format!("the body is larger than {limit} bytes, or ended before its end");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    })
}

/// Reads a short JSON document.
pub(super) async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    let bytes = read(body, SHORT).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::bad(format!("the body: {error}")))
}

pub(super) async fn unknown(method: Method, uri: Uri) -> Failure {
    let path = shorten(uri.path());
    Failure::not_found(format!(
        "{} {path} is not served here",
        shorten(method.as_str())
    ))
}

pub(super) async fn other_method(method: Method) -> Failure {
    let message = format!("the method {} is not served here", shorten(method.as_str()));
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

/// Returns the start of a text that may be long.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}
