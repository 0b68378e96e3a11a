use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode, request::Parts};
use hyper::ext::Protocol;
use tower::Service;

use super::{
    access::{Caller, Spending},
    admit::{Admitted, Rules},
    builder::Builder,
    ending::{Ending, EndingBody},
    feedback::{self, ResponseIds, Scope},
    headers::{self, Hint},
    refuse::{
        broken, busy, denied, dialect_of, failed, other_method, refuse, spent, unknown_pin,
        wrong_dialect,
    },
    server::Draining,
    tunnel::Asked,
    upstreams::Upstreams,
    written::Written,
};
use crate::{
    config::Config,
    dialect,
    failover::Failover,
    hints::{Call, Routed},
    route::OutcomeRouting,
    router::{self, BuildError, Observe, OutcomeRouter},
    shadow::Shadow,
};

/// The methods that APIs are made of.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Serves LLM requests by routing them to the upstreams of its router; see the [module](super).
///
/// A tower service that never fails: every error is an answer. Clones share.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    live: ArcSwap<Live>,
    /// Those that a configuration brought, for the routers to come.
    observers: Vec<Arc<dyn Observe>>,
}

/// What serves a request, to its end: a reload does not touch those that are under way.
pub(super) struct Live {
    pub(super) rules: Arc<Rules>,
    pub(super) stack: Stack,
    pub(super) upstreams: Upstreams,
}

/// Failover, over copies of some calls, over routing, over a client with timeouts for each attempt.
pub(super) type Stack = Failover<Shadow<OutcomeRouting<Upstreams>>>;

impl Gateway {
    /// Starts building a gateway.
    pub fn builder(router: OutcomeRouter) -> Builder {
        Builder::new(router)
    }

    /// Builds the gateway that a configuration describes.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn from_config(config: Config) -> Result<Self, BuildError> {
        let observers = config.observers.clone();
        let router = observed(config.builder.clone(), &observers).build()?;
        let live = Builder::from_config(config).router(router).live(None)?;
        Ok(Self::new(live, observers))
    }

    /// Goes on with another configuration. Requests that are under way end with the one that they
    /// began with; what is known of targets that stay is kept, as
    /// [`succeeding`](crate::router::Builder::succeeding) says. Where it listens, and what a
    /// [`Server`](super::Server) was made of, changes by a restart alone.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`]; all is as before then.
    pub fn reload(&self, config: Config) -> Result<(), BuildError> {
        let before = self.live();
        let router = observed(config.builder.clone(), &self.shared.observers);
        let builder = Builder::from_config(config);
        // What can fail does so before anything is taken over.
        builder.check()?;
        let router = router.succeeding(&before.rules.router).build()?;
        let live = builder.router(router).live(Some(&before))?;
        self.shared.live.store(Arc::new(live));
        Ok(())
    }

    pub(super) fn new(live: Live, observers: Vec<Arc<dyn Observe>>) -> Self {
        let live = ArcSwap::from_pointee(live);
        Self {
            shared: Arc::new(Shared { live, observers }),
        }
    }

    /// Returns the router. A [reload](Self::reload) replaces it by its successor.
    #[must_use]
    pub fn router(&self) -> OutcomeRouter {
        self.live().rules.router.clone()
    }

    /// Returns what serves a request that comes now.
    pub(super) fn live(&self) -> Arc<Live> {
        self.shared.live.load_full()
    }

    /// Makes an axum router of it, to merge or to nest under a path of your own application.
    pub fn into_router(self) -> axum::Router {
        axum::Router::new().fallback_service(self)
    }

    /// Returns whether everybody who can connect may use it: there are no
    /// [client keys](Builder::client_keys).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.live().rules.access.is_open()
    }

    /// Returns what the client keys have spent, to be kept over a restart.
    #[must_use]
    pub fn spending(&self) -> Spending {
        self.live().rules.access.spending.clone()
    }

    pub(super) fn responses(&self) -> ResponseIds {
        self.live().rules.responses.clone()
    }
}

impl Live {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let rules = &self.rules;
        let (mut parts, body) = request.into_parts();
        let trailers = headers::takes_trailers(&parts);
        let websocket = Asked::take(&mut parts);
        headers::enter(&mut parts);
        // TRACE and CONNECT, and whatever else a provider may do with a key that is not the caller's.
        if parts.extensions.get::<Protocol>().is_some() {
            let message = "Websockets are tunnelled over HTTP/1.1 alone.";
            let dialect = dialect_of(&parts.headers);
            return refuse(dialect, StatusCode::NOT_IMPLEMENTED, message);
        }
        if !METHODS.contains(&parts.method) {
            return other_method(&parts.headers, &parts.method);
        }
        if let Some(answer) = health(&parts) {
            return answer;
        }
        let dialect = dialect::detect(parts.uri.path())
            .map_or_else(|| dialect_of(&parts.headers), |(dialect, _)| dialect);
        let Some(place) = rules.places.take() else {
            return busy(dialect, "Too many requests are under way.");
        };
        let caller = match rules.access.caller(&parts) {
            Ok(caller) => caller,
            Err(why) => {
                tracing::debug!(?why, "a request is not let in");
                return denied(dialect, why);
            }
        };
        caller.name_tenant(&mut parts);
        let pin = rules
            .headers
            .take(&mut parts, caller.trust(), rules.deadline);
        if parts.uri.path() == feedback::PATH {
            return rules.take_feedback(parts, body, &caller.scope()).await;
        }
        if let Some(answer) = rules.answer_itself(&parts, caller) {
            return answer;
        }
        // Nothing else costs anything.
        if (parts.method == Method::POST || websocket.is_some())
            && let Err((dollars, left)) = caller.check_spending(rules.router.wall())
        {
            return spent(dialect, dollars, left);
        }
        if let Some(asked) = websocket {
            return self.tunnel(parts, asked, caller, place).await;
        }
        // Held until the answer's head is there: until then the body may have to be sent once more.
        let Admitted {
            mut request,
            located,
            share: _share,
        } = match rules.admit(parts, body, caller).await {
            Ok(admitted) => admitted,
            Err(refusal) => return *refusal,
        };
        if let (Some(pin), Some(located)) = (&pin, &located) {
            let pin = (rules.headers.hint(Hint::Pin), pin.as_str());
            if let Some(refusal) = unknown_pin(dialect, &rules.router, &located.model, pin) {
                return refusal;
            }
        }
        let call = Call::new();
        let mut ending = Ending::new(rules, &call, caller, place);
        request.extensions_mut().insert(call.clone());
        match self.stack.start(request).await {
            // Nothing of it went out yet, and a caller could not read it.
            Ok(response) if response.body().is_broken() => {
                let (head, _) = response.into_parts();
                broken(dialect, &head, &call, &rules.headers)
            }
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                if let Some(located) = located.filter(|_| is_refusal(&parts, &call))
                    && let Some(mut refusal) = wrong_dialect(dialect, &rules.router, &located.model)
                {
                    let headers = refusal.headers_mut();
                    rules.headers.explain(headers, call.decision());
                    return refusal;
                }
                headers::leave(&mut parts, &rules.headers, trailers);
                ending.deliver(parts.extensions.get().map(Routed::outcome_id));
                rules.headers.tell(&mut parts, &call);
                let body = Written::new(EndingBody::new(body, ending));
                Response::from_parts(parts, Body::new(body))
            }
            Err(error) => {
                tracing::debug!(%error, "no attempt was answered");
                failed(dialect, &call, &rules.headers)
            }
        }
    }
}

impl Rules {
    fn answer_itself(&self, parts: &Parts, caller: Caller<'_>) -> Option<Response<Body>> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return None;
        }
        self.catalog
            .answer(&parts.headers, parts.uri.path(), caller)
    }

    async fn take_feedback(&self, parts: Parts, body: Body, scope: &Scope) -> Response<Body> {
        match feedback::receive(&parts, body).await {
            Ok(body) => feedback::take(&self.router, &self.responses, scope, &body),
            Err(refusal) => *refusal,
        }
    }
}

impl Service<Request<Body>> for Gateway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = GatewayFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The client below is always ready, and the stack asks it again for each attempt.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> GatewayFuture {
        let live = self.live();
        GatewayFuture {
            rules: live.rules.clone(),
            inner: answer(live, request),
            worked: Duration::ZERO,
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

#[cfg(feature = "otlp")]
fn answer(live: Arc<Live>, request: Request<Body>) -> Answer {
    use opentelemetry::context::FutureExt as _;

    match super::traces::caller(request.headers()) {
        Some(caller) => Box::pin(live.answer(request).with_context(caller)),
        None => Box::pin(live.answer(request)),
    }
}

#[cfg(not(feature = "otlp"))]
fn answer(live: Arc<Live>, request: Request<Body>) -> Answer {
    Box::pin(live.answer(request))
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("router", &self.router())
            .finish_non_exhaustive()
    }
}

/// The future of [`Gateway`].
pub struct GatewayFuture {
    rules: Arc<Rules>,
    inner: Answer,
    /// For how long it has been polled, which is all that the gateway itself took: whatever is waited
    /// for (the rest of the request, an upstream, a target that is free) is waited for between polls.
    worked: Duration,
}

impl Future for GatewayFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let started = self.rules.router.now();
        let polled = self.inner.as_mut().poll(cx);
        let now = self.rules.router.now();
        self.worked += now.saturating_duration_since(started);
        polled.map(|mut response| {
            let headers = response.headers_mut();
            self.rules.headers.tell_overhead(headers, self.worked);
            Ok(response)
        })
    }
}

impl fmt::Debug for GatewayFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayFuture").finish_non_exhaustive()
    }
}

fn observed(builder: router::Builder, observers: &[Arc<dyn Observe>]) -> router::Builder {
    let observers = observers.iter().cloned();
    observers.fold(builder, router::Builder::observer)
}

/// Where it is asked whether more requests are welcome.
pub(super) const READY: &str = "/readyz";

/// Answers whether the gateway is alive, and whether it stays: whoever asks needs no key for that,
/// and is answered however much is under way. What upstreams are up to is no part of it: with all of
/// them down, another gateway could do no better, and this one knows best when they are back.
fn health(parts: &Parts) -> Option<Response<Body>> {
    let path = parts.uri.path();
    if !matches!(parts.method, Method::GET | Method::HEAD) || !matches!(path, "/healthz" | READY) {
        return None;
    }
    let draining = parts.extensions.get::<Draining>();
    let mut response = Response::new(Body::from("ok\n"));
    if path == READY && draining.is_some_and(Draining::is_announced) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        *response.body_mut() = Body::from("stopping\n");
    }
    Some(response)
}

/// Whether routing has answered that no target may serve a request: no upstream was asked.
fn is_refusal(parts: &http::response::Parts, call: &Call) -> bool {
    parts.status == StatusCode::BAD_REQUEST && call.attempts() == 0
}
