use std::{
    collections::VecDeque,
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts, uri::Scheme};
use hyper::body::Incoming;
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;
use tower::{Service, timeout::error::Elapsed};

use super::{
    connect::{Connector, PING},
    idle::IdleBody,
    refuse::dialect_of,
};
use crate::{
    config::{Connection, Timeouts},
    dialect::{self, Addressed},
    hints::{Call, Routed},
    route::{RequestBody, readdress},
    router::Upstream,
};

/// A request body as it comes from the caller, whole or still arriving.
pub(super) type Inbound = RequestBody<axum::body::Body>;
/// A request body below failover, shadows and routing.
pub(super) type Outbound = RequestBody<RequestBody<RequestBody<Inbound>>>;
type HttpClient = Client<Connector, Outbound>;
type BoxError = Box<dyn StdError + Send + Sync>;

/// No more than this is read of an answer at once: with what waits to be written to the caller, it is
/// what a stream holds that nobody reads. What is read at once is written at once: 64 KiB would be a
/// whole segment of loopback, 65,483 bytes, and a second one for the rest.
const BUFFER: usize = 63 * 1024;

/// The client of all upstreams: one call is one attempt, within its timeouts.
#[derive(Clone)]
pub(super) struct Upstreams {
    inner: Arc<Inner>,
}

/// The clients of all upstreams, with the connections that they keep.
#[derive(Clone)]
pub(super) struct Clients {
    tls: ClientConfig,
    /// By time to connect, and whether they may choose HTTP/2.
    known: Vec<(Duration, bool, HttpClient)>,
    /// Those that served before, until it is known which of them are still of use.
    spare: Vec<(Duration, bool, HttpClient)>,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            tls: tls(),
            known: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl Clients {
    fn route(&mut self, connection: Connection) -> Route {
        let Connection { timeouts, http2 } = connection;
        Route {
            client: self.client(timeouts.connect, http2),
            plain: self.client(timeouts.connect, false),
            timeouts,
        }
    }

    fn client(&mut self, connect: Duration, http2: bool) -> HttpClient {
        let like = |(of, h2, _): &&(Duration, bool, HttpClient)| (*of, *h2) == (connect, http2);
        if let Some((.., client)) = self.known.iter().find(like) {
            return client.clone();
        }
        let client = match self.spare.iter().find(like) {
            Some((.., client)) => client.clone(),
            None => client(self.tls.clone(), connect, http2),
        };
        self.known.push((connect, http2, client.clone()));
        client
    }
}

struct Inner {
    clients: Clients,
    /// Where requests go that routing did not address.
    fallback: Option<Upstream>,
    fallback_route: Route,
    /// By pool and target.
    routes: Vec<(String, String, Route)>,
}

#[derive(Clone)]
struct Route {
    client: HttpClient,
    /// For what HTTP/1 alone can do.
    plain: HttpClient,
    timeouts: Timeouts,
}

impl Upstreams {
    pub(super) fn new(
        fallback: Option<Upstream>,
        connection: Connection,
        of_targets: Vec<(String, String, Connection)>,
        mut clients: Clients,
    ) -> Self {
        let fallback_route = clients.route(connection);
        let routes = of_targets
            .into_iter()
            .map(|(pool, target, connection)| (pool, target, clients.route(connection)))
            .collect();
        clients.spare.clear();
        Self {
            inner: Arc::new(Inner {
                clients,
                fallback,
                fallback_route,
                routes,
            }),
        }
    }

    /// Returns its clients, for others to go on with those of them that they can use.
    pub(super) fn clients(&self) -> Clients {
        let Clients { tls, known, .. } = self.inner.clients.clone();
        Clients {
            tls,
            known: Vec::new(),
            spare: known,
        }
    }
}

impl Inner {
    fn route(&self, routed: Option<&Routed>) -> &Route {
        let Some(routed) = routed else {
            return &self.fallback_route;
        };
        self.routes
            .iter()
            .find(|(pool, target, _)| pool == routed.pool() && target == routed.target())
            .map_or(&self.fallback_route, |(_, _, route)| route)
    }

    /// Addresses what routing did not. Everything came in without a host; what routing addressed has
    /// one now.
    fn complete(&self, parts: &mut Parts) -> Result<(), BoxError> {
        if parts.uri.authority().is_none() {
            let upstream = self.fallback.as_ref();
            address(parts, upstream.ok_or("no upstream serves this request")?);
        }
        Ok(())
    }
}

impl Upstreams {
    /// Asks for a websocket, which HTTP/1 alone has. Returns the answer, and how long the websocket may
    /// be silent.
    pub(super) async fn upgrade(
        &self,
        mut parts: Parts,
        routed: Option<&Routed>,
    ) -> Result<(Response<IdleBody<Incoming>>, Duration), BoxError> {
        let route = self.inner.route(routed);
        self.inner.complete(&mut parts)?;
        let headers = &mut parts.headers;
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let body = RequestBody::whole(VecDeque::new(), None);
        let answered = route.plain.request(Request::from_parts(parts, body));
        let Timeouts { attempt, idle, .. } = route.timeouts;
        match timeout(attempt, answered).await {
            Ok(answered) => Ok((answered?.map(|body| IdleBody::new(body, idle)), idle)),
            Err(_) => Err(Elapsed::new().into()),
        }
    }
}

impl Service<Request<Outbound>> for Upstreams {
    type Response = Response<IdleBody<Incoming>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Outbound>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let routed = parts.extensions.get::<Call>().and_then(Call::last);
        let route = self.inner.route(routed.as_ref());
        if let Err(error) = self.inner.complete(&mut parts) {
            return Box::pin(async { Err(error) });
        }
        // As the client would write it for each request anew, had it none. HTTP/2 has no such header, and is
        // spoken over TLS alone.
        if let Some(upstream) = routed.as_ref().and_then(Routed::upstream)
            && parts.uri.scheme() == Some(&Scheme::HTTP)
            && parts.uri.authority() == Some(&upstream.authority)
        {
            parts.headers.insert(header::HOST, upstream.host.clone());
        }
        let timeouts = route.timeouts;
        let answered = route.client.request(Request::from_parts(parts, body));
        Box::pin(async move {
            let answered = timeout(timeouts.attempt, answered);
            let answered = answered.await.map_err(|_| Elapsed::new())??;
            // Nobody asked for that: what follows is no answer, and a caller would wait for one.
            if answered.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err("the upstream switches to another protocol, unasked".into());
            }
            Ok(answered.map(|body| IdleBody::new(body, timeouts.idle)))
        })
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams")
            .field("fallback", &self.inner.fallback)
            .finish_non_exhaustive()
    }
}

/// Sends a request that was not routed to an upstream, without the caller's credentials.
pub(super) fn address(parts: &mut Parts, upstream: &Upstream) {
    let path = parts.uri.path();
    let (dialect, path) = match dialect::detect(path) {
        Some((dialect, endpoint)) => {
            let request = Addressed::new(path, dialect.name(), endpoint, "");
            (dialect, upstream.path(&request))
        }
        None => {
            let dialect = upstream
                .dialect
                .unwrap_or_else(|| dialect_of(&parts.headers));
            let shared = path.get(overlap(&upstream.base_path, path)..);
            let shared = shared.unwrap_or_default();
            (dialect, format!("{}{shared}", upstream.base_path))
        }
    };
    readdress(parts, upstream, dialect, &path);
}

/// Returns the length of the longest start of `path` that the base path ends with, in whole
/// segments: SDKs count `/v1` to their base URL or to the path, as they like.
fn overlap(base: &str, path: &str) -> usize {
    path.match_indices('/')
        .map(|(at, _)| at)
        .chain([path.len()])
        .filter(|at| path.get(..*at).is_some_and(|start| base.ends_with(start)))
        .max()
        .unwrap_or_default()
}

fn client(tls: ClientConfig, connect_timeout: Duration, http2: bool) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http1_max_buf_size(BUFFER)
        .http2_keep_alive_interval(PING)
        .build(Connector::new(tls, connect_timeout, http2))
}

/// The crypto provider is named: with another one linked, the default would be ambiguous and panic.
pub(super) fn tls() -> ClientConfig {
    let builder = || {
        #[allow(
            clippy::expect_used,
            reason = "ring serves the default protocol versions"
        )]
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring serves TLS 1.2 and 1.3")
    };
    let builder = match builder().with_native_roots() {
        Ok(rooted) => rooted,
        Err(error) => {
            tracing::warn!(%error, "no root certificates: https upstreams cannot be reached");
            builder().with_root_certificates(RootCertStore::empty())
        }
    };
    builder.with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;
    use crate::router::Credential;

    #[test]
    fn base_paths_and_paths_are_joined_where_they_overlap() {
        for (base, path, joined) in [
            ("http://h/v1", "/v1/files?x", "http://h/v1/files?x"),
            (
                "http://h/openai/v1",
                "/v1/files",
                "http://h/openai/v1/files",
            ),
            ("http://h", "/v1/files", "http://h/v1/files"),
            ("http://h/v1", "/files", "http://h/v1/files"),
            ("http://h/v1", "/v10/files", "http://h/v1/v10/files"),
            ("http://h/v1", "/v1", "http://h/v1"),
            ("http://h/v1", "/", "http://h/v1/"),
            (
                "http://h/openai/v1",
                "/v1/chat/completions",
                "http://h/openai/v1/chat/completions",
            ),
        ] {
            let (mut parts, ()) = Request::get(path).body(()).unwrap().into_parts();
            address(&mut parts, &Upstream::new(base).unwrap());
            assert_eq!(parts.uri, joined.parse::<Uri>().unwrap(), "{base} {path}");
        }
    }

    #[tokio::test]
    async fn f06_a_hung_tls_handshake_is_a_failure_to_connect() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = client(tls(), Duration::from_millis(100), false);
        let body = RequestBody::untouched(axum::body::Body::empty());
        let body = RequestBody::untouched(RequestBody::untouched(RequestBody::untouched(body)));
        let request = Request::get(format!("https://{address}/")).body(body);
        let answered = timeout(Duration::from_secs(5), client.request(request.unwrap()));
        assert!(answered.await.unwrap().unwrap_err().is_connect());
    }

    #[test]
    fn f39_the_fallback_gets_its_own_credential_only() {
        let upstream = Upstream::new("http://h/v1").unwrap();
        let upstream = upstream.credential(Credential::new("own").unwrap());
        let request = Request::get("/v1/files?key=canary")
            .header("authorization", "Bearer canary")
            .header("x-api-key", "canary");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        address(&mut parts, &upstream);
        assert_eq!(parts.headers["authorization"], "Bearer own");
        assert!(!format!("{parts:?}").contains("canary"));
    }
}
