use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{
    RedisStore,
    hearing::Hearing,
    keys::Keys,
    link::Link,
    mended::Mended,
    server::Server,
    tls::{Tls, TlsSettings},
    url::Url,
};

const PREFIX: &str = "outcome";
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const ANSWER_LIMIT: Duration = Duration::from_millis(100);

/// Says how to reach a server, for [`RedisStore`].
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    user: Option<Box<str>>,
    password: Option<Box<str>>,
    prefix: String,
    connect_limit: Duration,
    answer_limit: Duration,
    tls: TlsSettings,
}

impl RedisStoreBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            user: None,
            password: None,
            prefix: PREFIX.to_owned(),
            connect_limit: CONNECT_LIMIT,
            answer_limit: ANSWER_LIMIT,
            tls: TlsSettings::default(),
        }
    }

    /// Names the user to come as, in place of what the URL says. Default: the server's default user.
    pub fn user(mut self, user: impl Into<Box<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Gives the password, in place of what the URL says. It is never shown.
    pub fn password(mut self, password: impl Into<Box<str>>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Names the deployment, of up to 32 of `a-z`, `0-9` and `-`; all keys begin with `{<prefix>:`.
    /// Instances of one name share what they learn. Default: `outcome`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets how long it may take until a connection stands, login included. Default: a second.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_limit = limit;
        self
    }

    /// Sets how long an answer may take on a connection that stands. Default: 100 ms.
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    /// Trusts these certificates (PEM) in place of those of the system, with `rediss://`.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots = Some(pem.into());
        self
    }

    /// Shows this certificate, with its key (both PEM), to a server that asks for one, with `rediss://`.
    pub fn client_certificate(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.identity = Some((certificates.into(), key.into()));
        self
    }

    /// Makes the store. Nothing is connected before the first exchange.
    ///
    /// # Errors
    ///
    /// If the URL, the prefix or a certificate is not what it should be.
    pub fn build(self) -> Result<RedisStore, RedisConfigError> {
        let mut url = Url::parse(&self.url)?;
        url.user = self.user.or(url.user);
        url.password = self.password.or(url.password);
        if url.user.is_some() && url.password.is_none() {
            let what = "a store's user comes with a password";
            return Err(RedisConfigError::new(what.to_owned()));
        }
        let tls = url
            .tls
            .then(|| Tls::new(&url.host, &self.tls))
            .transpose()?;
        let server = Server {
            keys: Keys::new(&self.prefix)?,
            url,
            tls,
            connect_limit: self.connect_limit,
            answer_limit: self.answer_limit,
        };
        Ok(RedisStore {
            server: Arc::new(server),
            link: Link::default(),
            hearing: Hearing::new(),
            mended: Mended::default(),
        })
    }
}

/// Shows nothing that could hold a secret: a URL that was not read yet may.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_limit)
            .field("answer_timeout", &self.answer_limit)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the settings of a [`RedisStore`]. Holds no part of a URL.
#[derive(Clone, Debug)]
pub struct RedisConfigError {
    what: String,
}

impl RedisConfigError {
    pub(super) fn new(what: String) -> Self {
        Self { what }
    }
}

impl fmt::Display for RedisConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for RedisConfigError {}
