use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::url::Url;

/// How often it is warned of.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Counts what stood in a server and was none of ours.
#[derive(Debug, Default)]
pub(super) struct Mended {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    since_warned: u64,
    warned: Option<Instant>,
    total: u64,
}

impl Mended {
    /// Counts keys, fields and notes that were removed or left out, and warns of them now and then.
    pub(super) fn add(&self, found: u64, url: &Url) {
        if found == 0 {
            return;
        }
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.total = inner.total.saturating_add(found);
        inner.since_warned = inner.since_warned.saturating_add(found);
        if inner
            .warned
            .is_some_and(|at| now.duration_since(at) < WARN_EVERY)
        {
            return;
        }
        inner.warned = Some(now);
        let found = std::mem::take(&mut inner.since_warned);
        drop(inner);
        tracing::warn!(
            store = %url,
            found,
            "keys of the store held what no instance writes; it was removed or left out. \
             Does something else use the same prefix?"
        );
    }

    pub(super) fn total(&self) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.total
    }
}
