//! Error answers of our own, in the words of each dialect.

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
