use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body whose error waits until what came before it has been written.
    ///
    /// A server closes the connection of a body that breaks at once, and with it goes what it has not
    /// sent yet: the last events of a stream, or its head.
    pub(super) struct Written<B: Body> {
        #[pin]
        inner: B,
        // Something was handed on, the head at first, and nobody had to wait since.
        unsent: bool,
        error: Option<B::Error>,
    }
}

impl<B: Body> Written<B> {
    pub(super) fn new(inner: B) -> Self {
        Self {
            inner,
            unsent: true,
            error: None,
        }
    }
}

impl<B: Body> Body for Written<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match this.inner.poll_frame(cx) {
            Poll::Ready(Some(Err(error))) if *this.unsent => {
                *this.unsent = false;
                *this.error = Some(error);
                // A server writes while it waits. This once, it waits for nothing else.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            polled => {
                *this.unsent = polled.is_ready();
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.error.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::StreamBody;
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    type Item = Result<Frame<Bytes>, &'static str>;

    fn data(text: &'static str) -> Item {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn an_error_waits_once_for_what_came_before_it() {
        for frames in [vec![], vec![data("a")], vec![data("a"), data("b")]] {
            let count = frames.len();
            let items = frames.into_iter().chain([Err("reset")]);
            let mut body = task::spawn(Written::new(StreamBody::new(stream::iter(items))));
            for _ in 0..count {
                let polled = body.enter(|cx, body| body.poll_frame(cx));
                assert!(assert_ready!(polled).unwrap().is_ok());
            }
            assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
            assert!(body.is_woken());
            assert!(!body.is_end_stream());
            let polled = body.enter(|cx, body| body.poll_frame(cx));
            assert_eq!(assert_ready!(polled).unwrap().unwrap_err(), "reset");
        }
    }

    #[test]
    fn what_ends_well_never_waits() {
        let items = [data("a"), data("b")];
        let mut body = task::spawn(Written::new(StreamBody::new(stream::iter(items))));
        for _ in 0..2 {
            let polled = body.enter(|cx, body| body.poll_frame(cx));
            assert!(assert_ready!(polled).unwrap().is_ok());
        }
        let polled = body.enter(|cx, body| body.poll_frame(cx));
        assert!(assert_ready!(polled).is_none());
        let full = Written::new(http_body_util::Full::<Bytes>::from("abc"));
        assert_eq!(full.size_hint().exact(), Some(3));
        assert!(!full.is_end_stream());
    }
}
