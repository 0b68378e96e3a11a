use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::{future::FailoverFuture, layer::FailoverLayer};
use crate::route::RequestBody;

/// Repeats failed attempts on the next best target; see the [module](super).
#[derive(Clone, Debug)]
pub struct Failover<S> {
    inner: S,
    layer: FailoverLayer,
}

impl<S> Failover<S> {
    pub(super) fn with_layer(inner: S, layer: FailoverLayer) -> Self {
        Self { inner, layer }
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

impl<S> Failover<S> {
    /// Calls a clone, which need not be ready: the future waits for that.
    #[cfg(feature = "gateway")]
    pub(crate) fn start<B>(&self, request: Request<B>) -> FailoverFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>> + Clone,
        B: Body<Data = Bytes>,
    {
        FailoverFuture::new(self.layer.clone(), self.inner.clone(), request)
    }
}

impl<S, B, R> Service<Request<B>> for Failover<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = FailoverFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone may not be ready; the instance that was polled is the one to call.
        let clone = self.inner.clone();
        let service = mem::replace(&mut self.inner, clone);
        FailoverFuture::new(self.layer.clone(), service, request)
    }
}
