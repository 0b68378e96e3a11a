use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Request, StatusCode, Uri, Version, header, uri::Authority};

/// Looks for the forms of a request that two servers in a row may read differently, and that an
/// honest client never sends. Returns which host it is addressed to.
///
/// Two lengths are not seen here: hyper refuses those that differ, lets `Transfer-Encoding` win over
/// `Content-Length` and closes such a connection after its answer (RFC 9112, 6.3). What goes on to
/// an upstream is framed anew in any case.
pub(super) fn inspect<B>(request: &Request<B>) -> Result<Option<Authority>, &'static str> {
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
    let asked = request.uri().authority();
    if let (Some(asked), Some(host)) = (asked, &host)
        && !asked.as_str().eq_ignore_ascii_case(host.as_str())
    {
        return Err("The request is addressed to another host than its Host header says.");
    }
    Ok(host.or_else(|| asked.cloned()))
}

/// The names that this server answers to.
///
/// Who listens on loopback trusts everybody on this machine, and so all programs but one: a browser
/// runs what strangers wrote. It says by which name it came, which gives away a name that a stranger
/// has made to resolve to loopback, and from which page.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    pub(super) named: Vec<String>,
    /// Whether loopback only is listened on.
    pub(super) loopback: bool,
}

impl Hosts {
    /// Checks what [`inspect`] has found sound, and addressed to the host `asked`.
    pub(super) fn check<B>(
        &self,
        request: &Request<B>,
        asked: Option<&Authority>,
    ) -> Result<(), (StatusCode, Cow<'static, str>)> {
        let headers = request.headers();
        let host = asked.map(Authority::host);
        if let Some(host) = host.filter(|host| !self.answers_to(host)) {
            let shown: String = host.chars().take(100).collect();
            let message = format!(
                "This gateway does not answer to the host {shown:?}; list it in hosts = [...] of the \
                 configuration if it should."
            );
            return Err((StatusCode::MISDIRECTED_REQUEST, message.into()));
        }
        let foreign = match headers.get(header::ORIGIN) {
            Some(origin) => !origin_host(origin).is_some_and(|origin| {
                host.is_some_and(|host| host.eq_ignore_ascii_case(&origin)) || self.names(&origin)
            }),
            None => headers.get(&SITE).is_some_and(|site| site == "cross-site"),
        };
        if foreign {
            let message = "Web pages of another host are not served.";
            return Err((StatusCode::FORBIDDEN, message.into()));
        }
        Ok(())
    }

    fn answers_to(&self, host: &str) -> bool {
        let open = !self.loopback && self.named.is_empty();
        open || self.names(host) || LOOPBACK.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    fn names(&self, host: &str) -> bool {
        self.named.iter().any(|own| own.eq_ignore_ascii_case(host))
    }
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Returns the host of a web page; `None` for those that have none, such as files.
fn origin_host(origin: &HeaderValue) -> Option<String> {
    let origin: Uri = origin.to_str().ok()?.parse().ok()?;
    origin.scheme()?;
    origin.host().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &Hosts, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::get("/v1/models");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let checked = hosts.check(&request, inspect(&request).unwrap().as_ref());
        checked.err().map(|(status, _)| status.as_u16())
    }

    #[test]
    fn f22_on_loopback_only_its_own_names_and_pages_are_answered() {
        let mut hosts = Hosts {
            named: Vec::new(),
            loopback: true,
        };
        for host in ["localhost", "LocalHost:80", "127.0.0.1:8080", "[::1]:1"] {
            assert_eq!(check(&hosts, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8080", "127.0.0.2"] {
            assert_eq!(check(&hosts, &[("host", host)]), Some(421), "{host}");
        }
        let local = ("host", "localhost:8080");
        for (header, refused) in [
            (("origin", "http://localhost:3000"), None),
            (("sec-fetch-site", "same-origin"), None),
            (("sec-fetch-site", "none"), None),
            (("origin", "https://evil.example"), Some(403)),
            (("origin", "null"), Some(403)),
            (("sec-fetch-site", "cross-site"), Some(403)),
        ] {
            assert_eq!(check(&hosts, &[local, header]), refused, "{header:?}");
        }
        hosts.named.push("llm.example".to_owned());
        assert_eq!(check(&hosts, &[("host", "LLM.example:443")]), None);
        assert_eq!(
            check(&hosts, &[local, ("origin", "https://llm.example")]),
            None
        );
        hosts.loopback = false;
        assert_eq!(check(&hosts, &[("host", "evil.example")]), Some(421));
        hosts.named.clear();
        assert_eq!(check(&hosts, &[("host", "10.0.0.1:8080")]), None);
    }

    fn request(uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        inspect(&request.body(()).unwrap()).map(drop)
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
