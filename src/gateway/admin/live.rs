use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::State, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Frame;

use super::{Shared, answer::Failure};
use crate::gateway::watch::Viewer;

/// Streams what happens, as server-sent events.
pub(super) async fn live(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let viewer = shared.watch.enter();
    let viewer = viewer.ok_or_else(|| Failure::unavailable("as many look on as may"))?;
    let mut response = Response::new(Body::new(Live::new(viewer)));
    let headers = response.headers_mut();
    let event_stream = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, event_stream);
    // nginx would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The events of one viewer: the next is made when the one before has been taken.
struct Live {
    next: Next,
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Viewer)>> + Send>>;

impl Live {
    fn new(viewer: Viewer) -> Self {
        Self { next: next(viewer) }
    }
}

fn next(mut viewer: Viewer) -> Next {
    Box::pin(async move {
        let event = viewer.next().await?;
        Some((event, viewer))
    })
}

impl http_body::Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match ready!(self.next.as_mut().poll(cx)) {
            Some((event, viewer)) => {
                self.next = next(viewer);
                Poll::Ready(Some(Ok(Frame::data(event))))
            }
            None => {
                // Asked again, it ends again.
                self.next = Box::pin(async { None });
                Poll::Ready(None)
            }
        }
    }
}
