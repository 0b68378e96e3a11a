use std::collections::VecDeque;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{self, HeaderName},
    request::Parts,
    uri::PathAndQuery,
};
use smallvec::SmallVec;

use crate::{
    dialect::{
        self, Dialect, Located,
        json::{self, Edit},
    },
    router::Upstream,
};

/// Query parameters that carry secrets. None of a caller's crosses to another upstream.
const QUERY_CREDENTIALS: [&str; 11] = [
    "access_token",
    "auth_token",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "key",
    "subscription-key",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
];

/// Names another model in a request, and makes other changes of its body on the way. Where one of
/// the places cannot hold the name, none is touched.
pub(super) fn rename(
    mut chunks: VecDeque<Bytes>,
    uri: &mut Uri,
    located: &Located,
    model: &str,
    mut edits: Vec<Edit>,
) -> VecDeque<Bytes> {
    // Of several, servers differ in which one they read.
    let is_named = located.model == model && located.sites.len() == 1;
    let sites = if is_named { &[] } else { &*located.sites };
    let written = sites.iter().map(|site| site.place.write(model));
    let written: Option<SmallVec<[Bytes; 2]>> = written.collect();
    for (site, with) in sites.iter().zip(written.unwrap_or_default()) {
        let edit = Edit::new(site.range.clone(), with);
        if !site.place.is_path() {
            edits.push(edit);
        } else if let Some(renamed) = rename_path(uri, &edit) {
            *uri = renamed;
        }
    }
    // An addition stands at the end of what comes before it.
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    if edits.is_empty() {
        return chunks;
    }
    json::edit(chunks.make_contiguous(), &edits).chunks
}

/// Makes the framing headers of a collected body true.
pub(crate) fn reframe(headers: &mut HeaderMap, len: u64, trailers: bool) {
    if trailers {
        // HTTP/1 drops trailers beside a Content-Length: it stays chunked.
        headers.remove(header::CONTENT_LENGTH);
    } else {
        headers.remove(header::TRANSFER_ENCODING);
        if content_length(headers) != Some(len) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
        }
    }
}

/// Asks for an answer that is not compressed, where the caller takes one that is: nobody could look
/// into it.
pub(super) fn ask_plain(headers: &mut HeaderMap) {
    if headers.contains_key(header::ACCEPT_ENCODING) {
        let plain = HeaderValue::from_static("identity");
        headers.insert(header::ACCEPT_ENCODING, plain);
    }
}

/// Returns what the one Content-Length says, where it is written as we would.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let digits = values.next()?.as_bytes();
    if values.next().is_some() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Sends a request to another upstream: scheme, authority, path and credentials are replaced.
/// `path` is what the request is to ask for there.
pub(crate) fn readdress(parts: &mut Parts, upstream: &Upstream, dialect: &dyn Dialect, path: &str) {
    // One host may stand before several providers, told apart by their base paths.
    let same = parts.uri.scheme() == Some(&upstream.scheme)
        && parts.uri.authority() == Some(&upstream.authority)
        && parts.uri.path() == path;
    let query = parts
        .uri
        .query()
        .map(|query| if same { query.to_owned() } else { scrub(query) });
    let query = with_own(query.unwrap_or_default(), &upstream.query);
    // As it mostly is, where the upstream is a provider of the caller's own API.
    let is_there = parts.uri.path() == path && !path.is_empty();
    let is_there = is_there && query.is_empty() && parts.uri.query().is_none();
    let target = (!is_there).then(|| {
        let mut target = path.to_owned();
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        target
    });
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(upstream.scheme.clone());
    uri.authority = Some(upstream.authority.clone());
    // Both halves were part of valid URIs, so the whole is one.
    let target = target.and_then(|target| PathAndQuery::try_from(target).ok());
    uri.path_and_query = target.or(uri.path_and_query);
    if let Ok(uri) = Uri::from_parts(uri) {
        parts.uri = uri;
    }
    let headers = &mut parts.headers;
    if headers.contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(upstream.authority.as_str())
    {
        headers.insert(header::HOST, host);
    }
    let own = upstream.own_credential(dialect.name());
    if !same || own.is_some() {
        remove_credentials(headers, &upstream.secrets);
    }
    if let Some((name, value)) = own {
        headers.insert(name.clone(), value.clone());
    }
}

/// One pass over what is there: to look up all that might be takes longer.
fn remove_credentials(headers: &mut HeaderMap, secrets: &[HeaderName]) {
    let is_known = |name: &&HeaderName| is_credential(name.as_str());
    let mut names: SmallVec<[HeaderName; 4]> = headers.keys().filter(is_known).cloned().collect();
    names.extend(secrets.iter().filter(|name| !is_known(name)).cloned());
    for name in &names {
        headers.remove(name);
    }
}

/// Whether a header carries a secret. None of a caller's crosses to another upstream.
fn is_credential(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cookie"
            | "proxy-authorization"
            | "api-key"
            | "cf-aig-authorization"
            | "ocp-apim-subscription-key"
            | "openai-organization"
            | "openai-project"
            // A signature is one of its own request.
            | "x-amz-content-sha256"
            | "x-amz-date"
            | "x-amz-region-set"
            | "x-amz-security-token"
            | "x-api-key"
            | "x-auth-token"
            | "x-goog-api-key"
            | "x-goog-user-project"
            | "x-portkey-api-key"
    )
}

/// Adds the parameters that an upstream asks for, where the request does not bring them.
fn with_own(mut query: String, own: &[(String, String)]) -> String {
    for (name, value) in own {
        let mut names = query.split('&').map(|pair| pair.split('=').next());
        if !names.any(|it| it == Some(name)) {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("{name}={value}"));
        }
    }
    query
}

fn scrub(query: &str) -> String {
    let kept = query.split('&').filter(|pair| {
        let name = dialect::decode_bytes(pair.split('=').next().unwrap_or_default());
        let name = String::from_utf8_lossy(&name);
        !QUERY_CREDENTIALS
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret))
    });
    kept.collect::<Vec<_>>().join("&")
}

fn rename_path(uri: &Uri, edit: &Edit) -> Option<Uri> {
    let path = uri.path();
    let (before, after) = (path.get(..edit.range.start)?, path.get(edit.range.end..)?);
    let mut target = String::with_capacity(path.len() + edit.with.len());
    target.push_str(before);
    target.push_str(str::from_utf8(&edit.with).ok()?);
    target.push_str(after);
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{
        dialect::{Addressed, Place},
        router::Credential,
    };

    const CREDENTIALS: [&str; 17] = [
        "authorization",
        "cookie",
        "proxy-authorization",
        "api-key",
        "cf-aig-authorization",
        "ocp-apim-subscription-key",
        "openai-organization",
        "openai-project",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-region-set",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-goog-api-key",
        "x-goog-user-project",
        "x-portkey-api-key",
    ];

    fn path_at(upstream: &Upstream, path: &str) -> String {
        let (dialect, endpoint) = dialect::detect(path).unwrap();
        upstream.path(&Addressed::new(path, dialect.name(), endpoint, "m"))
    }

    fn readdressed(uri: &str, base: &str, secret: Option<&str>) -> Parts {
        let mut request = Request::post(uri).header("host", "gateway");
        for name in &CREDENTIALS {
            request = request.header(*name, "inbound");
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let mut upstream = Upstream::new(base).unwrap();
        if let Some(secret) = secret {
            upstream = upstream.credential(Credential::new(secret).unwrap());
        }
        let path = path_at(&upstream, parts.uri.path());
        let (dialect, _) = dialect::detect(parts.uri.path()).unwrap();
        readdress(&mut parts, &upstream, dialect, &path);
        parts
    }

    #[test]
    fn scheme_authority_base_path_and_host_are_replaced() {
        let parts = readdressed(
            "http://127.0.0.1:8080/v1/chat/completions?x=1",
            "https://api.groq.com/openai/v1/",
            None,
        );
        assert_eq!(
            parts.uri,
            "https://api.groq.com/openai/v1/chat/completions?x=1"
        );
        assert_eq!(parts.headers["host"], "api.groq.com");
    }

    #[test]
    fn f39_no_inbound_credential_crosses_and_the_own_one_is_attached() {
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let uri = format!("http://a{path}?key=s&api-key=s&access_token=s&API_KEY=s&v=2");
            let parts = readdressed(&uri, "http://b", Some("own"));
            assert_eq!(parts.uri.query(), Some("v=2"));
            assert!(parts.headers.values().all(|value| value != "inbound"));
            let own: Vec<_> = parts
                .headers
                .values()
                .filter(|value| value.is_sensitive())
                .collect();
            assert_eq!(own.len(), 1, "{path}");
            let parts = readdressed(&uri, "http://b", None);
            assert!(parts.headers.values().all(|value| value != "inbound"));
        }
    }

    #[test]
    fn the_same_upstream_keeps_the_callers_credential() {
        let parts = readdressed("http://a/v1/chat/completions?key=s", "http://a/v1", None);
        assert_eq!(parts.headers["authorization"], "inbound");
        assert_eq!(parts.uri.query(), Some("key=s"));
    }

    #[test]
    fn f39_another_base_path_of_the_same_host_is_another_provider() {
        let uri = "https://gw.example/acct/openai/chat/completions?%6bey=s&v=2";
        let parts = readdressed(uri, "https://gw.example/acct/other", None);
        assert_eq!(parts.uri.path(), "/acct/other/chat/completions");
        assert_eq!(parts.uri.query(), Some("v=2"));
        assert!(parts.headers.values().all(|value| value != "inbound"));
        let parts = readdressed(uri, "https://gw.example/acct/openai", None);
        assert_eq!(parts.headers["authorization"], "inbound");
    }

    #[test]
    fn f20_a_model_in_a_path_is_percent_encoded() {
        let uri = Uri::from_static("http://h/m/old:go?q");
        let model = Place::Path.write("../a b\r\n\u{e9}?#").unwrap();
        let renamed = rename_path(&uri, &Edit::new(3..6, model)).unwrap();
        assert_eq!(renamed, "http://h/m/..%2Fa%20b%0D%0A%C3%A9%3F%23:go?q");
    }
}
