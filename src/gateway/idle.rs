use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::timeout::error::Elapsed;

pin_project! {
    /// A body that fails when it is waited for too long between two frames. A consumer that is
    /// slow itself does not count.
    #[derive(Debug)]
    pub(super) struct IdleBody<B> {
        #[pin]
        inner: B,
        idle: Duration,
        // Present while somebody waits.
        waiting: Option<Pin<Box<Sleep>>>,
        is_waiting: bool,
    }
}

impl<B> IdleBody<B> {
    pub(super) fn new(inner: B, idle: Duration) -> Self {
        Self {
            inner,
            idle,
            waiting: None,
            is_waiting: false,
        }
    }
}

impl<B> Body for IdleBody<B>
where
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    type Data = B::Data;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.is_waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let idle = *this.idle;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(idle)));
        if !std::mem::replace(this.is_waiting, true) {
            waiting.as_mut().reset(Instant::now() + idle);
        }
        waiting
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(Elapsed::new().into())))
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
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    const STEP: Duration = Duration::from_secs(3);

    fn body(pauses: Vec<Duration>) -> IdleBody<impl Body<Data = Bytes, Error = Infallible>> {
        let frames = futures_util::stream::iter(pauses).then(async |pause| {
            sleep(pause).await;
            Ok(Frame::data(Bytes::from_static(b"x")))
        });
        IdleBody::new(StreamBody::new(frames), STEP * 2)
    }

    #[tokio::test(start_paused = true)]
    async fn f06_silence_ends_it_and_slow_progress_does_not() {
        let mut steady = Box::pin(body(vec![STEP; 5]));
        for _ in 0..5 {
            steady.frame().await.unwrap().unwrap();
        }
        assert!(steady.frame().await.is_none());
        let mut silent = Box::pin(body(vec![STEP, STEP * 3]));
        silent.frame().await.unwrap().unwrap();
        let error = silent.frame().await.unwrap().unwrap_err();
        assert!(error.is::<Elapsed>());
    }

    #[tokio::test(start_paused = true)]
    async fn f24_a_slow_consumer_is_no_silence() {
        let mut body = Box::pin(body(vec![STEP, STEP]));
        body.frame().await.unwrap().unwrap();
        sleep(STEP * 10).await;
        body.frame().await.unwrap().unwrap();
    }
}
