use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::router::OutcomeRouter;

/// Requests that may wait for a target at once, and the bytes of their bodies: a queue longer than
/// this would be served long after its callers have given up.
const MAX_REQUESTS: usize = 256;
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Counts the requests of one layer that wait for a target.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// A place among those that wait, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Arc<Waiting>,
    router: OutcomeRouter,
    bytes: usize,
}

impl Waiting {
    /// Takes a place for a request with a body of `bytes`, if there is one left.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize, router: &OutcomeRouter) -> Option<Place> {
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let total = self
            .bytes
            .fetch_add(bytes, Ordering::Relaxed)
            .saturating_add(bytes);
        router.counters().wait();
        let place = Place {
            waiting: self.clone(),
            router: router.clone(),
            bytes,
        };
        (requests <= MAX_REQUESTS && total <= MAX_BYTES).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.router.counters().end_wait();
        self.waiting.requests.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_come_back() {
        let router = OutcomeRouter::builder().model("a").build().unwrap();
        let waiting = Arc::new(Waiting::default());
        let enter = |bytes| waiting.enter(bytes, &router);
        let places: Vec<_> = (0..256).map_while(|_| enter(1)).collect();
        assert_eq!(places.len(), 256);
        assert_eq!(router.snapshot().counts.waiting, 256);
        assert!(enter(1).is_none());
        drop(places);
        assert!(enter(MAX_BYTES + 1).is_none());
        assert!(enter(1).is_some());
        assert_eq!(router.snapshot().counts.waiting, 0);
    }
}
