//! How long a stream was silent is told with its outcome; how long its reader was is not.

use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Once,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{sleep, timeout},
};
use tower::{Layer, ServiceExt, service_fn};
use tower_outcome::{OutcomeRoutingLayer, RequestBody, ResponseBody};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::support::*;

/// A body that is sent at its own pace, whether it is polled or not.
struct Sent(UnboundedReceiver<Bytes>);

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|data| Some(Ok(Frame::data(data?))))
    }
}

thread_local! {
    /// The stalls that were told on this thread: each test has one of its own.
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes the stalls that are told with outcomes. For all threads at once: what a callsite is
/// interested in is cached for the whole process.
#[derive(Clone, Copy)]
struct Told;

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.fields().field("largest_gap").is_some()
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut { *self });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "largest_gap" {
            TOLD.with_borrow_mut(|told| told.push(format!("{value:?}")));
        }
    }
}

/// What is told of a stream that sends these events after these seconds, when it is read so.
async fn told<F, R>(
    events: &'static [(u64, &'static str)],
    read: impl FnOnce(ResponseBody<Sent>) -> R,
) -> String
where
    R: Future<Output = F>,
{
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Told).unwrap());
    let provider = service_fn(move |request: Request<RequestBody<Frames>>| async move {
        drop(request.into_body().collect().await);
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            for (after, event) in events {
                sleep(seconds(*after as f64)).await;
                let _ = sender.send(Bytes::from(format!("data: {event}\n\n")));
            }
        });
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(Sent(receiver)).unwrap())
    });
    let router = three();
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    let answer = service.oneshot(chat("a")).await.unwrap();
    read(answer.into_body()).await;
    account(&router);
    let told = TOLD.take();
    assert_eq!(told.len(), 1);
    told[0].clone()
}

const SLOW: &[(u64, &str)] = &[
    (2, ROLE),
    (2, CONTENT),
    (1, CONTENT),
    (3, CONTENT),
    (1, STOP),
];

#[tokio::test(start_paused = true)]
async fn the_longest_silence_after_the_first_content_is_told() {
    assert_eq!(told(SLOW, BodyExt::collect).await, "Some(3s)");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_its_time_is_no_stall() {
    let slow = async |mut body: ResponseBody<Sent>| {
        while body.frame().await.is_some() {
            sleep(seconds(30.0)).await;
        }
    };
    assert_eq!(told(SLOW, slow).await, "None");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_come_back_for_what_came_is_no_stall() {
    let away = async |mut body: ResponseBody<Sent>| {
        let _ = body.frame().await;
        let _ = body.frame().await;
        assert!(timeout(seconds(0.5), body.frame()).await.is_err());
        sleep(seconds(60.0)).await;
        body.collect().await
    };
    assert_eq!(told(SLOW, away).await, "Some(1s)");
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_the_reader_gave_up_on_is_told() {
    let gives_up = async |mut body: ResponseBody<Sent>| {
        let _ = body.frame().await;
        assert!(timeout(seconds(7.0), body.frame()).await.is_err());
    };
    assert_eq!(
        told(&[(0, CONTENT), (100, STOP)], gives_up).await,
        "Some(7s)"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_lets_wait_tells_none() {
    let events = &[(1, CONTENT), (0, STOP)];
    assert_eq!(told(events, BodyExt::collect).await, "None");
}
