use std::borrow::Cow;

use http::{HeaderName, header, request::Parts};

use crate::gateway::models::decoded;

/// Returns what a request brings as a credential, wherever the SDK of some provider puts it. Of each
/// place the first counts: no request brings more than there are places.
pub(super) fn credentials(parts: &Parts) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let headers = &parts.headers;
    let bearer = headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| of_bearer(value.as_bytes()));
    let plain = PLAIN.into_iter().filter_map(|name| headers.get(name));
    let plain = plain.map(|value| value.as_bytes().trim_ascii());
    let given = bearer.into_iter().chain(plain).map(Cow::Borrowed);
    let given = given.chain(of_query(parts.uri.query()));
    given.filter(|credential| !credential.is_empty())
}

/// Whether a request is signed, as by boto3 with keys of AWS.
pub(super) fn is_signed(parts: &Parts) -> bool {
    let authorization = parts.headers.get(header::AUTHORIZATION);
    authorization.is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"))
}

fn of_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| rest.trim_ascii())
}

fn of_query(query: Option<&str>) -> Option<Cow<'_, [u8]>> {
    let mut pairs = query?.split('&');
    let key = pairs.find_map(|pair| pair.strip_prefix("key="))?;
    Some(match decoded(key)? {
        Cow::Borrowed(key) => Cow::Borrowed(key.as_bytes()),
        Cow::Owned(key) => Cow::Owned(key.into_bytes()),
    })
}

const SCHEME: &[u8] = b"Bearer ";
/// Of Anthropic, Azure and Google.
const PLAIN: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn each_sdk_puts_its_key_elsewhere() {
        for (header, value, uri) in [
            ("authorization", "Bearer s3cret", "/"),
            ("authorization", "bearer  s3cret ", "/"),
            ("x-api-key", "s3cret", "/"),
            ("api-key", "s3cret", "/"),
            ("x-goog-api-key", "s3cret", "/"),
            ("accept", "*/*", "/v1beta/models?alt=sse&key=s3cret"),
            ("accept", "*/*", "/?key=s%33cret&key=other"),
        ] {
            let request = Request::get(uri).header(header, value).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            let given: Vec<_> = credentials(&parts).collect();
            assert_eq!(given, [b"s3cret".as_slice()], "{header}: {value} {uri}");
        }
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        for (header, value, uri) in [
            ("authorization", "AWS4-HMAC-SHA256 Credential=a", "/"),
            ("authorization", "Bearer", "/"),
            ("authorization", "Bearer ", "/"),
            ("x-api-key", "", "/"),
            ("accept", "*/*", "/?monkey=a&key="),
            ("accept", "*/*", "/?key=%ff"),
        ] {
            let request = Request::get(uri).header(header, value).body(()).unwrap();
            let (parts, ()) = request.into_parts();
            assert_eq!(credentials(&parts).count(), 0, "{header}: {value} {uri}");
        }
    }
}
