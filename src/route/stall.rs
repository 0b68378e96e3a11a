use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tokio::time::Instant;

use crate::router::OutcomeRouter;

/// How long a stream was silent while it was waited for.
///
/// A span begins where a poll finds nothing, and ends where the body says that there is something:
/// where it wakes the task, not where the task comes back, since what a caller does in between is
/// not the provider's time. So the body is polled with a waker of our own, which notes the time and
/// wakes the caller's.
#[derive(Debug)]
pub(super) struct Stall {
    bell: Arc<Bell>,
    waker: Waker,
    /// Since when nothing has come.
    since: Option<Instant>,
    largest: Option<Duration>,
}

impl Stall {
    pub(super) fn new(router: &OutcomeRouter) -> Self {
        let bell = Arc::new(Bell {
            router: router.clone(),
            state: Mutex::default(),
        });
        Self {
            waker: bell.clone().into(),
            bell,
            since: None,
            largest: None,
        }
    }

    /// Polls for what comes next.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let rang = self.bell.set(cx.waker());
        let polled = poll(&mut Context::from_waker(&self.waker));
        match (&polled, self.since) {
            (Poll::Pending, None) => self.since = Some(self.bell.router.now()),
            // Woken for nothing, or asked again before its time: it is still silent.
            (Poll::Pending, Some(_)) | (Poll::Ready(_), None) => {}
            (Poll::Ready(_), Some(_)) => self.end(rang),
        }
        polled
    }

    /// Returns the longest silence so far, one that has not ended included.
    pub(super) fn largest(&mut self) -> Option<Duration> {
        if self.since.is_some() {
            let rang = self.bell.lock().rang.take();
            self.end(rang);
        }
        self.largest
    }

    fn end(&mut self, rang: Option<Instant>) {
        if let Some(since) = self.since.take() {
            let end = rang.unwrap_or_else(|| self.bell.router.now());
            let gap = end.saturating_duration_since(since);
            self.largest = self.largest.max(Some(gap));
        }
    }
}

/// Wakes who waits, and notes when.
struct Bell {
    router: OutcomeRouter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Option<Waker>,
    /// When it rang first since the last poll.
    rang: Option<Instant>,
}

impl Bell {
    /// Says who is to be woken, and returns when it rang since that was said last.
    fn set(&self, waker: &Waker) -> Option<Instant> {
        // Wakers are others' code: none is cloned, woken or dropped under the lock.
        let waker = Some(waker.clone());
        let mut state = self.lock();
        let rang = state.rang.take();
        let before = mem::replace(&mut state.waiting, waker);
        drop(state);
        drop(before);
        rang
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let now = self.router.now();
        let mut state = self.lock();
        state.rang.get_or_insert(now);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}
