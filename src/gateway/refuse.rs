use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::headers;
use crate::{
    classify::Transport,
    dialect::{Dialect, OpenAi, Refusal},
    hints::Call,
};

/// Enough of a model's name to recognise it by.
const SHOWN: usize = 100;

/// Answers an error in the shape that the caller's SDK expects.
pub(super) fn refuse(dialect: &dyn Dialect, status: StatusCode, message: &str) -> Response<Body> {
    let refusal = Refusal {
        status,
        message,
        retry_after: None,
    };
    let mut response = Response::new(Body::from(dialect.refusal(&refusal)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// Answers a request by a method that is not served, or that asks which ones are.
pub(super) fn other_method(headers: &HeaderMap, method: &http::Method) -> Response<Body> {
    let mut response = if *method == http::Method::OPTIONS {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        let message = format!(
            "The method {} is not served here.",
            shorten(method.as_str())
        );
        refuse(
            dialect_of(headers),
            StatusCode::METHOD_NOT_ALLOWED,
            &message,
        )
    };
    let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// Answers a request to a path that is not served.
pub(super) fn unknown_path(
    headers: &HeaderMap,
    method: &http::Method,
    path: &str,
) -> Response<Body> {
    let message = format!("{method} {} is not served here.", shorten(path));
    let dialect = dialect_of(headers);
    let mut response = refuse(dialect, StatusCode::NOT_FOUND, &message);
    if dialect.name() == OpenAi.name() {
        // There a 404 is about the model, unless its code says otherwise.
        let body = json!({ "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": null,
            "code": "unknown_url",
        }});
        *response.body_mut() = Body::from(body.to_string());
    }
    response
}

/// Answers a request for a model that is not served.
pub(super) fn unknown_model(dialect: &dyn Dialect, model: &str) -> Response<Body> {
    let message = format!(
        "The model \"{}\" is not served here. GET /v1/models lists those that are.",
        shorten(model)
    );
    refuse(dialect, StatusCode::NOT_FOUND, &message)
}

/// Answers a request whose attempts have all failed below HTTP. Says no more than that: errors of
/// the client name hosts.
pub(super) fn failed(dialect: &dyn Dialect, call: &Call) -> Response<Body> {
    let timeout = call
        .verdict()
        .is_some_and(|verdict| verdict.transport == Some(Transport::Timeout));
    let (status, message) = if timeout {
        (
            StatusCode::GATEWAY_TIMEOUT,
            "The model did not answer in time.",
        )
    } else {
        (StatusCode::BAD_GATEWAY, "The model could not be reached.")
    };
    let mut response = refuse(dialect, status, message);
    if let Some(routed) = call.last() {
        headers::tell(response.headers_mut(), &routed, call);
        // What could be repeated has been.
        let headers = response.headers_mut();
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Guesses which SDK sent a request whose path does not say.
pub(super) fn dialect_of(headers: &HeaderMap) -> &'static dyn Dialect {
    if headers.contains_key("anthropic-version") {
        &crate::dialect::Anthropic
    } else {
        &OpenAi
    }
}

fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}
