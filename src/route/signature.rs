//! AWS's signatures of requests. They cover path and body, so that one that is rewritten needs
//! another.

use http::{
    HeaderMap,
    header::{self, HeaderName},
    request::Parts,
};

/// Whether the headers of a request sign it.
pub(super) fn is_signed(headers: &HeaderMap) -> bool {
    is_authorization(headers) || headers.contains_key(&CONTENT)
}

/// Whether the query of a request signs it, as in a link that was made for somebody else.
pub(super) fn is_presigned(parts: &Parts) -> bool {
    let is_signature = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("x-amz-signature")
    };
    let query = parts.uri.query();
    query.is_some_and(|query| query.split('&').any(is_signature))
}

/// Takes the signature off a request.
pub(super) fn remove(headers: &mut HeaderMap) {
    if !is_signed(headers) {
        return;
    }
    if is_authorization(headers) {
        headers.remove(header::AUTHORIZATION);
    }
    for name in &[CONTENT, DATE, REGIONS, TOKEN] {
        headers.remove(name);
    }
}

fn is_authorization(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const REGIONS: HeaderName = HeaderName::from_static("x-amz-region-set");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_signature_is_taken_off_whole_and_nothing_else_is() {
        let request = Request::post("/model/m/converse")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=a, Signature=b",
            )
            .header("x-amz-content-sha256", "c")
            .header("x-amz-date", "20260101T000000Z")
            .header("x-amz-region-set", "*")
            .header("x-amz-security-token", "d")
            .header("x-amzn-bedrock-trace", "ENABLED");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        assert!(is_signed(&parts.headers));
        remove(&mut parts.headers);
        assert!(!is_signed(&parts.headers));
        let names: Vec<_> = parts.headers.keys().collect();
        assert_eq!(names, ["x-amzn-bedrock-trace"]);
    }

    #[test]
    fn what_is_not_signed_is_left_as_it_is() {
        let request = Request::post("/model/m/converse")
            .header("authorization", "Bearer a")
            .header("x-amz-date", "20260101T000000Z");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        remove(&mut parts.headers);
        assert_eq!(parts.headers.len(), 2);
    }

    #[test]
    fn a_signature_in_the_query_is_seen() {
        for (uri, signed) in [
            ("/m?a=1&X-Amz-Signature=b", true),
            ("/m?a=X-Amz-Signature", false),
            ("/m", false),
        ] {
            let (parts, ()) = Request::post(uri).body(()).unwrap().into_parts();
            assert_eq!(is_presigned(&parts), signed, "{uri}");
        }
    }
}
