use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::{
    future::{MAX_BYTES, ShadowFuture},
    layer::ShadowLayer,
};
use crate::{
    hints::{Call, Risk, Strict},
    route::{RequestBody, inspect},
};

/// Sends a copy of some calls to another target; see the [module](super).
#[derive(Clone, Debug)]
pub struct Shadow<S> {
    inner: S,
    layer: ShadowLayer,
}

impl<S> Shadow<S> {
    pub(super) fn with_layer(inner: S, layer: ShadowLayer) -> Self {
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

    /// Says whether a call is to be copied, by its head. Every first attempt pays in.
    fn is_chosen<B: Body>(&self, request: &Request<B>) -> bool {
        let extensions = request.extensions();
        let layer = &self.layer;
        let is_repeat = extensions
            .get::<Call>()
            .is_some_and(|call| call.attempts() > 0);
        if is_repeat || !layer.budget.pay(layer.settings.share) {
            return false;
        }
        let ruled_out = extensions.get::<Strict>().is_some() || extensions.get::<Risk>().is_some();
        if ruled_out || !layer.shadows.have_room(layer.settings.at_once) {
            layer.budget.give_back();
            return false;
        }
        true
    }
}

impl<S, B, R> Service<Request<B>> for Shadow<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ShadowFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let size = body.size_hint();
        let is_inference = inspect(&parts, &size, &self.layer.router).is_ok();
        let is_inference = is_inference && size.lower() <= MAX_BYTES as u64;
        let request = Request::from_parts(parts, body);
        if is_inference && self.is_chosen(&request) {
            // The clone may not be ready; the instance that was polled is the one to call.
            let clone = self.inner.clone();
            let service = mem::replace(&mut self.inner, clone);
            ShadowFuture::collecting(self.layer.clone(), service, request)
        } else {
            ShadowFuture::passing(self.inner.call(request.map(RequestBody::untouched)))
        }
    }
}
