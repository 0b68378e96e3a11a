use http::{HeaderMap, HeaderName, Method, header, request::Parts};
use http_body::SizeHint;

use super::{prepare::Known, signature};
use crate::{
    dialect::{self, Dialect, Endpoint},
    router::{OutcomeRouter, Passed},
};

/// Says whether a request is worth collecting, by its head alone.
pub(crate) fn inspect(
    parts: &Parts,
    size: &SizeHint,
    router: &OutcomeRouter,
) -> Result<(&'static dyn Dialect, Endpoint), Passed> {
    if let Some(known) = parts.extensions.get::<Known>() {
        return Ok((known.dialect, known.endpoint));
    }
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
    let signed = signature::is_signed(headers) && !router.replaces_signatures();
    if signed || signature::is_presigned(parts) || headers.keys().any(is_digest) {
        return Err(Passed::Signed);
    }
    if size.lower() > router.max_body() as u64 {
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
    )
}
