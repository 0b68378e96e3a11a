use std::sync::Arc;

use tower::Layer;

use super::{service::OutcomeRouting, waiting::Waiting};
use crate::router::OutcomeRouter;

/// Routes the requests of an HTTP client service; see the [module](super).
#[derive(Clone, Debug)]
pub struct OutcomeRoutingLayer {
    router: OutcomeRouter,
    waiting: Arc<Waiting>,
}

impl OutcomeRoutingLayer {
    /// Creates a layer that routes by `router`.
    #[must_use]
    pub fn new(router: OutcomeRouter) -> Self {
        Self {
            router,
            waiting: Arc::default(),
        }
    }
}

impl<S: Clone> Layer<S> for OutcomeRoutingLayer {
    type Service = OutcomeRouting<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OutcomeRouting::with_waiting(inner, self.router.clone(), self.waiting.clone())
    }
}
