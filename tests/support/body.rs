use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::BoxError;

/// What a scripted body does next.
#[derive(Clone, Debug)]
pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error(&'static str),
    Wait(Duration),
    Hang,
    Panic,
}

impl Step {
    pub fn data(data: impl Into<Bytes>) -> Self {
        Self::Data(data.into())
    }

    pub fn trailer(name: &'static str, value: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, value.parse().unwrap());
        Self::Trailers(trailers)
    }

    /// Whether the body comes to its end here, or never further.
    fn ends(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Hang | Self::Panic)
    }
}

/// A scripted body. It tells its size exactly where it can, and panics when it is polled after its
/// end.
#[derive(Debug)]
pub struct Frames {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    sized: bool,
    ended: bool,
    polled: Arc<AtomicUsize>,
}

impl Frames {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            sleep: None,
            sized: true,
            ended: false,
            polled: Arc::default(),
        }
    }

    pub fn of(chunks: impl IntoIterator<Item: Into<Bytes>>) -> Self {
        Self::new(chunks.into_iter().map(Step::data))
    }

    pub fn empty() -> Self {
        Self::new([])
    }

    /// Does not tell its size.
    pub fn unsized_(mut self) -> Self {
        self.sized = false;
        self
    }

    /// Counts how often it is polled.
    pub fn polled(&self) -> Arc<AtomicUsize> {
        self.polled.clone()
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        assert!(!self.ended, "polled after its end");
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            let Some(step) = self.steps.pop_front() else {
                self.ended = true;
                return Poll::Ready(None);
            };
            return Poll::Ready(Some(match step {
                Step::Data(data) => Ok(Frame::data(data)),
                Step::Trailers(trailers) => Ok(Frame::trailers(trailers)),
                Step::Error(error) => {
                    self.ended = true;
                    Err(error.into())
                }
                Step::Wait(time) => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(time)));
                    continue;
                }
                Step::Hang => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Step::Panic => panic!("scripted"),
            }));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.sized && self.steps.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.steps.iter().take_while(|step| !step.ends());
        let left = data.map(|step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        });
        let whole = self
            .steps
            .iter()
            .all(|step| matches!(step, Step::Data(_) | Step::Wait(_)));
        if self.sized && whole {
            SizeHint::with_exact(left.sum())
        } else {
            SizeHint::new()
        }
    }
}
