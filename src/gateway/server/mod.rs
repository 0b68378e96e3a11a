//! The server of HTTP/1 and HTTP/2 before the gateway, with timers of its own.

mod connection;
mod door;
mod drain;
mod pace;
mod signal;

use std::{
    convert::Infallible,
    future::{Future, ready},
    io,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use tower::{Service, service_fn};

pub(in crate::gateway) use self::drain::Draining;
pub use self::signal::shutdown_signal;
use self::{
    connection::Connection,
    door::Door,
    drain::Drain,
    pace::{Pace, Paced},
};
use super::{
    guard::{self, Hosts},
    join::Joining,
    refuse::refuse,
    service::READY,
};
use crate::{
    config::{Config, Limits},
    dialect,
};

/// After a failure to accept, such as too many open files.
const BREATH: Duration = Duration::from_millis(100);
/// A peer that is gone is noticed after twice this.
const PING: Duration = Duration::from_secs(30);
/// A connection that is open when the server stops may have a request on the way, or one that nobody
/// has read yet: it is heard for as long, and told with the answer that it is the last.
const LINGER: Duration = Duration::from_millis(500);
/// For those who wait to be accepted when the server stops.
const QUEUE: Duration = Duration::from_millis(100);
/// Bounds what a single connection can ask for at a time.
const STREAMS: u32 = 100;
/// No more than this waits to be written to a stream of HTTP/2. HTTP/1 has its [`Pace`].
const BUFFER: usize = 64 * 1024;

/// Serves HTTP/1 and HTTP/2 with the defaults of [`Server`].
///
/// # Errors
///
/// None once the listener is bound: a connection that fails is its client's matter.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    Server::new().serve(listener, service, shutdown).await
}

/// Serves HTTP/1 and HTTP/2 to whom it should.
///
/// Requests that two servers in a row might read differently are refused: with a missing, doubled
/// or foreign host, or with lengths that differ. So is what browsers send for web pages of other
/// hosts; and a server on a loopback address answers to `localhost`, `127.0.0.1`, `[::1]` and the
/// [hosts](Self::hosts) that were named, so that no web page reaches it by a name of its own.
#[derive(Clone, Debug)]
#[must_use]
pub struct Server {
    hosts: Vec<String>,
    limits: Limits,
    notice: Duration,
}

impl Server {
    /// Creates a server with the defaults.
    pub fn new() -> Self {
        Self {
            hosts: Vec::new(),
            limits: Limits::default(),
            notice: Duration::ZERO,
        }
    }

    /// Creates the server that a configuration describes.
    pub fn from_config(config: &Config) -> Self {
        Self {
            hosts: config.hosts.clone(),
            limits: config.limits,
            ..Self::new()
        }
    }

    /// Sets the hosts, without a port, that it answers to beside those of loopback. Default: none
    /// on loopback, any elsewhere.
    pub fn hosts<I: IntoIterator<Item: Into<String>>>(mut self, hosts: I) -> Self {
        self.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many connections are served at a time. Others wait to be accepted; once there has been
    /// no place for 5 seconds they are turned away with a 503. Default: 1024, at least 1.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.max_connections = connections;
        self
    }

    /// Sets how long a connection may take to send its first bytes. Default: 10 s.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.limits.first_byte_timeout = timeout;
        self
    }

    /// Sets how long the head of a request may take, over HTTP/1 counted from the answer before: a
    /// kept-alive connection is idle for as long. Default: 30 s.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.limits.header_timeout = timeout;
        self
    }

    /// Sets how long what is under way may take once the server is told to stop. Default: 30 s.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.limits.drain = drain;
        self
    }

    /// Sets how long the server goes on accepting once it is told to stop, while `/readyz` answers
    /// 503: until whoever balances the load has heard of it. Default: not at all.
    pub fn notice(mut self, notice: Duration) -> Self {
        self.notice = notice;
        self
    }

    /// Serves until `shutdown` is ready; then accepts no more, and finishes what is under way, within
    /// the time to [drain](Self::drain): requests to their last byte, tunnels of websockets until one
    /// side closes them.
    ///
    /// # Errors
    ///
    /// None once the listener is bound: a connection that fails is its client's matter.
    pub async fn serve<S>(
        self,
        listener: TcpListener,
        service: S,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
    {
        let hosts = Arc::new(Hosts {
            named: self.hosts,
            loopback: listener
                .local_addr()
                .is_ok_and(|address| address.ip().to_canonical().is_loopback()),
        });
        let server = server(&self.limits);
        let drain = Drain::new();
        let mut door = Door::new(listener, self.limits.max_connections);
        let mut shutdown = pin!(async {
            shutdown.await;
            if !self.notice.is_zero() {
                drain.announce();
                sleep(self.notice).await;
            }
        });
        let mut stops: Option<Instant> = None;
        loop {
            if let Some(since) = stops {
                if since.elapsed() > QUEUE {
                    break;
                }
                // Or what is ready would not say so, having been asked too often in a row.
                yield_now().await;
            }
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown, if stops.is_none() => {
                    stops = Some(Instant::now());
                    continue;
                }
                accepted = door.next() => accepted,
                // Whoever was in the queue has been let in.
                () = ready(()), if stops.is_some() => break,
            };
            let (place, stream) = match accepted {
                Ok(accepted) => accepted,
                Err(_) if stops.is_some() => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(BREATH).await;
                    continue;
                }
            };
            // Events of a stream must not wait for each other.
            let _ = stream.set_nodelay(true);
            let draining = drain.enter();
            let pace = Pace::default();
            let connection = Connection::new(stream, self.limits.first_byte_timeout, pace.clone());
            let service = guarded(service.clone(), hosts.clone(), draining.clone(), pace);
            let server = server.clone();
            tokio::spawn(async move {
                serve_connection(&server, connection, service, draining).await;
                drop(place);
            });
        }
        drop(door);
        drain.begin();
        if timeout(self.limits.drain, drain.ended()).await.is_err() {
            tracing::warn!("stopped before all that was under way had ended");
        }
        Ok(())
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

async fn serve_connection<S>(
    server: &auto::Builder<TokioExecutor>,
    connection: Connection,
    service: TowerToHyperService<S>,
    mut draining: Draining,
) where
    S: Service<Request<Incoming>, Response = Response<Paced>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let connection = Joining(TokioIo::new(connection));
    let connection = server.serve_connection_with_upgrades(connection, service);
    let mut connection = pin!(connection);
    let told = async {
        draining.begun().await;
        sleep(LINGER).await;
    };
    let served = tokio::select! {
        // What has come is read before it is closed.
        biased;
        served = connection.as_mut() => served,
        () = told => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error, "connection failed");
    }
}

fn server(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(BUFFER);
    server
}

fn guarded<S>(
    service: S,
    hosts: Arc<Hosts>,
    draining: Draining,
    pace: Pace,
) -> TowerToHyperService<
    impl Service<Request<Incoming>, Response = Response<Paced>, Error = Infallible, Future: Send>
    + Clone,
>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
        let mut service = service.clone();
        let pace = pace.clone();
        let (version, draining) = (request.version(), draining.clone());
        let checked = guard::inspect(&request)
            .map_err(|why| (StatusCode::BAD_REQUEST, why.into()))
            .and_then(|asked| hosts.check(&request, asked.as_ref()));
        // For the few that need to know.
        if request.uri().path() == READY || request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(draining.clone());
        }
        async move {
            let response = match checked {
                Ok(()) => {
                    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(request.map(Body::new)).await?
                }
                Err((status, why)) => refuse(&dialect::OpenAi, status, &why),
            };
            let mut response = pace.set(response, version);
            let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            if version < Version::HTTP_2 && !upgrades && draining.has_begun() {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok(response)
        }
    }))
}
