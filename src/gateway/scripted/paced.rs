use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body that comes piece by piece.
#[derive(Debug)]
pub(super) struct Paced {
    pieces: VecDeque<Bytes>,
    between: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Sends the first piece at once, and the last after `all`.
    pub(super) fn new(pieces: VecDeque<Bytes>, all: Duration) -> Self {
        let gaps = u32::try_from(pieces.len().saturating_sub(1)).unwrap_or(u32::MAX);
        Self {
            pieces,
            between: all / gaps.max(1),
            waiting: None,
        }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        let piece = self.pieces.pop_front();
        if !self.between.is_zero() && !self.pieces.is_empty() {
            self.waiting = Some(Box::pin(sleep(self.between)));
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_piece_comes_at_once_and_the_last_at_the_end() {
        let second = Duration::from_secs(1);
        let pieces = ["a", "b", "c"].map(|piece| Bytes::from_static(piece.as_bytes()));
        let mut body = Paced::new(pieces.into(), 2 * second);
        let start = Instant::now();
        let mut times = Vec::new();
        while let Some(frame) = body.frame().await {
            assert!(frame.unwrap().is_data());
            times.push(start.elapsed().as_secs());
        }
        assert_eq!(times, [0, 1, 2]);
        assert!(body.is_end_stream());
    }
}
