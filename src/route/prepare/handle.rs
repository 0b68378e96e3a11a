use std::task::{Context, Poll, ready};

use tower::Service;

/// The service to call: either the one that is ready, or a clone of it that has to become so.
pub(in crate::route) struct Handle<S> {
    pub(in crate::route) service: S,
    pub(in crate::route) ready: bool,
}

impl<S: Clone> Handle<S> {
    /// Drops the ready instance, and with it what it reserved.
    pub(in crate::route) fn give_back(&mut self) {
        if self.ready {
            self.service = self.service.clone();
            self.ready = false;
        }
    }

    pub(in crate::route) fn poll_ready<Q>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), S::Error>>
    where
        S: Service<Q>,
    {
        if !self.ready {
            ready!(self.service.poll_ready(cx))?;
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }
}
