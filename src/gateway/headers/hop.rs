use http::{
    HeaderMap, Uri, Version,
    header::{self, HeaderName},
    request, response,
    uri::PathAndQuery,
};
use smallvec::SmallVec;

use super::names::Names;

/// Returns whether trailers of the answer reach the caller: in HTTP/1 only if it asked for them.
pub(in crate::gateway) fn takes_trailers(parts: &request::Parts) -> bool {
    let mut te = parts.headers.get_all(header::TE).iter();
    parts.version == Version::HTTP_2
        || te.any(|value| {
            let mut codings = value.as_bytes().split(|byte| *byte == b',');
            codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
        })
}

/// Makes a request a fresh one: nothing of the connection it came on is left, and above all not
/// where it was addressed to. Only the configuration chooses a host.
pub(in crate::gateway) fn enter(parts: &mut request::Parts) {
    make_framing_plain(&mut parts.headers);
    remove_all(&mut parts.headers, |name| {
        let name = name.as_str();
        // These speak to the gateway alone.
        is_hop_by_hop(name) || matches!(name, "expect" | "host")
    });
    parts.version = Version::HTTP_11;
    let target = parts.uri.path_and_query().cloned();
    parts.uri = Uri::from(target.unwrap_or_else(|| PathAndQuery::from_static("/")));
}

/// Makes an answer ours: nothing of the connection it came on is left, of the host it came from, or of
/// what only we may say.
pub(in crate::gateway) fn leave(parts: &mut response::Parts, names: &Names, trailers: bool) {
    make_framing_plain(&mut parts.headers);
    remove_all(&mut parts.headers, |header| {
        let name = header.as_str();
        is_hop_by_hop(name)
            || is_of_the_origin(name)
            || name.starts_with(CROSS_ORIGIN)
            || names.is_ours(header)
            || !trailers && *header == header::TRAILER
    });
    parts.version = Version::HTTP_11;
}

/// Beside `Transfer-Encoding` a `Content-Length` is a lie (RFC 9112, 6.3), and what frames the message
/// anew would believe it once the former is gone.
fn make_framing_plain(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// Removes the headers that `is` names, and those that `Connection` lists. One pass: to look names up
/// that are not there takes longer than to look at all that are.
fn remove_all(headers: &mut HeaderMap, is: impl Fn(&HeaderName) -> bool) {
    let mut names: SmallVec<[HeaderName; 4]> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    names.extend(headers.keys().filter(|name| is(name)).cloned());
    for name in &names {
        headers.remove(name);
    }
}

/// Whether a header speaks of one connection (RFC 9110, 7.6.1), beside those that `Connection` lists.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether by a header a provider speaks of its own host name, not of ours: cookies that nobody will
/// send back, and promises about TLS and HTTP/3.
fn is_of_the_origin(name: &str) -> bool {
    matches!(name, "alt-svc" | "set-cookie" | "strict-transport-security")
}

/// By these a provider invites web pages of any origin to its API, where every caller brings a key.
/// Here the key is the gateway's own.
const CROSS_ORIGIN: &str = "access-control-";

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::{super::names::tests::plain, *};

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
        leave(&mut parts, &plain(), true);
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
            leave(&mut parts, &plain(), trailers);
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
    fn an_upstream_says_nothing_in_our_name() {
        let response = Response::builder()
            .header("x-outcome-model", "forged")
            .header("x-outcome-of-tomorrow", "forged")
            .header("x-outcom", "its own");
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        leave(&mut parts, &plain(), true);
        let names: Vec<_> = parts.headers.keys().collect();
        assert_eq!(names, ["x-outcom"]);
    }
}
