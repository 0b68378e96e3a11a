use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep, timeout},
};
use tower::{Service, service_fn};

use super::{
    guard::{self, Hosts},
    refuse::refuse,
};
use crate::{config::Config, dialect};

/// How long calls that are under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// For the head of a request, and so for the idle time of a kept-alive connection, too: not shorter
/// than clients keep theirs.
const HEAD: Duration = Duration::from_secs(30);
/// For the first bytes of a connection, by which the protocol is told.
const FIRST_BYTES: Duration = Duration::from_secs(10);
/// As long as the preface of HTTP/2, and no longer than any request of HTTP/1.
const FIRST: usize = 24;
/// After a failure to accept, such as too many open files.
const BREATH: Duration = Duration::from_millis(100);
/// A peer that is gone is noticed after twice this.
const PING: Duration = Duration::from_secs(30);
/// Bounds what a single connection can ask for at a time.
const STREAMS: u32 = 100;
/// A few calls of every user of a machine, and within the usual limit of open files.
const MAX_CONNECTIONS: usize = 1024;

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
    max_connections: usize,
}

impl Server {
    /// Creates a server with the defaults.
    pub fn new() -> Self {
        Self {
            hosts: Vec::new(),
            max_connections: MAX_CONNECTIONS,
        }
    }

    /// Creates the server that a configuration describes.
    pub fn from_config(config: &Config) -> Self {
        Self {
            hosts: config.hosts.clone(),
            max_connections: config.limits.max_connections,
        }
    }

    /// Sets the hosts, without a port, that it answers to beside those of loopback. Default: none
    /// on loopback, any elsewhere.
    pub fn hosts<I: IntoIterator<Item: Into<String>>>(mut self, hosts: I) -> Self {
        self.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets how many connections are served at a time; others wait. Default: 1024, at least 1.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Serves until `shutdown` is ready; then accepts no more, and finishes what is under way, for
    /// up to 30 seconds.
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
        let most = self.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(most));
        let server = server();
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let (place, stream) = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener, &places) => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        sleep(BREATH).await;
                        continue;
                    }
                },
            };
            // Events of a stream must not wait for each other.
            let _ = stream.set_nodelay(true);
            let service = guarded(service.clone(), hosts.clone());
            let connection = server
                .serve_connection(TokioIo::new(Connection::new(stream)), service)
                .into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error, "connection failed");
                }
                drop(place);
            });
        }
        drop(listener);
        let open = graceful.count();
        if timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!(open, "stopped before all calls were finished");
        }
        Ok(())
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

/// Accepts a connection once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream)> {
    let place = match places.clone().try_acquire_owned() {
        Ok(place) => place,
        Err(_) => {
            tracing::debug!("as many connections as there may be: others wait");
            let acquired = places.clone().acquire_owned().await;
            acquired.map_err(io::Error::other)?
        }
    };
    let (stream, _) = listener.accept().await?;
    Ok((place, stream))
}

/// Waits for SIGINT or SIGTERM. A second one ends the process at once.
pub async fn shutdown_signal() {
    signal().await;
    tokio::spawn(async {
        signal().await;
        std::process::exit(130);
    });
}

async fn signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

fn server() -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS);
    server
}

fn guarded<S>(
    service: S,
    hosts: Arc<Hosts>,
) -> TowerToHyperService<
    impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone,
>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    TowerToHyperService::new(service_fn(move |request: Request<Incoming>| {
        let mut service = service.clone();
        let checked = guard::inspect(&request)
            .map_err(|why| (StatusCode::BAD_REQUEST, why.into()))
            .and_then(|()| hosts.check(&request));
        async move {
            match checked {
                Ok(()) => {
                    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(request.map(Body::new)).await
                }
                Err((status, why)) => Ok(refuse(&dialect::OpenAi, status, &why)),
            }
        }
    }))
}

/// A connection whose first bytes must come in time: before them no other timer runs.
struct Connection {
    stream: TcpStream,
    /// Present until the first bytes are there.
    sleep: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            sleep: Some(Box::pin(sleep(FIRST_BYTES))),
            read: 0,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(sleep) = &mut this.sleep {
            this.read += buf.filled().len() - before;
            if this.read >= FIRST {
                this.sleep = None;
            } else if polled.is_pending() && sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
