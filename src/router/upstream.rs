use std::{fmt, sync::Arc};

use http::{
    HeaderName, HeaderValue, Uri,
    uri::{Authority, Scheme},
};

use super::error::BuildError;
use crate::dialect::{self, Addressed, Dialect};

/// Where a target's requests go: scheme, authority and base path.
#[derive(Clone)]
pub struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// What a request over HTTP/1 says in its header `Host`.
    #[cfg(feature = "gateway")]
    pub(crate) host: HeaderValue,
    pub(crate) base_path: String,
    /// Parameters that every request has to bring, encoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) credential: Option<Credential>,
    pub(crate) dialect: Option<&'static dyn Dialect>,
    /// The headers that carry the credentials of any target of the router.
    pub(crate) secrets: Arc<[HeaderName]>,
}

impl Upstream {
    /// Creates an upstream from its base URL, as an SDK takes it: `https://api.openai.com/v1`,
    /// `https://api.anthropic.com`.
    ///
    /// The part of a request's path that all providers of a dialect share (`/chat/completions`,
    /// `/v1/messages`) is appended to the base path.
    ///
    /// # Errors
    ///
    /// If the URL does not parse, is not `http` or `https`, or has a query or user information.
    pub fn new(base_url: &str) -> Result<Self, BuildError> {
        let uri: Uri = base_url.parse().map_err(|error| {
            BuildError::new(format!("upstream: the base URL is no URL: {error}"))
        })?;
        let parts = uri.into_parts();
        let scheme = parts
            .scheme
            .filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS)
            .ok_or_else(|| {
                BuildError::new("upstream: the base URL must begin with http:// or https://")
            })?;
        let authority = parts
            .authority
            .ok_or_else(|| BuildError::new("upstream: the base URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(BuildError::new(
                "upstream: a base URL must not hold a user name or password; use a credential",
            ));
        }
        #[cfg(feature = "gateway")]
        let host = host_header(&scheme, &authority)?;
        let path = parts.path_and_query.as_ref();
        if path.is_some_and(|path| path.query().is_some()) {
            return Err(BuildError::new(format!(
                "upstream {:?}: a base URL has no query",
                authority.host()
            )));
        }
        let base_path = path
            .map_or("", |path| path.path())
            .trim_end_matches('/')
            .to_owned();
        let dialect = dialect::at(authority.host());
        Ok(Self {
            scheme,
            authority,
            #[cfg(feature = "gateway")]
            host,
            base_path,
            query: Vec::new(),
            credential: None,
            dialect,
            secrets: Arc::new([]),
        })
    }

    /// Attaches a credential. Those that came with the request are removed in any case: they
    /// belong to somebody else.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Adds a parameter to the query of every request that does not bring it itself:
    /// `api-version`, as Azure asks for. What no query can hold is percent-encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query
            .push((dialect::encode(name), dialect::encode(value)));
        self
    }

    /// Says which dialect the upstream speaks. Requests that it does not take are kept away from
    /// its targets, and the rest of their path is put behind the base URL as it wants it. Default:
    /// that of the provider whose own host it is, where it is known; else every request is taken.
    #[must_use]
    pub fn dialect(mut self, dialect: &'static dyn Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Returns whether it takes requests in this dialect: for an operation, or for any.
    pub(crate) fn takes(&self, dialect: &str, operation: Option<&str>) -> bool {
        self.dialect.is_none_or(|own| match operation {
            Some(operation) => own.takes(dialect, operation),
            None => {
                let operations = dialect::named(dialect).map(Dialect::operations);
                let mut operations = operations.unwrap_or_default().iter();
                own.name() == dialect || operations.any(|(name, _)| own.takes(dialect, name))
            }
        })
    }

    /// Returns the path that a request has here.
    pub(crate) fn path(&self, request: &Addressed<'_>) -> String {
        match self.dialect {
            Some(own) => own.path(&self.base_path, request),
            None => request.below(&self.base_path),
        }
    }

    /// Returns the header that opens it for a request in this dialect.
    pub(crate) fn own_credential(&self, dialect: &str) -> Option<(&HeaderName, &HeaderValue)> {
        let own = self.dialect.filter(|own| own.has_own_credential());
        let credential = self.credential.as_ref()?;
        credential.for_dialect(own.map_or(dialect, |own| own.name()))
    }

    /// Returns its host, without a port.
    pub(super) fn host(&self) -> &str {
        self.authority.host()
    }

    pub(crate) fn key(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.base_path)
    }
}

/// Writes an authority as clients do: without the port that is meant anyway.
#[cfg(feature = "gateway")]
fn host_header(scheme: &Scheme, authority: &Authority) -> Result<HeaderValue, BuildError> {
    let meant = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = match authority.port_u16() {
        Some(port) if port != meant => authority.as_str(),
        _ => authority.host(),
    };
    HeaderValue::from_str(host)
        .map_err(|_| BuildError::new("upstream: the base URL has no host that a header can name"))
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("url", &self.key())
            .field("credential", &self.credential)
            .field("dialect", &self.dialect.map(Dialect::name))
            .finish()
    }
}

/// A secret that opens an upstream. Never shown, not even in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// By dialect; an empty name stands for every dialect.
    headers: Arc<[(&'static str, HeaderName, HeaderValue)]>,
}

impl Credential {
    /// Returns all that tells it from others.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .flat_map(|(_, name, value)| [name.as_str().as_bytes(), value.as_bytes()])
    }

    /// Creates a credential that goes out as each dialect's SDK sends it: `authorization: Bearer`,
    /// `x-api-key`, `api-key`, `x-goog-api-key`.
    ///
    /// # Errors
    ///
    /// If the secret is empty or no header can carry it.
    pub fn new(secret: &str) -> Result<Self, BuildError> {
        if secret.trim().is_empty() {
            return Err(BuildError::new("credential: the secret is empty"));
        }
        let headers: Option<Vec<_>> = dialect::ALL
            .iter()
            .map(|dialect| {
                let (name, mut value) = dialect.credential(secret)?;
                value.set_sensitive(true);
                Some((dialect.name(), name, value))
            })
            .collect();
        let headers = headers.ok_or_else(|| {
            BuildError::new("credential: the secret holds characters that no header can carry")
        })?;
        Ok(Self {
            headers: headers.into(),
        })
    }

    /// Creates a credential that goes out in a header of your choice, as it is.
    ///
    /// # Errors
    ///
    /// If the name is no header name or the value cannot stand in a header.
    pub fn header(name: &str, value: &str) -> Result<Self, BuildError> {
        let name: HeaderName = name
            .parse()
            .map_err(|_| BuildError::new(format!("credential: {name:?} is no header name")))?;
        let mut value: HeaderValue = value.parse().map_err(|_| {
            BuildError::new("credential: the value holds characters that no header can carry")
        })?;
        value.set_sensitive(true);
        Ok(Self {
            headers: Arc::new([("", name, value)]),
        })
    }

    pub(crate) fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        self.headers.iter().map(|(_, name, _)| name)
    }

    pub(crate) fn for_dialect(&self, dialect: &str) -> Option<(&HeaderName, &HeaderValue)> {
        self.headers
            .iter()
            .find(|(of, ..)| of.is_empty() || *of == dialect)
            .map(|(_, name, value)| (name, value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "gateway")]
    #[test]
    fn the_host_names_no_port_that_is_meant_anyway() {
        for (url, host) in [
            ("http://h/v1", "h"),
            ("http://h:80", "h"),
            ("http://h:443", "h:443"),
            ("https://h:443/v1", "h"),
            ("https://h:80", "h:80"),
            ("http://[::1]:80", "[::1]"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(super::Upstream::new(url).unwrap().host, host, "{url}");
        }
    }
}
