use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use sync_wrapper::SyncWrapper;

/// The body of a request behind a layer of this crate: collected and perhaps rewritten, or the
/// caller's own, untouched.
///
/// It is `Unpin`, and `Send` and `Sync` whenever `B` (with its error) is `Send`, as clients ask.
pub struct RequestBody<B: Body> {
    /// What was collected, to go out first.
    chunks: VecDeque<Bytes>,
    rest: Rest<B>,
    hint: SizeHint,
}

enum Rest<B: Body> {
    Nothing,
    /// Rare, and larger than all else together.
    Trailers(Box<HeaderMap>),
    Error(SyncWrapper<B::Error>),
    Body {
        body: SyncWrapper<Pin<Box<B>>>,
        ended: bool,
    },
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    pub(crate) fn whole(chunks: VecDeque<Bytes>, trailers: Option<Box<HeaderMap>>) -> Self {
        let len = length(&chunks);
        // HTTP/1 drops trailers beside a Content-Length, and an exact hint becomes one.
        let hint = match &trailers {
            None => SizeHint::with_exact(len),
            Some(_) => at_least(len),
        };
        Self {
            chunks,
            rest: trailers.map_or(Rest::Nothing, Rest::Trailers),
            hint,
        }
    }

    pub(crate) fn failed(chunks: VecDeque<Bytes>, error: B::Error) -> Self {
        let hint = at_least(length(&chunks));
        Self {
            chunks,
            rest: Rest::Error(SyncWrapper::new(error)),
            hint,
        }
    }

    pub(crate) fn untouched(body: B) -> Self {
        Self::streaming(VecDeque::new(), Box::pin(body))
    }

    pub(crate) fn streaming(chunks: VecDeque<Bytes>, body: Pin<Box<B>>) -> Self {
        let ended = body.is_end_stream();
        let hint = plus(length(&chunks), &body.size_hint());
        Self {
            chunks,
            rest: Rest::Body {
                body: SyncWrapper::new(body),
                ended,
            },
            hint,
        }
    }
}

impl<B: Body> Unpin for RequestBody<B> {}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if let Some(chunk) = this.chunks.pop_front() {
            this.hint = minus(&this.hint, chunk.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Rest::Body { body, ended } = &mut this.rest {
            let body = body.get_mut();
            let polled = ready!(body.as_mut().poll_frame(cx));
            *ended = body.is_end_stream();
            this.hint = body.size_hint();
            if !matches!(polled, Some(Ok(_))) {
                this.rest = Rest::Nothing;
                this.hint = SizeHint::with_exact(0);
            }
            return Poll::Ready(polled);
        }
        this.hint = SizeHint::with_exact(0);
        Poll::Ready(match std::mem::replace(&mut this.rest, Rest::Nothing) {
            Rest::Trailers(trailers) => Some(Ok(Frame::trailers(*trailers))),
            Rest::Error(error) => Some(Err(error.into_inner())),
            Rest::Nothing | Rest::Body { .. } => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = match &self.rest {
            Rest::Nothing => true,
            Rest::Trailers(_) | Rest::Error(_) => false,
            Rest::Body { ended, .. } => *ended,
        };
        self.chunks.is_empty() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

impl<B: Body> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("size_hint", &self.hint)
            .finish_non_exhaustive()
    }
}

fn length(chunks: &VecDeque<Bytes>) -> u64 {
    chunks.iter().map(|chunk| chunk.len() as u64).sum()
}

fn at_least(lower: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(lower);
    hint
}

pub(super) fn plus(more: u64, hint: &SizeHint) -> SizeHint {
    let mut sum = at_least(hint.lower().saturating_add(more));
    if let Some(upper) = hint.upper() {
        sum.set_upper(upper.saturating_add(more));
    }
    sum
}

fn minus(hint: &SizeHint, less: u64) -> SizeHint {
    let mut rest = at_least(hint.lower().saturating_sub(less));
    if let Some(upper) = hint.upper() {
        rest.set_upper(upper.saturating_sub(less));
    }
    rest
}
