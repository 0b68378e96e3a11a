use std::{borrow::Cow, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Uri, Version,
    header::{self, HeaderName},
    request, response,
    uri::PathAndQuery,
};

use crate::{
    hints::{Call, Explain, Risk, Routed, Session, Task, Tenant},
    router::Decision,
};

pub(super) const MODEL: HeaderName = HeaderName::from_static("x-outcome-model");
pub(super) const REQUESTED: HeaderName = HeaderName::from_static("x-outcome-requested-model");
pub(super) const TARGET: HeaderName = HeaderName::from_static("x-outcome-target");
pub(super) const REASON: HeaderName = HeaderName::from_static("x-outcome-reason");
pub(super) const ATTEMPTS: HeaderName = HeaderName::from_static("x-outcome-attempts");
pub(super) const ID: HeaderName = HeaderName::from_static("x-outcome-id");

pub(super) const EXPLANATION: HeaderName = HeaderName::from_static("x-outcome-explanation");
/// Long enough for a pool of a dozen targets, short enough for every proxy.
const LONGEST_EXPLANATION: usize = 1024;

const TASK: HeaderName = HeaderName::from_static("x-outcome-task");
const TENANT: HeaderName = HeaderName::from_static("x-outcome-tenant");
const SESSION: HeaderName = HeaderName::from_static("x-outcome-session");
const RISK: HeaderName = HeaderName::from_static("x-outcome-risk");
const EXPLAIN: HeaderName = HeaderName::from_static("x-outcome-explain");
/// As long as a name may be elsewhere.
const LONGEST_HINT: usize = 256;

/// Headers that speak of one connection (RFC 9110, 7.6.1), beside those that `Connection` lists.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers by which a provider speaks of its own host name, not of ours: cookies that nobody will
/// send back, and promises about TLS and HTTP/3.
const OF_THE_ORIGIN: [HeaderName; 3] = [
    header::ALT_SVC,
    header::SET_COOKIE,
    header::STRICT_TRANSPORT_SECURITY,
];

/// By these a provider invites web pages of any origin to its API, where every caller brings a key.
/// Here the key is the gateway's own.
const CROSS_ORIGIN: &str = "access-control-";

/// Returns whether trailers of the answer reach the caller: in HTTP/1 only if it asked for them.
pub(super) fn takes_trailers(parts: &request::Parts) -> bool {
    let mut te = parts.headers.get_all(header::TE).iter();
    parts.version == Version::HTTP_2
        || te.any(|value| {
            let mut codings = value.as_bytes().split(|byte| *byte == b',');
            codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        })
}

/// Makes a request a fresh one: nothing of the connection it came on is left, and above all not
/// where it was addressed to. Only the configuration chooses a host.
pub(super) fn enter(parts: &mut request::Parts) {
    make_framing_plain(&mut parts.headers);
    remove_hop_by_hop(&mut parts.headers);
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::EXPECT);
    parts.version = Version::HTTP_11;
    let target = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
}

/// Makes hints of the headers that are meant for us, and leaves none of them to an upstream. A hint
/// that is there already is the application's own, and wins: a caller does not choose its tenant
/// where somebody knows better. One that cannot be read is none.
pub(super) fn take_hints(parts: &mut request::Parts) {
    let request::Parts {
        headers,
        extensions,
        ..
    } = parts;
    if let Some(task) = take_text(headers, &TASK) {
        extensions.get_or_insert_with(|| Task::new(task));
    }
    if let Some(tenant) = take_text(headers, &TENANT) {
        extensions.get_or_insert_with(|| Tenant::new(tenant));
    }
    if let Some(session) = take_text(headers, &SESSION) {
        extensions.get_or_insert_with(|| Session::new(session));
    }
    if take_flag(headers, &RISK) {
        extensions.insert(Risk);
    }
    if take_flag(headers, &EXPLAIN) {
        extensions.insert(Explain);
    }
}

fn take_text(headers: &mut HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.remove(name)?;
    let text = value.to_str().ok().map(str::trim);
    let text = text.filter(|text| (1..=LONGEST_HINT).contains(&text.len()));
    if text.is_none() {
        tracing::debug!(header = %name, "a hint that cannot be read is ignored");
    }
    text.map(str::to_owned)
}

fn take_flag(headers: &mut HeaderMap, name: &HeaderName) -> bool {
    let text = take_text(headers, name);
    text.is_some_and(|text| text == "1" || text.eq_ignore_ascii_case("true"))
}

/// Makes an answer ours, and tells who served.
pub(super) fn leave(parts: &mut response::Parts, call: &Call, trailers: bool) {
    make_framing_plain(&mut parts.headers);
    remove_hop_by_hop(&mut parts.headers);
    for name in &OF_THE_ORIGIN {
        parts.headers.remove(name);
    }
    let cross_origin: Vec<HeaderName> = parts
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with(CROSS_ORIGIN))
        .cloned()
        .collect();
    for name in &cross_origin {
        parts.headers.remove(name);
    }
    if !trailers {
        parts.headers.remove(header::TRAILER);
    }
    parts.version = Version::HTTP_11;
    let routed = parts.extensions.remove::<Routed>();
    if let Some(routed) = routed.or_else(|| call.last()) {
        tell(&mut parts.headers, &routed, call);
    }
    let decision = parts.extensions.remove::<Arc<Decision>>();
    explain(&mut parts.headers, decision.or_else(|| call.decision()));
}

/// Tells who served a request, or was the last to fail it.
pub(super) fn tell(headers: &mut HeaderMap, routed: &Routed, call: &Call) {
    headers.insert(MODEL, visible(routed.model()));
    headers.insert(REQUESTED, visible(routed.requested_model()));
    headers.insert(TARGET, visible(routed.target()));
    headers.insert(REASON, visible(&routed.reason().to_string()));
    headers.insert(ATTEMPTS, HeaderValue::from(call.attempts()));
    headers.insert(ID, visible(&routed.outcome_id().to_string()));
    // Whatever an upstream says of its own decisions.
    headers.remove(EXPLANATION);
}

/// Tells the decision in one line, where there is one to be told.
pub(super) fn explain(headers: &mut HeaderMap, decision: Option<Arc<Decision>>) {
    if let Some(decision) = decision {
        headers.insert(EXPLANATION, explanation(&decision.to_string()));
    }
}

fn explanation(told: &str) -> HeaderValue {
    let lines: Vec<_> = told.lines().map(str::trim).collect();
    let line = lines.join(" | ");
    let escaped = escape(&line);
    if escaped.len() <= LONGEST_EXPLANATION {
        return visible(&line);
    }
    let most = LONGEST_EXPLANATION - "...".len();
    let whole = escaped.get(..most).unwrap_or_default();
    // Not within an escape.
    let begun = whole.len().saturating_sub(2);
    let end = whole.get(begun..).and_then(|end| end.find('%'));
    let whole = whole.get(..end.map_or(most, |at| begun + at));
    let cut = format!("{}...", whole.unwrap_or_default());
    HeaderValue::from_str(&cut).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Writes a text into a header value: what is not visible ASCII is percent-encoded.
fn visible(text: &str) -> HeaderValue {
    // All of it is visible now.
    HeaderValue::from_str(&escape(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn escape(text: &str) -> Cow<'_, str> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.bytes().all(is_visible) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_visible(byte) && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(escaped)
}

/// Beside `Transfer-Encoding` a `Content-Length` is a lie (RFC 9112, 6.3), and what frames the message
/// anew would believe it once the former is gone.
fn make_framing_plain(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;

    #[test]
    fn f21_a_length_beside_a_transfer_encoding_is_dropped() {
        let request = Request::post("/v1/files")
            .header("transfer-encoding", "chunked")
            .header("content-length", "7");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        enter(&mut parts);
        assert!(parts.headers.is_empty());
        let response = Response::builder()
            .header("transfer-encoding", "chunked")
            .header("content-length", "7");
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        leave(&mut parts, &Call::new(), true);
        assert!(parts.headers.is_empty());
    }

    #[test]
    fn answers_invite_no_other_origin_and_announce_no_trailers_that_are_dropped() {
        for trailers in [true, false] {
            let response = Response::builder()
                .header("access-control-allow-origin", "*")
                .header("access-control-allow-credentials", "true")
                .header("trailer", "x-sum");
            let (mut parts, ()) = response.body(()).unwrap().into_parts();
            leave(&mut parts, &Call::new(), trailers);
            let names: Vec<_> = parts.headers.keys().collect();
            assert_eq!(names.is_empty(), !trailers, "{names:?}");
        }
        for (te, taken) in [
            ("trailers", true),
            ("gzip, Trailers", true),
            ("gzip", false),
        ] {
            let request = Request::get("/").header("te", te);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(takes_trailers(&parts), taken, "{te}");
        }
    }

    #[test]
    fn f21_hop_by_hop_headers_are_removed_with_those_that_connection_lists() {
        let request = Request::post("/v1/chat/completions")
            .header("connection", "close, X-One")
            .header("connection", "x-two, not a name, \u{e9}")
            .header("x-one", "1")
            .header("x-two", "2")
            .header("te", "trailers")
            .header("transfer-encoding", "chunked")
            .header("upgrade", "websocket")
            .header("proxy-authorization", "secret")
            .header("x-three", "3");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        enter(&mut parts);
        let names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-three"]);
    }

    #[test]
    fn f22_the_caller_does_not_say_where_a_request_goes() {
        let request = Request::post("http://169.254.169.254/v1/x?y").header("host", "evil");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        enter(&mut parts);
        assert_eq!(parts.uri, "/v1/x?y");
        assert!(parts.headers.is_empty());
    }

    #[test]
    fn hints_are_taken_out_of_the_headers() {
        let request = Request::post("/v1/chat/completions")
            .header("x-outcome-task", " synthesis ")
            .header("x-outcome-task", "second")
            .header("x-outcome-tenant", "spoofed")
            .header("x-outcome-session", "s".repeat(257))
            .header("x-outcome-risk", "True")
            .header("x-outcome-explain", "0")
            .extension(Tenant::new("known"));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        take_hints(&mut parts);
        assert!(parts.headers.is_empty());
        let hints = &parts.extensions;
        assert_eq!(hints.get::<Task>(), Some(&Task::new("synthesis")));
        assert_eq!(hints.get::<Tenant>(), Some(&Tenant::new("known")));
        assert_eq!(hints.get::<Session>(), None);
        assert_eq!(hints.get::<Risk>(), Some(&Risk));
        assert_eq!(hints.get::<Explain>(), None);
        for bad in ["", " ", "\u{e9}"] {
            let request = Request::post("/").header("x-outcome-task", bad);
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            take_hints(&mut parts);
            assert!(
                parts.headers.is_empty() && parts.extensions.is_empty(),
                "{bad}"
            );
        }
    }

    #[test]
    fn an_explanation_is_one_bounded_line_of_ascii() {
        assert_eq!(
            explanation("a is picked\n  a: 9 %\n  b: c"),
            "a is picked | a: 9 % | b: c"
        );
        for padding in 0..12 {
            let long = format!("{}{}", "x".repeat(padding), "\u{e9}".repeat(400));
            let told = explanation(&long);
            let told = told.to_str().unwrap();
            assert!(
                told.len() <= 1024 && told.len() > 1024 - 6,
                "{}",
                told.len()
            );
            let whole = told.strip_suffix("...").unwrap();
            assert!(escape(&long).starts_with(whole));
            assert_eq!((whole.len() - padding) % 3, 0, "an escape is cut");
        }
    }

    #[test]
    fn f20_header_values_are_visible_ascii() {
        for (text, value) in [
            ("gpt-4o", "gpt-4o"),
            ("100 %", "100 %"),
            ("a\r\nset-cookie: b", "a%0D%0Aset-cookie: b"),
            ("modèle 9%\0", "mod%C3%A8le 9%25%00"),
        ] {
            assert_eq!(visible(text), value);
        }
    }
}
