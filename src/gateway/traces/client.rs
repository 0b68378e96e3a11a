use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{Request, Response};
use hyper_util::{
    client::legacy::Client as HttpClient,
    rt::{TokioExecutor, TokioTimer},
};
use opentelemetry_http::HttpError;
use tokio::{runtime::Handle, time::timeout};

use super::super::{connect::Connector, upstreams::tls};

/// As long as the specification lets an export take.
const LONGEST: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// What a collector answers is short.
const LARGEST: usize = 64 * 1024;

/// Sends batches. The thread that makes them belongs to no runtime: they go out on ours.
pub(super) struct Client {
    inner: HttpClient<Connector, Body>,
    runtime: Handle,
    /// The last batch did not arrive.
    failing: Arc<AtomicBool>,
}

impl Client {
    pub(super) fn new() -> Self {
        let inner = HttpClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(Connector::new(tls(), CONNECT, false));
        Self {
            inner,
            runtime: Handle::current(),
            failing: Arc::default(),
        }
    }
}

impl opentelemetry_http::HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let (client, failing) = (self.inner.clone(), self.failing.clone());
        let exchange = async move {
            let response = client.request(request.map(Body::from)).await?;
            let (parts, body) = response.into_parts();
            let body = to_bytes(Body::new(body), LARGEST).await?;
            Ok::<_, HttpError>(Response::from_parts(parts, body))
        };
        let sending = self.runtime.spawn(async move {
            let answered = match timeout(LONGEST, exchange).await {
                Ok(answered) => answered,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            };
            tell(&failing, &answered);
            answered
        });
        Box::pin(async move { sending.await? })
    }
}

/// Says once that a collector takes nothing, and once that it does again.
fn tell(failing: &AtomicBool, answered: &Result<Response<Bytes>, HttpError>) {
    let failed = !matches!(answered, Ok(answer) if answer.status().is_success());
    if failing.swap(failed, Ordering::Relaxed) == failed {
        return;
    }
    match answered {
        Err(error) => tracing::warn!(%error, "the collector of spans cannot be reached"),
        Ok(answer) if failed => {
            tracing::warn!(status = %answer.status(), "the collector takes no spans");
        }
        Ok(_) => tracing::info!("the collector takes spans again"),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
