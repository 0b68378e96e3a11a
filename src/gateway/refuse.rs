use std::{borrow::Cow, time::Duration};

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response::Parts};
use serde_json::json;

use super::{access::Denied, headers::Names};
use crate::{
    classify::Transport,
    dialect::{Anthropic, Bedrock, Cohere, Dialect, Gemini, Mistral, OpenAi, Refusal},
    hints::Call,
    router::{Mode, Obstacle, OutcomeRouter, PickRequest},
};

/// Enough of a model's name to recognise it by.
const SHOWN: usize = 100;

/// Answers an error in the shape that the caller's SDK expects.
pub(super) fn refuse(dialect: &dyn Dialect, status: StatusCode, message: &str) -> Response<Body> {
    let refusal = Refusal {
        status,
        message,
        retry_after: None,
        quota: false,
    };
    refuse_with(dialect, &refusal)
}

fn refuse_with(dialect: &dyn Dialect, refusal: &Refusal<'_>) -> Response<Body> {
    let mut response = Response::new(Body::from(dialect.refusal(refusal)));
    *response.status_mut() = refusal.status;
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
    if [OpenAi.name(), Mistral.name()].contains(&dialect.name()) {
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

/// Answers a request for a model that is not served, or not to this caller: to tell the two apart
/// would tell what others use. As OpenAI does.
pub(super) fn unknown_model<'a>(
    dialect: &dyn Dialect,
    model: &str,
    served: impl Iterator<Item = &'a str>,
) -> Response<Body> {
    let message = format!(
        "The model \"{}\" is not served here. GET /v1/models lists those that are: {}.",
        shorten(model),
        list(served),
    );
    refuse(dialect, StatusCode::NOT_FOUND, &message)
}

/// Answers a request that pins a target its pool does not have; `None` if that is not so.
pub(super) fn unknown_pin(
    dialect: &dyn Dialect,
    router: &OutcomeRouter,
    model: &str,
    (header, pin): (&HeaderName, &str),
) -> Option<Response<Body>> {
    let request = PickRequest::new(model).dialect(dialect.name());
    let decision = router.decide(&request, router.now()).ok()?;
    let mut candidates = decision.candidates.iter();
    if candidates.any(|it| *it.target == *pin || *it.model == *pin) {
        return None;
    }
    let targets = decision.candidates.iter().map(|it| &*it.target);
    let message = format!(
        "{header} names \"{}\", which is no target of the pool \"{}\": that has {}.",
        shorten(pin),
        shorten(&decision.pool),
        list(targets),
    );
    Some(refuse(dialect, StatusCode::BAD_REQUEST, &message))
}

/// Answers a request that brings no client key, or one that is not known.
pub(super) fn denied(dialect: &dyn Dialect, denied: Denied) -> Response<Body> {
    let message = match denied {
        Denied::NoKey => {
            "There is no key in the request. This gateway wants one of its own, sent as the API key."
        }
        Denied::Signed => {
            "A signed request brings no key. This gateway wants one of its own, which boto3 sends if it \
             stands in AWS_BEARER_TOKEN_BEDROCK."
        }
        Denied::UnknownKey => "The key is none of this gateway's.",
    };
    let mut response = refuse(dialect, StatusCode::UNAUTHORIZED, message);
    let headers = response.headers_mut();
    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Answers a request to what is closed to its client key.
pub(super) fn closed(dialect: &dyn Dialect, method: &http::Method, path: &str) -> Response<Body> {
    let message = format!(
        "The key opens its pools only, and {method} {} is in none.",
        shorten(path)
    );
    refuse(dialect, StatusCode::FORBIDDEN, &message)
}

/// Answers a request whose client key has spent what it may in a day.
pub(super) fn spent(dialect: &dyn Dialect, dollars: f64, left: Duration) -> Response<Body> {
    let message = format!(
        "The key has spent its {dollars} dollars of today. It may spend again from 00:00 UTC."
    );
    let refusal = Refusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        message: &message,
        retry_after: Some(left),
        quota: true,
    };
    let mut response = refuse_with(dialect, &refusal);
    let headers = response.headers_mut();
    let seconds = left.as_secs().saturating_add(1);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    response
}

/// Answers a request whose format no target of its pool takes; `None` if that is not so.
pub(super) fn wrong_dialect(
    dialect: &dyn Dialect,
    router: &OutcomeRouter,
    model: &str,
) -> Option<Response<Body>> {
    let request = PickRequest::new(model).dialect(dialect.name());
    let decision = router.decide(&request, router.now()).ok()?;
    let routed = router.mode(&decision.pool) == Some(Mode::Route);
    let obstacles = || decision.candidates.iter().map(|it| it.obstacle.as_ref());
    if !routed
        || decision.chosen.is_some()
        || !obstacles().any(|obstacle| obstacle == Some(&Obstacle::Dialect))
    {
        return None;
    }
    let message = format!(
        "The pool \"{}\" has no target for \"{}\" that takes requests in the {} format.",
        shorten(&decision.pool),
        shorten(model),
        dialect.name(),
    );
    let mut response = refuse(dialect, StatusCode::BAD_REQUEST, &message);
    let headers = response.headers_mut();
    headers.insert("x-should-retry", HeaderValue::from_static("false"));
    Some(response)
}

/// Answers a request that finds no memory left for its body.
pub(super) fn out_of_memory(dialect: &dyn Dialect) -> Response<Body> {
    busy(dialect, "Too many large requests are under way.")
}

/// Answers a request that there is no room for now.
pub(super) fn busy(dialect: &dyn Dialect, message: &str) -> Response<Body> {
    let refusal = Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        message,
        retry_after: Some(Duration::from_secs(1)),
        quota: false,
    };
    let mut response = refuse_with(dialect, &refusal);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Answers a request whose attempts have all failed below HTTP, or in mid-answer. Says no more than
/// that: errors of the client name hosts.
pub(super) fn failed(dialect: &dyn Dialect, call: &Call, names: &Names) -> Response<Body> {
    let transport = call.verdict().and_then(|verdict| verdict.transport);
    let (status, message) = match transport {
        Some(Transport::Timeout) => (
            StatusCode::GATEWAY_TIMEOUT,
            "The model did not answer in time.",
        ),
        Some(Transport::Incomplete) => (
            StatusCode::BAD_GATEWAY,
            "The model's answer broke off before its end.",
        ),
        _ => (StatusCode::BAD_GATEWAY, "The model could not be reached."),
    };
    let mut response = refuse(dialect, status, message);
    let headers = response.headers_mut();
    if tell_last(headers, call, names) {
        // What could be repeated has been.
        headers.insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Answers in place of an answer whose body broke off before anything of it went out. What its head
/// said of a failure stands.
pub(super) fn broken(
    dialect: &dyn Dialect,
    head: &Parts,
    call: &Call,
    names: &Names,
) -> Response<Body> {
    if head.status.is_success() {
        return failed(dialect, call, names);
    }
    let message = "The model refused, and its answer broke off before its end.";
    let mut response = refuse(dialect, head.status, message);
    let headers = response.headers_mut();
    for name in ["retry-after", "retry-after-ms", "x-should-retry"] {
        if let Some(value) = head.headers.get(name) {
            headers.insert(name, value.clone());
        }
    }
    tell_last(headers, call, names);
    response
}

/// Tells who was asked last, if anybody was.
fn tell_last(headers: &mut HeaderMap, call: &Call, names: &Names) -> bool {
    let routed = call.last();
    if let Some(routed) = &routed {
        names.tell_routed(headers, routed, call);
        names.explain(headers, call.decision());
    }
    routed.is_some()
}

/// Guesses which SDK sent a request whose path does not say.
pub(super) fn dialect_of(headers: &HeaderMap) -> &'static dyn Dialect {
    let begins = |name, with: &[u8]| {
        let value = headers.get(name).map(HeaderValue::as_bytes);
        value.is_some_and(|value| value.starts_with(with))
    };
    if headers.contains_key("anthropic-version") {
        &Anthropic
    } else if headers.contains_key("x-goog-api-key") || headers.contains_key("x-goog-api-client") {
        &Gemini
    } else if headers.contains_key("amz-sdk-invocation-id") || begins("authorization", b"AWS4-") {
        &Bedrock
    } else if begins("x-fern-sdk-name", b"cohere") {
        &Cohere
    } else if begins("user-agent", b"mistral-client") {
        &Mistral
    } else {
        &OpenAi
    }
}

/// So many names fit into a message.
const LISTED: usize = 12;

fn list<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<_> = names.by_ref().take(LISTED).map(shorten).collect();
    match (shown.join(", "), names.count()) {
        (shown, _) if shown.is_empty() => "none".to_owned(),
        (shown, 0) => shown,
        (shown, more) => format!("{shown} and {more} more"),
    }
}

fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdks_are_told_by_their_headers() {
        for (name, value, dialect) in [
            ("anthropic-version", "2023-06-01", "anthropic"),
            ("x-goog-api-client", "google-genai-sdk/3.4.0", "gemini"),
            ("x-goog-api-key", "key", "gemini"),
            ("authorization", "AWS4-HMAC-SHA256 Credential=a", "bedrock"),
            ("amz-sdk-invocation-id", "a", "bedrock"),
            ("x-fern-sdk-name", "cohere-ai", "cohere"),
            ("user-agent", "mistral-client-python/3.7.0", "mistral"),
            ("user-agent", "Groq/Python 1.7.0", "openai"),
            ("authorization", "Bearer key", "openai"),
        ] {
            let header = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            let headers = HeaderMap::from_iter([header]);
            assert_eq!(dialect_of(&headers).name(), dialect, "{name}: {value}");
        }
    }
}
