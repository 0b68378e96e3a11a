use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, header, response::Parts};
use http_body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    attempt::Attempt,
    response_body::{ResponseBody, Watched},
    shape::Shape,
    usage::UsageFilter,
};
use crate::{classify::Transport, dialect::stream::Observer, router::OutcomeRouter};

/// No more than this of a body is held, comments and all.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// Nor in more pieces: each costs more than a crumb holds.
const MAX_FRAMES: usize = 4096;
/// No more than this many events of a stream, and no longer than this.
const MAX_EVENTS: u64 = 64;
const MAX_TIME: Duration = Duration::from_secs(5);
/// A provider that sends keep-alives is working: its stream is let go this long after the first,
/// so that nobody in front cuts an idle connection.
const MAX_PING_AGE: Duration = Duration::from_secs(1);
/// The body of a failure is short, or not worth the wait.
const MAX_FAILURE_TIME: Duration = Duration::from_secs(1);

/// An answer whose head is not released yet.
pub(super) struct Holding<R: Body> {
    parts: Parts,
    body: Pin<Box<R>>,
    held: VecDeque<Frame<Bytes>>,
    bytes: usize,
    ended: Option<Result<(), R::Error>>,
    /// Present until the attempt is settled.
    attempt: Option<Box<Attempt>>,
    filter: Option<Box<UsageFilter>>,
    shape: Shape,
    hold_back: bool,
    since: Instant,
    pinged: Option<Instant>,
    /// The deadline that the sleep is for, by the router's clock.
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<R: Body<Data = Bytes>> Holding<R> {
    pub(super) fn new(
        response: Response<R>,
        mut attempt: Box<Attempt>,
        hold_back: bool,
        now: Instant,
    ) -> Self {
        let (mut parts, body) = response.into_parts();
        let shape = match attempt.head(&parts, now) {
            Shape::Stream if !hold_back => Shape::Flow,
            shape => shape,
        };
        let filter = attempt.usage_filter();
        if filter.is_some() {
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        Self {
            parts,
            body: Box::pin(body),
            held: VecDeque::new(),
            bytes: 0,
            ended: None,
            attempt: Some(attempt),
            filter,
            shape,
            hold_back,
            since: now,
            pinged: None,
            deadline: None,
            sleep: None,
        }
    }

    /// Reads on until the answer may be released.
    pub(super) fn poll(&mut self, router: &OutcomeRouter, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_decided() {
            let polled = {
                let _inside = self.attempt.as_ref().map(|it| it.span().enter());
                self.body.as_mut().poll_frame(cx)
            };
            let Poll::Ready(polled) = polled else {
                return self.poll_deadline(router, cx);
            };
            match polled {
                Some(Ok(frame)) => self.keep(frame, router),
                Some(Err(error)) => self.end(Err(error), Some(Transport::Incomplete)),
                None => self.end(Ok(()), None),
            }
        }
        Poll::Ready(())
    }

    /// Releases the answer.
    pub(super) fn release(mut self) -> Response<ResponseBody<R>> {
        // Consumers need not poll a body that says it has ended.
        if self.ended.is_none() && self.body.is_end_stream() {
            self.end(Ok(()), None);
        }
        if let Some(attempt) = &mut self.attempt {
            attempt.release(&self.parts.headers);
        }
        let watched = Watched {
            held: self.held,
            ended: self.ended,
            rest: self.body,
            attempt: self.attempt,
            filter: self.filter,
        };
        Response::from_parts(self.parts, ResponseBody::watched(watched))
    }

    fn is_decided(&self) -> bool {
        let Some(attempt) = &self.attempt else {
            return true;
        };
        if self.shape == Shape::Flow || self.bytes > MAX_BYTES || self.held.len() >= MAX_FRAMES {
            return true;
        }
        attempt.observer().is_some_and(|observer| {
            let summary = observer.summary();
            summary.first_content.is_some()
                || summary.is_decided()
                || summary.events.max(summary.keep_alives) >= MAX_EVENTS
        })
    }

    fn keep(&mut self, frame: Frame<Bytes>, router: &OutcomeRouter) {
        self.bytes += frame.data_ref().map_or(0, Bytes::len);
        let mut failed = false;
        if let Some(attempt) = &mut self.attempt {
            let known = attempt.observer().is_some();
            attempt.frame(&frame);
            // A stream that did not say so.
            if !known && attempt.observer().is_some() {
                self.filter = attempt.usage_filter();
                if self.filter.is_some() {
                    self.parts.headers.remove(header::CONTENT_LENGTH);
                }
                if !self.hold_back {
                    self.shape = Shape::Flow;
                }
            }
            if let Some(summary) = attempt.observer().map(Observer::summary) {
                failed = summary.has_failed() && summary.first_content.is_none();
                if summary.keep_alives > 0 && self.pinged.is_none() {
                    self.pinged = Some(router.now());
                }
            }
        }
        self.held.push_back(frame);
        if failed {
            self.settle(None);
        }
    }

    fn end(&mut self, ended: Result<(), R::Error>, transport: Option<Transport>) {
        self.ended = Some(ended);
        self.settle(transport);
    }

    fn settle(&mut self, transport: Option<Transport>) {
        if let Some(attempt) = self.attempt.take() {
            attempt.conclude(Some(&self.parts.headers), transport);
        }
    }

    /// Nothing to read: lets the answer go when it has been held for long enough.
    fn poll_deadline(&mut self, router: &OutcomeRouter, cx: &mut Context<'_>) -> Poll<()> {
        let longest = match self.shape {
            Shape::Failure => MAX_FAILURE_TIME,
            _ => MAX_TIME,
        };
        let deadline = self.pinged.map_or(self.since + longest, |pinged| {
            (pinged + MAX_PING_AGE).min(self.since + longest)
        });
        if self.deadline.replace(deadline) != Some(deadline) {
            // A span: the router's clock need not be tokio's.
            let left = deadline.saturating_duration_since(router.now());
            self.sleep = Some(Box::pin(sleep(left)));
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}
