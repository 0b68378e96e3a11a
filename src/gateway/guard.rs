use http::{Request, Version, header, uri::Authority};

/// Looks for the forms of a request that two servers in a row may read differently, and that an
/// honest client never sends.
///
/// Two lengths are not seen here: hyper refuses those that differ, lets `Transfer-Encoding` win over
/// `Content-Length` and closes such a connection after its answer (RFC 9112, 6.3). What goes on to
/// an upstream is framed anew in any case.
pub(super) fn inspect<B>(request: &Request<B>) -> Result<(), &'static str> {
    let headers = request.headers();
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("There is more than one Host header.");
    }
    if host.is_none() && request.version() == Version::HTTP_11 {
        return Err("There is no Host header.");
    }
    let host = match host.map(|host| Authority::try_from(host.as_bytes())) {
        Some(Err(_)) => return Err("The Host header is not valid."),
        Some(Ok(host)) => Some(host),
        None => None,
    };
    if let (Some(asked), Some(host)) = (request.uri().authority(), host)
        && !asked.as_str().eq_ignore_ascii_case(host.as_str())
    {
        return Err("The request is addressed to another host than its Host header says.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        inspect(&request.body(()).unwrap())
    }

    #[test]
    fn f21_ambiguous_requests_are_refused() {
        assert_eq!(request("/v1", &[("host", "a:1")]), Ok(()));
        assert_eq!(request("http://A/v1", &[("host", "a")]), Ok(()));
        for (uri, headers) in [
            ("/v1", &[] as &[_]),
            ("/v1", &[("host", "a"), ("host", "a")]),
            ("/v1", &[("host", "a b")]),
            ("http://b/v1", &[("host", "a")]),
        ] {
            assert!(request(uri, headers).is_err(), "{uri} {headers:?}");
        }
    }
}
