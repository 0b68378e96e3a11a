use std::{fmt, io, time::Duration};

use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, RedisError,
    aio::{AsyncPushSender, MultiplexedConnection},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    connection::Connection,
    keys::Keys,
    refusal::failure,
    stream::{Allowance, Bounded, Transport},
    task::Task,
    tls::Tls,
    url::Url,
};
use crate::store::StoreError;

/// What an exchange may be answered with: a million counters.
const ANSWER_MOST: usize = 64 << 20;

/// A server, and how to come to it.
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) tls: Option<Tls>,
    pub(super) keys: Keys,
    /// How long it may take until a connection stands and is greeted.
    pub(super) connect_limit: Duration,
    /// How long an answer may take on a connection that stands.
    pub(super) answer_limit: Duration,
}

/// A connection as the client sees it, and what keeps it going.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) inner: MultiplexedConnection,
    pub(super) driver: Task<()>,
    pub(super) allowance: Allowance,
}

impl Server {
    /// Connects, and finds out whether it is of use.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        let connecting = async {
            let config = AsyncConnectionConfig::new();
            let login = RedisConnectionInfo::default().set_skip_set_lib_name();
            let raw = self.open(&login, config, ANSWER_MOST).await?;
            Connection::greeted(raw, self).await
        };
        timeout(self.connect_limit, connecting)
            .await
            .unwrap_or_else(|_| Err(self.silent(self.connect_limit)))
    }

    /// Connects for what the server says unasked, at most so many bytes between two questions.
    pub(super) async fn connect_listening(
        &self,
        said: impl AsyncPushSender,
        most: usize,
    ) -> Result<Raw, StoreError> {
        // Only the client's own greeting brings it to hand out what is said unasked.
        let mut login = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        if let Some(user) = &self.url.user {
            login = login.set_username(user);
        }
        if let Some(password) = &self.url.password {
            login = login.set_password(password);
        }
        let config = AsyncConnectionConfig::new().set_push_sender(said);
        timeout(self.connect_limit, self.open(&login, config, most))
            .await
            .unwrap_or_else(|_| Err(self.silent(self.connect_limit)))
    }

    /// Says that nothing came in time.
    pub(super) fn silent(&self, limit: Duration) -> StoreError {
        let place = &self.url;
        StoreError::unreachable(format!("{place}: no answer within {limit:?}"))
    }

    async fn open(
        &self,
        login: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        most: usize,
    ) -> Result<Raw, StoreError> {
        let allowance = Allowance::new(most);
        let transport = self.transport().await;
        let transport =
            transport.map_err(|error| StoreError::unreachable(format!("{}: {error}", self.url)))?;
        let stream = Bounded::new(transport, allowance.clone());
        // Limits of time are ours: they cover what goes before and after as well.
        let config = config.set_response_timeout(None);
        let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (inner, driver) =
            opened.map_err(|error| failure(&error, allowance.ended(), &self.url))?;
        let driver = Task::spawn(driver);
        Ok(Raw {
            inner,
            driver,
            allowance,
        })
    }

    async fn transport(&self) -> io::Result<Transport> {
        let stream = self.tcp().await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            Some(tls) => Transport::Tls(Box::new(tls.connect(stream).await?)),
            None => Transport::Plain(stream),
        })
    }

    /// Tries the addresses of the host in turn, each with a part of the time, so that one that swallows
    /// everything does not stand before one that answers.
    async fn tcp(&self) -> io::Result<TcpStream> {
        let addresses: Vec<_> = lookup_host((&*self.url.host, self.url.port))
            .await?
            .collect();
        let tries = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let part = self.connect_limit / tries.saturating_add(1).max(2);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in addresses {
            match timeout(part, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(elapsed) => last = elapsed.into(),
            }
        }
        Err(last)
    }
}

impl Raw {
    /// Says why nothing came back.
    pub(super) fn failure(&self, error: &RedisError, server: &Server) -> StoreError {
        failure(error, self.allowance.ended(), &server.url)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .field("keys", &self.keys)
            .field("connect_limit", &self.connect_limit)
            .field("answer_limit", &self.answer_limit)
            .finish_non_exhaustive()
    }
}
