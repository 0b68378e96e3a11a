//! Error answers of our own, in the words of each dialect.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use super::Refusal;

/// `{"error":{"message":…,"type":…,"param":null,"code":…}}`.
pub(super) fn openai(refusal: &Refusal<'_>) -> Bytes {
    let (kind, code) = match refusal.status {
        StatusCode::UNAUTHORIZED => ("invalid_request_error", Some("invalid_api_key")),
        StatusCode::PAYMENT_REQUIRED => ("insufficient_quota", Some("insufficient_quota")),
        StatusCode::FORBIDDEN => ("invalid_request_error", Some("permission_denied")),
        StatusCode::NOT_FOUND => ("invalid_request_error", Some("model_not_found")),
        StatusCode::PAYLOAD_TOO_LARGE => ("invalid_request_error", Some("request_too_large")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("invalid_request_error", Some("unsupported_media_type"))
        }
        StatusCode::TOO_MANY_REQUESTS if refusal.quota => {
            ("insufficient_quota", Some("insufficient_quota"))
        }
        StatusCode::TOO_MANY_REQUESTS => ("rate_limit_exceeded", Some("rate_limit_exceeded")),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("service_unavailable_error", Some("server_is_overloaded"))
        }
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => {
            ("timeout_error", Some("timeout"))
        }
        status if status.is_client_error() => ("invalid_request_error", None),
        _ => ("server_error", None),
    };
    let param = (refusal.status == StatusCode::NOT_FOUND).then_some("model");
    body(&OpenAi {
        error: OpenAiError {
            message: refusal.message,
            kind,
            param,
            code,
        },
    })
}

/// `{"type":"error","error":{"type":…,"message":…}}`.
pub(super) fn anthropic(refusal: &Refusal<'_>) -> Bytes {
    let kind = match refusal.status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::PAYMENT_REQUIRED => "billing_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS if refusal.quota => "billing_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "timeout_error",
        status if status.as_u16() == 529 => "overloaded_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "api_error",
    };
    let error = AnthropicError {
        kind,
        message: refusal.message,
    };
    body(&Anthropic {
        kind: "error",
        error,
    })
}

/// `{"error":{"code":429,"message":…,"status":"RESOURCE_EXHAUSTED","details":[…]}}`.
pub(super) fn google(refusal: &Refusal<'_>) -> Bytes {
    let status = match refusal.status {
        StatusCode::UNAUTHORIZED => "UNAUTHENTICATED",
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "RESOURCE_EXHAUSTED",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => "UNAVAILABLE",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "DEADLINE_EXCEEDED",
        status if status.is_client_error() => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    };
    let delay = refusal.retry_after.map(|wait| RetryInfo {
        kind: "type.googleapis.com/google.rpc.RetryInfo",
        retry_delay: format!("{}s", whole_seconds(wait)),
    });
    body(&Google {
        error: GoogleError {
            code: refusal.status.as_u16(),
            message: refusal.message,
            status,
            details: delay.into_iter().collect(),
        },
    })
}

/// `{"__type":"ThrottlingException","message":…}`.
pub(super) fn bedrock(refusal: &Refusal<'_>) -> Bytes {
    let kind = match refusal.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "AccessDeniedException",
        StatusCode::NOT_FOUND => "ResourceNotFoundException",
        StatusCode::TOO_MANY_REQUESTS if refusal.quota => "ServiceQuotaExceededException",
        StatusCode::TOO_MANY_REQUESTS => "ThrottlingException",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableException",
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => "ModelTimeoutException",
        status if status.is_client_error() => "ValidationException",
        _ => "InternalServerException",
    };
    let message = refusal.message;
    body(&Bedrock { kind, message })
}

/// `{"message":…}`.
pub(super) fn plain(refusal: &Refusal<'_>) -> Bytes {
    let message = refusal.message;
    body(&Plain { message })
}

/// `{"error":"…"}`.
pub(super) fn ollama(refusal: &Refusal<'_>) -> Bytes {
    let error = refusal.message;
    body(&Ollama { error })
}

/// Rounded up: earlier would be too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn body(value: &impl Serialize) -> Bytes {
    // Strings under fixed keys: writing them to memory cannot fail.
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[derive(Serialize)]
struct OpenAi<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct Anthropic<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Google<'a> {
    error: GoogleError<'a>,
}

#[derive(Serialize)]
struct GoogleError<'a> {
    code: u16,
    message: &'a str,
    status: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<RetryInfo>,
}

#[derive(Serialize)]
struct RetryInfo {
    #[serde(rename = "@type")]
    kind: &'static str,
    #[serde(rename = "retryDelay")]
    retry_delay: String,
}

#[derive(Serialize)]
struct Bedrock<'a> {
    #[serde(rename = "__type")]
    kind: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct Plain<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct Ollama<'a> {
    error: &'a str,
}
