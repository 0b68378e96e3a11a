mod answer;
mod auth;
mod explain;
mod feedback;
mod fleet;
mod live;
mod page;
mod read;
mod steer;

use std::{fmt, future::Future, io, net::SocketAddr, sync::Arc};

use axum::{
    Router, middleware,
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::Semaphore};

use self::auth::Token;
use super::{Gateway, server::Server, watch::Watch};
use crate::{
    config::Config,
    router::{BuildError, OutcomeRouter},
};

/// The admin listener: what whoever runs a gateway sees of it, and can do.
///
/// | request | answer |
/// |---|---|
/// | `GET /` | the dashboard |
/// | `GET /healthz` | `ok`, for everybody |
/// | `GET /state` | all that the router knows: its [snapshot](crate::Snapshot), and under `fleet` how [sharing](crate::store::FleetState) it with other instances goes, `null` where nothing is shared |
/// | `GET /state?scope=fleet` | the same of sharing alone, and for each target the attempts that were `seen` here, those `of_others` that were heard of, and what is made of both |
/// | `GET /view` | what the dashboard shows now |
/// | `GET /history` | the last 15 minutes of it, in steps of 2 s |
/// | `GET /live` | both as server-sent events, and then each second what is new |
/// | `GET /decisions` | the last 200 decisions that left the requested model, in words |
/// | `GET /decisions/{id}` | one of them with its reasons |
/// | `POST /explain?path=/v1/chat/completions` | what would become of a request with this body and these `x-outcome-*` headers |
/// | `POST /feedback` | takes in scores, as `POST /outcome/feedback` of the gateway does |
/// | `GET /metrics` | metrics for Prometheus, where there are any |
/// | `POST /pools/{pool}/mode` | switches a pool: `{"mode": "observe"}` |
/// | `POST /pools/{pool}/pin` | sends all requests of a pool to one target: `{"target": "..."}`; `DELETE` releases it |
/// | `POST /pools/{pool}/targets/{target}/drain` | takes a target out; `DELETE` puts it back |
///
/// What is done by hand outlives a reload, and holds until it is released by hand or the process ends; a
/// mode, until the configured one changes.
///
/// # Who may
///
/// Without a [token](Admin::token) everybody who can connect, so it is [served](Admin::serve) on a
/// loopback address only. With one, whoever sends it: as `Authorization: Bearer`, or in a browser as
/// the password to any user name. Other web pages get nothing: a browser says where a request comes
/// from, and what changes something must come from the page itself and say that it is JSON.
///
/// No prompt, no answer, no credential and no caller's key is in any answer. Times are in seconds since
/// 1970, amounts in dollars; what is not known is `null`.
///
/// ```
/// use axum::Router;
/// use tower_outcome::{OutcomeRouter, gateway::{Admin, Watch}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_outcome::BuildError> {
/// # let secret = "at-least-16-visible-characters";
/// let watch = Watch::new();
/// let router = OutcomeRouter::builder().model("gpt-4o").observer(watch.observer()).build()?;
/// watch.follow(&router);
///
/// let admin = Admin::new(watch).token(secret)?;
/// let app: Router = Router::new().nest("/admin", admin.into_router());
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct Admin {
    shared: Shared,
    hosts: Vec<String>,
}

/// What the endpoints share.
struct Shared {
    watch: Watch,
    token: Option<Token>,
    gateway: Option<Gateway>,
    metrics: Option<Metrics>,
    replay: Option<Box<dyn Fn() + Send + Sync>>,
    /// Bounds how many bodies are explained at a time: they are large.
    explaining: Semaphore,
}

type Metrics = Box<dyn Fn(&OutcomeRouter) -> String + Send + Sync>;

/// Bodies that are explained at a time.
const EXPLAINING: usize = 4;
/// Pages keep one open, and one for what they ask beside.
const CONNECTIONS: usize = 256;

impl Admin {
    /// Creates the listener for what a watch sees.
    pub fn new(watch: Watch) -> Self {
        Self {
            shared: Shared {
                watch,
                token: None,
                gateway: None,
                metrics: None,
                replay: None,
                explaining: Semaphore::new(EXPLAINING),
            },
            hosts: Vec::new(),
        }
    }

    /// Creates the listener that a configuration describes, and says on which address it is to be
    /// served; `None` where it is switched off.
    ///
    /// # Errors
    ///
    /// As [`token`](Self::token).
    pub fn from_config(
        config: &Config,
        watch: Watch,
    ) -> Result<Option<(SocketAddr, Self)>, BuildError> {
        let Some(settings) = &config.admin else {
            return Ok(None);
        };
        watch.set_clients(!config.keys.is_empty());
        let mut admin = Self::new(watch).hosts(settings.hosts.iter().cloned());
        if let Some(token) = &settings.token {
            admin = admin.token(token.expose())?;
        }
        Ok(Some((settings.listen, admin)))
    }

    /// Sets what whoever asks must know. Default: nothing, and only loopback is served.
    ///
    /// # Errors
    ///
    /// If it has fewer than 16 characters, or others than visible ASCII.
    pub fn token(mut self, token: &str) -> Result<Self, BuildError> {
        self.shared.token = Some(Token::new(token)?);
        Ok(self)
    }

    /// Sets the hosts, without a port, that it answers to beside those of loopback; as
    /// [`Server::hosts`].
    pub fn hosts<I: IntoIterator<Item: Into<String>>>(mut self, hosts: I) -> Self {
        self.hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Names the gateway that it is of. It is then known by which headers callers give hints, and which
    /// answers a provider gave an id. Default: the headers' own names, and our ids alone.
    pub fn gateway(mut self, gateway: Gateway) -> Self {
        self.shared.gateway = Some(gateway);
        self
    }

    /// Sets who writes the metrics of the router that is followed, in the text format of Prometheus.
    /// Default: nobody, and `/metrics` is not served.
    pub fn metrics(
        mut self,
        write: impl Fn(&OutcomeRouter) -> String + Send + Sync + 'static,
    ) -> Self {
        self.shared.metrics = Some(Box::new(write));
        self
    }

    /// Sets what `POST /demo/replay` does. Default: it is not served.
    pub fn replay(mut self, replay: impl Fn() + Send + Sync + 'static) -> Self {
        self.shared.replay = Some(Box::new(replay));
        self
    }

    /// Makes an axum router of it, to merge or to nest under a path of your own application. Must be
    /// called within a runtime: from then on the watch looks at its router every second.
    ///
    /// Your application then says who can reach it. On loopback it should answer to its own names only,
    /// as [`Server`] does, since a web page may come by a name that it has made to resolve there.
    pub fn into_router(self) -> Router {
        let shared = Arc::new(self.shared);
        shared.watch.start();
        let mut router = Router::new()
            .route("/", get(page::index))
            .route("/assets/{name}", get(page::asset))
            .route("/state", get(read::state))
            .route("/view", get(read::view))
            .route("/history", get(read::history))
            .route("/live", get(live::live))
            .route("/decisions", get(read::decisions))
            .route("/decisions/{id}", get(read::decision))
            .route("/explain", post(explain::explain))
            .route("/feedback", post(feedback::feedback))
            .route("/pools/{pool}/mode", post(steer::mode))
            .route("/pools/{pool}/pin", post(steer::pin).delete(steer::unpin))
            .route(
                "/pools/{pool}/targets/{target}/drain",
                post(steer::drain).delete(steer::restore),
            );
        if shared.metrics.is_some() {
            router = router.route("/metrics", get(read::metrics));
        }
        if shared.replay.is_some() {
            router = router.route("/demo/replay", post(steer::replay));
        }
        router
            .fallback(answer::unknown)
            .method_not_allowed_fallback(answer::other_method)
            .layer(middleware::from_fn_with_state(shared.clone(), auth::check))
            // Outside of that: whoever asks whether it is alive has no token.
            .route("/healthz", get(|| async { "ok\n" }))
            .layer(middleware::map_response(auth::harden))
            .with_state(shared)
    }

    /// Serves until `shutdown` is ready.
    ///
    /// # Errors
    ///
    /// If the address is not of loopback and there is no token.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let address = listener.local_addr()?;
        if self.shared.token.is_none() && !address.ip().to_canonical().is_loopback() {
            let message =
                format!("the admin listener on {address} needs a token: it is not loopback");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let watch = self.shared.watch.clone();
        let server = Server::new()
            .hosts(self.hosts.clone())
            .max_connections(CONNECTIONS);
        let shutdown = async {
            shutdown.await;
            // Streams to dashboards have no end of their own.
            watch.close();
        };
        server.serve(listener, self.into_router(), shutdown).await
    }
}

impl Shared {
    fn router(&self) -> Result<OutcomeRouter, answer::Failure> {
        let router = self.watch.router();
        router.ok_or_else(|| answer::Failure::unavailable("no router is followed yet"))
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("token", &self.shared.token.is_some())
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
