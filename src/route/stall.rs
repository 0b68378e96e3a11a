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

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use tokio::time::advance;
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    /// Something that is polled, and wakes when it is told to.
    #[derive(Clone, Default)]
    struct Source(Rc<RefCell<(bool, Option<Waker>)>>);

    impl Source {
        fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
            let mut inner = self.0.borrow_mut();
            if mem::take(&mut inner.0) {
                return Poll::Ready(());
            }
            inner.1 = Some(cx.waker().clone());
            Poll::Pending
        }

        fn send(&self) {
            self.0.borrow_mut().0 = true;
            self.wake();
        }

        fn wake(&self) {
            let waker = self.0.borrow_mut().1.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn stall() -> (Stall, Source) {
        let router = OutcomeRouter::builder().model("a").build().unwrap();
        (Stall::new(&router), Source::default())
    }

    async fn seconds(seconds: u64) {
        advance(Duration::from_secs(seconds)).await;
    }

    fn largest(stall: &mut Stall) -> Option<u64> {
        stall.largest().map(|gap| gap.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_lasts_until_the_body_wakes_and_not_until_the_caller_comes_back() {
        let (mut stall, source) = stall();
        let mut task = task::spawn(());
        assert_pending!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        seconds(2).await;
        assert!(!task.is_woken());
        source.send();
        assert!(task.is_woken());
        seconds(30).await;
        assert_ready!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        assert_eq!(largest(&mut stall), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_of_the_caller_is_no_silence() {
        let (mut stall, source) = stall();
        let mut task = task::spawn(());
        for _ in 0..3 {
            source.send();
            seconds(30).await;
            assert_ready!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        }
        assert_eq!(largest(&mut stall), None);
    }

    #[tokio::test(start_paused = true)]
    async fn being_woken_for_nothing_does_not_end_a_silence() {
        let (mut stall, source) = stall();
        let mut task = task::spawn(());
        for _ in 0..3 {
            assert_pending!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
            seconds(1).await;
            source.wake();
        }
        assert_pending!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        seconds(1).await;
        source.send();
        seconds(30).await;
        assert_ready!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        assert_eq!(largest(&mut stall), Some(4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_of_several_counts_and_so_does_one_that_has_not_ended() {
        let (mut stall, source) = stall();
        let mut task = task::spawn(());
        for wait in [1, 3, 2] {
            assert_pending!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
            seconds(wait).await;
            source.send();
            assert_ready!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        }
        assert_eq!(largest(&mut stall), Some(3));
        assert_pending!(task.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        seconds(7).await;
        assert_eq!(largest(&mut stall), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_last_is_woken() {
        let (mut stall, source) = stall();
        let (mut one, mut other) = (task::spawn(()), task::spawn(()));
        assert_pending!(one.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        assert_pending!(other.enter(|cx, _| stall.poll(cx, |cx| source.poll(cx))));
        source.send();
        assert!(other.is_woken());
        assert!(!one.is_woken());
    }
}
