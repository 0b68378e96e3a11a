use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, request::Parts,
    uri::PathAndQuery,
};
use hyper::upgrade::OnUpgrade;

use crate::dialect;

/// A request for a websocket.
pub(in crate::gateway) struct Asked {
    /// What becomes of its connection.
    pub(super) ours: OnUpgrade,
}

impl Asked {
    /// Takes the wish out of a request, before what belongs to its connection is removed.
    ///
    /// Web pages cannot set headers, so they bring a key as one of the protocols they offer. It is
    /// read as if it stood where keys stand, and is offered to nobody.
    pub(in crate::gateway) fn take(parts: &mut Parts) -> Option<Self> {
        let headers = &parts.headers;
        let lists = |name: HeaderName, word| tokens(headers, name).any(|it| is(it, word));
        let wants = parts.method == Method::GET
            && parts.version == Version::HTTP_11
            && lists(header::CONNECTION, "upgrade")
            && lists(header::UPGRADE, "websocket")
            && !headers.contains_key(header::TRANSFER_ENCODING)
            && headers
                .get(header::CONTENT_LENGTH)
                .is_none_or(|length| length == "0");
        if !wants {
            return None;
        }
        let ours = parts.extensions.remove()?;
        keep_secrets(&mut parts.headers);
        Some(Self { ours })
    }
}

/// Returns the model that the query names.
pub(super) fn model(uri: &Uri) -> Option<String> {
    let mut pairs = uri.query()?.split('&');
    let (_, value) = pairs.find(|pair| names_model(pair))?.split_once('=')?;
    let model = String::from_utf8(dialect::decode_bytes(value)).ok()?;
    (!model.is_empty()).then_some(model)
}

/// Names a model in the query, wherever one is named there: servers differ in which they read.
pub(super) fn rename(uri: &mut Uri, model: &str) {
    let encoded = dialect::encode(model);
    let pairs = uri.query().unwrap_or_default().split('&');
    let renamed: Vec<_> = pairs
        .map(|pair| match names_model(pair) {
            true => Cow::Owned(format!("model={encoded}")),
            false => Cow::Borrowed(pair),
        })
        .collect();
    let target = format!("{}?{}", uri.path(), renamed.join("&"));
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok().or(parts.path_and_query);
    // All of it stood in a URI, or is encoded.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

fn names_model(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    dialect::decode_bytes(name) == b"model"
}

/// Takes keys out of the protocols that are offered.
fn keep_secrets(headers: &mut HeaderMap) {
    let name = header::SEC_WEBSOCKET_PROTOCOL;
    let (secret, plain): (Vec<String>, Vec<String>) = tokens(headers, name.clone())
        .map(str::to_owned)
        .partition(|it| is_secret(it));
    if secret.is_empty() {
        return;
    }
    headers.remove(&name);
    if let Ok(plain) = HeaderValue::try_from(plain.join(", "))
        && !plain.is_empty()
    {
        headers.insert(name, plain);
    }
    let key = secret.iter().find_map(|it| it.strip_prefix(KEY));
    let key = key.and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
    if let Some(mut key) = key.filter(|_| !headers.contains_key(header::AUTHORIZATION)) {
        key.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, key);
    }
}

/// By this OpenAI's SDK brings a key from a web page.
const KEY: &str = "openai-insecure-api-key.";

/// Whether an offered protocol is none, but a key or says whose it is.
fn is_secret(protocol: &str) -> bool {
    let protocol = protocol.to_ascii_lowercase();
    let words = ["api-key", "apikey", "authorization", "bearer", "token"];
    words.iter().any(|word| protocol.contains(word))
        || protocol.starts_with("openai-organization.")
        || protocol.starts_with("openai-project.")
}

fn is(token: &str, word: &str) -> bool {
    token.eq_ignore_ascii_case(word)
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f39_a_key_among_the_protocols_is_offered_to_nobody() {
        let mut headers = HeaderMap::new();
        let offered = "realtime, openai-insecure-api-key.canary, openai-beta.realtime-v1, \
                       openai-organization.canary, base64url.bearer.authorization.k8s.io.canary";
        headers.insert("sec-websocket-protocol", HeaderValue::from_static(offered));
        keep_secrets(&mut headers);
        assert_eq!(
            headers["sec-websocket-protocol"],
            "realtime, openai-beta.realtime-v1"
        );
        assert_eq!(headers["authorization"], "Bearer canary");
        assert!(!format!("{headers:?}").contains("canary"));
        let only = HeaderValue::from_static("openai-insecure-api-key.other");
        headers.insert("sec-websocket-protocol", only);
        keep_secrets(&mut headers);
        assert!(!headers.contains_key("sec-websocket-protocol"));
        assert_eq!(headers["authorization"], "Bearer canary");
    }

    #[test]
    fn the_model_stands_in_the_query() {
        for (uri, expected) in [
            ("/v1/realtime?model=gpt-realtime", Some("gpt-realtime")),
            ("/v1/realtime?x=1&model=a%2Fb%20c&y", Some("a/b c")),
            ("/v1/realtime?model=", None),
            ("/v1/realtime?amodel=x", None),
            ("/v1/realtime", None),
        ] {
            assert_eq!(model(&uri.parse().unwrap()).as_deref(), expected, "{uri}");
        }
        let mut uri: Uri = "/v1/realtime?x=1&model=old&y".parse().unwrap();
        rename(&mut uri, "new/\u{e9} &");
        assert_eq!(model(&uri).as_deref(), Some("new/\u{e9} &"));
        assert!(uri.query().unwrap().starts_with("x=1&model=new"), "{uri}");
        assert!(uri.query().unwrap().ends_with("&y"), "{uri}");
        let mut uri: Uri = "/v1/realtime?model=a&mod%65l=b&model=c".parse().unwrap();
        rename(&mut uri, "a");
        assert_eq!(uri.query(), Some("model=a&model=a&model=a"));
    }
}
