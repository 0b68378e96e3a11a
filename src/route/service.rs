use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::{
    future::ResponseFuture, inspect::inspect, request_body::RequestBody,
    response_body::ResponseBody, waiting::Waiting,
};
use crate::router::OutcomeRouter;

/// Routes the requests of an HTTP client service; see the [module](super).
#[derive(Clone, Debug)]
pub struct OutcomeRouting<S> {
    inner: S,
    router: OutcomeRouter,
    waiting: Arc<Waiting>,
}

impl<S> OutcomeRouting<S> {
    /// Wraps a service.
    #[must_use]
    pub fn new(inner: S, router: OutcomeRouter) -> Self {
        Self::with_waiting(inner, router, Arc::default())
    }

    pub(super) fn with_waiting(inner: S, router: OutcomeRouter, waiting: Arc<Waiting>) -> Self {
        Self {
            inner,
            router,
            waiting,
        }
    }

    /// Returns the wrapped service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped service.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for OutcomeRouting<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready; the instance that was polled is the one to call.
        let clone = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, clone);
        let (parts, body) = request.into_parts();
        match inspect(&parts, &body.size_hint(), &self.router) {
            Ok((dialect, endpoint)) => ResponseFuture::collecting(
                self.router.clone(),
                self.waiting.clone(),
                service,
                parts,
                body,
                dialect,
                endpoint,
            ),
            Err(why) => {
                self.router.counters().passed(why);
                let request = Request::from_parts(parts, RequestBody::untouched(body));
                ResponseFuture::passing(
                    self.router.clone(),
                    self.waiting.clone(),
                    service.call(request),
                )
            }
        }
    }
}
