use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use tower::{Service, ServiceExt as _};

use super::{
    admit::{Admitted, Rules},
    builder::Builder,
    headers, models,
    refuse::{dialect_of, failed, other_method, wrong_dialect},
    upstreams::{Inbound, Upstreams},
};
use crate::{
    config::Config,
    dialect,
    failover::Failover,
    hints::Call,
    route::OutcomeRouting,
    router::{BuildError, OutcomeRouter},
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
    rules: Arc<Rules>,
    stack: Stack,
    state_endpoint: bool,
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
        Builder::from_config(config).build()
    }

    pub(super) fn new(rules: Arc<Rules>, stack: Stack, state_endpoint: bool) -> Self {
        Self {
            rules,
            stack,
            state_endpoint,
        }
    }

    /// Returns the router.
    #[must_use]
    pub fn router(&self) -> &OutcomeRouter {
        &self.rules.router
    }

    /// Makes an axum router of it, to merge or to nest under a path of your own application.
    pub fn into_router(self) -> axum::Router {
        axum::Router::new().fallback_service(self)
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let trailers = headers::takes_trailers(&parts);
        headers::enter(&mut parts);
        headers::take_hints(&mut parts);
        // TRACE and CONNECT, and whatever else a provider may do with a key that is not the caller's.
        if !METHODS.contains(&parts.method) {
            return other_method(&parts.headers, &parts.method);
        }
        if let Some(answer) = self.answer_itself(&parts) {
            return answer;
        }
        let call = Call::new();
        let dialect = dialect::detect(parts.uri.path())
            .map_or_else(|| dialect_of(&parts.headers), |(dialect, _)| dialect);
        // Held until the answer's head is there: until then the body may have to be sent once more.
        let Admitted {
            mut request,
            located,
            share: _share,
        } = match self.rules.admit(parts, body).await {
            Ok(admitted) => admitted,
            Err(refusal) => return *refusal,
        };
        let router = self.rules.router.clone();
        request.extensions_mut().insert(call.clone());
        match self.forward(request).await {
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                if let Some(located) = located.filter(|_| is_refusal(&parts, &call))
                    && let Some(mut refusal) = wrong_dialect(dialect, &router, &located.model)
                {
                    headers::explain(refusal.headers_mut(), call.decision());
                    return refusal;
                }
                headers::leave(&mut parts, &call, trailers);
                Response::from_parts(parts, body)
            }
            Err(error) => {
                tracing::debug!(%error, "no attempt was answered");
                failed(dialect, &call)
            }
        }
    }

    async fn forward(
        self,
        request: Request<Inbound>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let response = self.stack.oneshot(request).await?;
        Ok(response.map(Body::new))
    }

    fn answer_itself(&self, parts: &http::request::Parts) -> Option<Response<Body>> {
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return None;
        }
        let router = &self.rules.router;
        match parts.uri.path() {
            "/healthz" => Some(Response::new(Body::from("ok\n"))),
            "/outcome/state" if self.state_endpoint => Some(models::answer(&router.snapshot())),
            path => models::models(router, &parts.headers, path),
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
        GatewayFuture {
            inner: Box::pin(self.clone().answer(request)),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("router", &self.rules.router)
            .finish_non_exhaustive()
    }
}

/// The future of [`Gateway`].
pub struct GatewayFuture {
    inner: Pin<Box<dyn Future<Output = Response<Body>> + Send>>,
}

impl Future for GatewayFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for GatewayFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayFuture").finish_non_exhaustive()
    }
}

/// Whether routing has answered that no target may serve a request: no upstream was asked.
fn is_refusal(parts: &http::response::Parts, call: &Call) -> bool {
    parts.status == StatusCode::BAD_REQUEST && call.attempts() == 0
}
