use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use http_body::SizeHint;

use crate::{
    dialect::{self, Dialect, Endpoint},
    router::Passed,
};

/// Says whether a request is worth collecting, by its head alone.
pub(crate) fn inspect(
    parts: &Parts,
    size: &SizeHint,
    max_body: usize,
) -> Result<(&'static dyn Dialect, Endpoint), Passed> {
    let headers = &parts.headers;
    if parts.method != Method::POST || headers.contains_key(header::UPGRADE) {
        return Err(Passed::NotInference);
    }
    let (dialect, endpoint) = dialect::detect(parts.uri.path()).ok_or(Passed::NotInference)?;
    if !dialect.reads(endpoint, text(headers, header::CONTENT_TYPE)) {
        return Err(Passed::ContentType);
    }
    if is_encoded(headers) {
        return Err(Passed::Encoded);
    }
    let aws = text(headers, header::AUTHORIZATION).is_some_and(|auth| auth.starts_with("AWS4-"));
    if aws || headers.keys().any(is_digest) {
        return Err(Passed::Signed);
    }
    if size.lower() > max_body as u64 {
        return Err(Passed::TooLarge);
    }
    Ok((dialect, endpoint))
}

/// Whether a body is compressed, or encoded otherwise.
pub(super) fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING);
    encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a header covers the body: a rewritten one would no longer match it.
fn is_digest(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content-digest"
            | "content-md5"
            | "digest"
            | "repr-digest"
            | "signature"
            | "signature-input"
            | "x-amz-content-sha256"
    )
}
