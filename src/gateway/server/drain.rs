use tokio::sync::watch;

/// Tells what is under way that the server stops, and waits for its end.
#[derive(Debug)]
pub(super) struct Drain {
    told: watch::Sender<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serves,
    /// It is about to stop, and serves as before.
    Leaves,
    Stops,
}

/// What something that is under way knows of it. The server waits until the last one is dropped.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Draining {
    told: watch::Receiver<Phase>,
}

impl Drain {
    pub(super) fn new() -> Self {
        let (told, _) = watch::channel(Phase::Serves);
        Self { told }
    }

    /// Counts one thing more that is under way.
    pub(super) fn enter(&self) -> Draining {
        let told = self.told.subscribe();
        Draining { told }
    }

    /// Tells that the server is about to stop.
    pub(super) fn announce(&self) {
        self.told.send_replace(Phase::Leaves);
    }

    /// Tells that the server stops.
    pub(super) fn begin(&self) {
        self.told.send_replace(Phase::Stops);
    }

    /// Waits until nothing is under way.
    pub(super) async fn ended(&self) {
        self.told.closed().await;
    }
}

impl Draining {
    /// Returns whether the server stops, or is about to.
    pub(in crate::gateway) fn is_announced(&self) -> bool {
        *self.told.borrow() != Phase::Serves
    }

    /// Returns whether the server stops.
    pub(in crate::gateway) fn has_begun(&self) -> bool {
        *self.told.borrow() == Phase::Stops
    }

    /// Waits until the server stops; for ever, if it has gone away without that.
    pub(super) async fn begun(&mut self) {
        if self
            .told
            .wait_for(|phase| *phase == Phase::Stops)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}
