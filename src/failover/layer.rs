use std::{sync::Arc, time::Duration};

use tower::Layer;

use super::{budget::Budget, rules::Replay, service::Failover};
use crate::router::OutcomeRouter;

/// Attempts per call: the first and two repeats, as the official SDKs make.
const ATTEMPTS: u32 = 3;

/// Repeats failed attempts on the next best target; see the [module](super).
///
/// Its service buffers the request body, up to the router's limit. It repeats while no content has
/// been delivered, within the attempts, the deadline and a budget for repeats that is shared by
/// all services made by clones of this layer.
#[derive(Clone, Debug)]
pub struct FailoverLayer {
    pub(super) router: OutcomeRouter,
    pub(super) settings: Settings,
    pub(super) budget: Arc<Budget>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) attempts: u32,
    pub(super) deadline: Option<Duration>,
    pub(super) replay: Replay,
    pub(super) side_effects: bool,
}

impl FailoverLayer {
    /// Creates a layer. `router` is the one that the routing layer inside uses.
    #[must_use]
    pub fn new(router: OutcomeRouter) -> Self {
        let settings = Settings {
            attempts: ATTEMPTS,
            deadline: None,
            replay: Replay::Standard,
            side_effects: false,
        };
        Self {
            router,
            settings,
            budget: Arc::new(Budget::new()),
        }
    }

    /// Sets the time after which no attempt is begun and nothing is waited for. An attempt that is
    /// under way is not cut; that is a timeout layer's work. Default: none; a
    /// [`Deadline`](crate::Deadline) on the request wins.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = Some(deadline);
        self
    }

    /// Sets how many attempts a call may make in all, at least 1. Default: 3.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// Sets which failed attempts may be repeated. Default: [`Replay::Standard`].
    #[must_use]
    pub fn replay(mut self, replay: Replay) -> Self {
        self.settings.replay = replay;
        self
    }

    /// Allows to repeat requests that do something beyond their answer: those that are stored, run
    /// in the background, or use tools that run at the provider. Default: never.
    #[must_use]
    pub fn repeat_side_effects(mut self, repeat: bool) -> Self {
        self.settings.side_effects = repeat;
        self
    }
}

impl<S: Clone> Layer<S> for FailoverLayer {
    type Service = Failover<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Failover::with_layer(inner, self.clone())
    }
}
