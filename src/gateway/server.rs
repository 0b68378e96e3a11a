use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Sleep, sleep, timeout},
};
use tower::{Service, service_fn};

use super::{guard, service::bad_request};

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
const STREAMS: u32 = 200;

/// Serves HTTP/1 and HTTP/2 until `shutdown` is ready; then accepts no more, and finishes what is
/// under way, for up to 30 seconds.
///
/// Requests that two servers in a row might read differently are refused: with a missing, doubled
/// or foreign host, or with lengths that differ.
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
    let server = server();
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(BREATH).await;
                    continue;
                }
            },
        };
        // Events of a stream must not wait for each other.
        let _ = stream.set_nodelay(true);
        let service = guarded(service.clone());
        let connection = server
            .serve_connection(TokioIo::new(Connection::new(stream)), service)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "connection failed");
            }
        });
    }
    drop(listener);
    let open = graceful.count();
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(open, "stopped before all calls were finished");
    }
    Ok(())
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
        async move {
            match guard::inspect(&request) {
                Ok(()) => {
                    std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(request.map(Body::new)).await
                }
                Err(why) => Ok(bad_request(why)),
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
