use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;

/// No more than this many chunks are kept: a handle to a chunk takes more than a crumb does, and
/// what is held would be many times what the limit says.
const MAX_CHUNKS: usize = 256 * 1024;

/// Collects a body, bounded, its chunks kept as they are.
pub(crate) struct Collector<B: Body> {
    body: Pin<Box<B>>,
    chunks: VecDeque<Bytes>,
    len: usize,
    limit: usize,
    trailers: Option<Box<HeaderMap>>,
}

/// What collecting a body came to.
pub(crate) enum Collected<B: Body> {
    /// The whole body.
    Whole {
        chunks: VecDeque<Bytes>,
        len: usize,
        trailers: Option<Box<HeaderMap>>,
    },
    /// More than the limit: what was read, and the rest.
    TooLarge {
        chunks: VecDeque<Bytes>,
        rest: Pin<Box<B>>,
    },
    /// The body failed: what was read, and why it ended.
    Failed {
        chunks: VecDeque<Bytes>,
        error: B::Error,
    },
}

impl<B: Body<Data = Bytes>> Collector<B> {
    pub(crate) fn new(body: B, limit: usize) -> Self {
        Self {
            body: Box::pin(body),
            chunks: VecDeque::new(),
            len: 0,
            limit,
            trailers: None,
        }
    }

    /// Polls the body to its end; what was collected is handed out once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Collected<B>, Spent>> {
        loop {
            match ready!(self.body.as_mut().poll_frame(cx)) {
                None => {
                    return Poll::Ready(Ok(Collected::Whole {
                        chunks: std::mem::take(&mut self.chunks),
                        len: self.len,
                        trailers: self.trailers.take(),
                    }));
                }
                Some(Err(error)) => {
                    let chunks = std::mem::take(&mut self.chunks);
                    return Poll::Ready(Ok(Collected::Failed { chunks, error }));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        self.len = self.len.saturating_add(data.len());
                        if !data.is_empty() {
                            self.chunks.push_back(data);
                        }
                        if self.len > self.limit || self.chunks.len() > MAX_CHUNKS {
                            return Poll::Ready(Err(Spent));
                        }
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.trailers.get_or_insert_default().extend(trailers);
                        }
                    }
                },
            }
        }
    }

    /// Returns how many bytes have come so far.
    #[cfg(feature = "gateway")]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives up collecting.
    pub(crate) fn into_rest(self) -> Collected<B> {
        Collected::TooLarge {
            chunks: self.chunks,
            rest: self.body,
        }
    }
}

/// The limit is exceeded; [`Collector::into_rest`] has what there is.
#[derive(Debug)]
pub(crate) struct Spent;

impl<B: Body> fmt::Debug for Collector<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
