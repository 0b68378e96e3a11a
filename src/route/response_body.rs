use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::Span;

use super::{attempt::Attempt, request_body::plus, usage::UsageFilter};
use crate::classify::Transport;

pin_project! {
    /// The body of an answer: the provider's, watched to its end, or one of our own.
    ///
    /// Frames pass through as they came: never altered, joined or repeated, and not delayed once
    /// the head has been released. Where a pool [asks for usage](crate::Pool::ask_usage), the event
    /// that answers that is left out.
    pub struct ResponseBody<R: Body> {
        #[pin]
        kind: Kind<R>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<R: Body> {
        // Not routed: passed through unseen.
        Untouched { #[pin] body: R },
        // Routed: perhaps some frames were held, and the attempt may still be open.
        Watched { watched: Watched<R> },
        // Nobody was free.
        Own { data: Option<Bytes> },
    }
}

/// A provider's body with what was held of it.
pub(super) struct Watched<R: Body> {
    pub(super) held: VecDeque<Frame<Bytes>>,
    /// How the body ended, if it did; what is left of that to tell.
    pub(super) ended: Option<Result<(), R::Error>>,
    pub(super) rest: Pin<Box<R>>,
    /// The attempt, while it is open.
    pub(super) attempt: Option<Box<Attempt>>,
    /// Takes out what only we asked for.
    pub(super) filter: Option<Box<UsageFilter>>,
}

impl<R: Body> ResponseBody<R> {
    pub(super) fn untouched(body: R) -> Self {
        Self {
            kind: Kind::Untouched { body },
        }
    }

    pub(super) fn watched(watched: Watched<R>) -> Self {
        Self {
            kind: Kind::Watched { watched },
        }
    }

    pub(super) fn own(data: Bytes) -> Self {
        Self {
            kind: Kind::Own { data: Some(data) },
        }
    }

    /// Whether it is known to break off, while nothing of it has been handed on yet.
    #[cfg(feature = "gateway")]
    pub(crate) fn is_broken(&self) -> bool {
        match &self.kind {
            Kind::Watched { watched } => matches!(watched.ended, Some(Err(_))),
            Kind::Untouched { .. } | Kind::Own { .. } => false,
        }
    }
}

impl<R: Body<Data = Bytes>> Body for ResponseBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.project().kind.project() {
            KindProj::Untouched { body } => body.poll_frame(cx),
            KindProj::Watched { watched } => watched.poll_frame(cx),
            KindProj::Own { data } => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Untouched { body } => body.is_end_stream(),
            Kind::Watched { watched } => watched.is_end_stream(),
            Kind::Own { data } => data.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Untouched { body } => body.size_hint(),
            Kind::Watched { watched } => watched.size_hint(),
            Kind::Own { data } => {
                SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64))
            }
        }
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Untouched { .. } => "untouched",
            Kind::Watched { .. } => "watched",
            Kind::Own { .. } => "own",
        };
        f.debug_struct("ResponseBody")
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}

impl<R: Body<Data = Bytes>> Watched<R> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        loop {
            if let Some(frame) = self.filter.as_mut().and_then(|filter| filter.next()) {
                return Poll::Ready(Some(Ok(frame)));
            }
            let polled = ready!(self.poll_unfiltered(cx));
            let Some(filter) = &mut self.filter else {
                return Poll::Ready(polled);
            };
            match polled {
                Some(Ok(frame)) => filter.take(frame),
                end if filter.is_empty() => return Poll::Ready(end),
                // What is held comes first.
                end => {
                    filter.release();
                    self.ended = Some(end.map_or(Ok(()), |end| end.map(drop)));
                }
            }
        }
    }

    fn poll_unfiltered(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        if let Some(frame) = self.held.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match self.ended.take() {
            Some(Err(error)) => {
                self.ended = Some(Ok(()));
                return Poll::Ready(Some(Err(error)));
            }
            Some(Ok(())) => {
                self.ended = Some(Ok(()));
                return Poll::Ready(None);
            }
            None => {}
        }
        let rest = self.rest.as_mut();
        let span = self.attempt.as_ref().map(|attempt| attempt.span().clone());
        let inside = span.as_ref().map(Span::enter);
        let polled = match self.attempt.as_mut().and_then(|attempt| attempt.stall()) {
            Some(stall) => ready!(stall.poll(cx, |cx| rest.poll_frame(cx))),
            None => ready!(rest.poll_frame(cx)),
        };
        drop(inside);
        match &polled {
            Some(Ok(frame)) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.frame(frame);
                }
                // Consumers need not poll a body that says it has ended.
                if self.rest.is_end_stream() {
                    self.conclude(None);
                }
            }
            Some(Err(_)) => {
                self.ended = Some(Ok(()));
                self.conclude(Some(Transport::Incomplete));
            }
            None => {
                self.ended = Some(Ok(()));
                self.conclude(None);
            }
        }
        Poll::Ready(polled)
    }

    fn conclude(&mut self, transport: Option<Transport>) {
        if let Some(attempt) = self.attempt.take() {
            attempt.conclude(None, transport);
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = match &self.ended {
            Some(ended) => ended.is_ok(),
            None => self.rest.is_end_stream(),
        };
        let filtered = self.filter.as_ref().is_none_or(|filter| filter.is_empty());
        self.held.is_empty() && filtered && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.held.iter().filter_map(Frame::data_ref);
        let held = held.map(|data| data.len() as u64).sum();
        let hint = match &self.ended {
            Some(Ok(())) => SizeHint::with_exact(held),
            Some(Err(_)) => plus(held, &SizeHint::new()),
            None => plus(held, &self.rest.size_hint()),
        };
        match &self.filter {
            Some(filter) => filter.size_hint(&hint),
            None => hint,
        }
    }
}
