use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http::{Response, Version};
use http_body::{Frame, SizeHint};

/// Once as much waits to be written, bytes, no more is read for it: enough to write small events
/// together, and no more than is read of an upstream at once.
const WAITING: usize = 63 * 1024;

/// How much of an answer waits to be written to a connection of HTTP/1, which has one at a time.
///
/// hyper takes more of a body until 408 KiB wait to be written, and its bound for that is one for
/// reading, too: a smaller one makes large requests dear. HTTP/2 has a bound of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    given: usize,
    waiting: Option<Waker>,
}

impl Pace {
    /// Everything that was given has been written.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        state.given = 0;
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    /// Has an answer over this version keep to it.
    pub(super) fn set(&self, response: Response<Body>, version: Version) -> Response<Paced> {
        let pace = (version < Version::HTTP_2).then(|| self.clone());
        response.map(|inner| Paced { inner, pace })
    }

    fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.given < WAITING {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn give(&self, bytes: usize) {
        self.lock().given += bytes;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer that is read no faster than it is written.
#[derive(Debug)]
pub(super) struct Paced {
    inner: Body,
    pace: Option<Pace>,
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if let Some(pace) = &this.pace {
            ready!(pace.poll_room(cx));
        }
        let polled = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let (Some(pace), Some(Ok(frame))) = (&this.pace, &polled) {
            pace.give(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body::Body as _;
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    fn answer(len: usize, version: Version, pace: &Pace) -> Paced {
        let parts = [Ok::<_, axum::Error>(vec![b'x'; len]), Ok(vec![b'x'; len])];
        let response = Response::new(Body::from_stream(stream::iter(parts)));
        pace.set(response, version).into_body()
    }

    #[test]
    fn f24_the_next_part_is_read_once_the_last_is_written() {
        let pace = Pace::default();
        let mut body = answer(WAITING, Version::HTTP_11, &pace);
        let mut next = task::spawn(std::future::poll_fn(|cx| {
            Pin::new(&mut body).poll_frame(cx)
        }));
        assert!(assert_ready!(next.poll()).is_some());
        assert_pending!(next.poll());
        assert!(!next.is_woken());
        pace.flushed();
        assert!(next.is_woken());
        assert!(assert_ready!(next.poll()).is_some());
        pace.flushed();
        assert!(assert_ready!(next.poll()).is_none());
    }

    #[test]
    fn small_parts_are_written_together() {
        let mut body = answer(WAITING / 2, Version::HTTP_11, &Pace::default());
        let mut next = task::spawn(std::future::poll_fn(|cx| {
            Pin::new(&mut body).poll_frame(cx)
        }));
        for _ in 0..2 {
            assert!(assert_ready!(next.poll()).is_some());
        }
        assert_pending!(next.poll());
    }

    #[test]
    fn streams_of_http_2_do_not_wait_for_each_other() {
        let mut body = answer(WAITING, Version::HTTP_2, &Pace::default());
        let mut next = task::spawn(std::future::poll_fn(|cx| {
            Pin::new(&mut body).poll_frame(cx)
        }));
        for _ in 0..2 {
            assert!(assert_ready!(next.poll()).is_some());
        }
        assert!(assert_ready!(next.poll()).is_none());
    }
}
