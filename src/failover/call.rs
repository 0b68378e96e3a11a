use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use crate::hints::{Call, Mark};

/// Lets the attempts of one call know of each other.
///
/// For those who repeat with `tower::retry` or race with `tower::hedge`: put it above them. Without
/// it, both requests of a hedge may go to the same target. A retry layer below a hedge needs one of
/// its own. [`FailoverLayer`](crate::FailoverLayer) does the same by itself, but cannot do it for a
/// hedge above it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallLayer {
    _private: (),
}

impl CallLayer {
    /// Creates a layer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner }
    }
}

/// Inserts a [`Call`] into every request that has none.
#[derive(Clone, Debug)]
pub struct CallService<S> {
    inner: S,
}

impl<S> CallService<S> {
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

impl<S, B> Service<Request<B>> for CallService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let extensions = request.extensions_mut();
        extensions.get_or_insert_default::<Call>();
        extensions.insert(Mark::new());
        self.inner.call(request)
    }
}
