use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds how many requests are under way at a time: beyond that the answer is no, at once, so that
/// those that were let in are served as fast as ever.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: usize,
    free: Arc<Semaphore>,
}

/// The place of a request, from its head to the last byte of its answer. Given back on drop.
#[derive(Debug)]
pub(super) struct Place(#[allow(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Places {
    pub(super) fn new(all: usize) -> Self {
        let free = Arc::new(Semaphore::new(all.clamp(1, Semaphore::MAX_PERMITS)));
        Self { all, free }
    }

    /// Returns whether it began with as many.
    pub(super) fn is_of(&self, places: usize) -> bool {
        self.all == places
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        self.free.clone().try_acquire_owned().ok().map(Place)
    }
}
