use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::Body;
use http_body_util::BodyExt;
use tower::Service;

use super::{BoxError, Frames};

/// What a scripted provider does with a request.
pub enum Reply {
    Answer(Response<Frames>),
    Error(BoxError),
    /// Never answers.
    Hang,
    /// Panics in its future.
    Panic,
    /// Panics in `call`.
    PanicAtOnce,
    /// Answers later.
    After(Duration, Box<Reply>),
}

impl Reply {
    pub fn after(time: Duration, reply: impl Into<Self>) -> Self {
        Self::After(time, Box::new(reply.into()))
    }
}

impl From<Response<Frames>> for Reply {
    fn from(response: Response<Frames>) -> Self {
        Self::Answer(response)
    }
}

/// A request as it reached the provider.
#[derive(Clone, Debug)]
pub struct Seen {
    pub parts: Parts,
    pub chunks: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    pub exact: Option<u64>,
}

impl Seen {
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.chunks.concat()).into_owned()
    }

    /// The model that the body names.
    pub fn model(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.chunks.concat()).unwrap();
        body["model"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

type Script = Box<dyn FnMut(&Parts, usize) -> Reply + Send>;

/// A scripted provider, and a readiness probe: a clone is not ready until it was polled, being
/// ready takes two polls and is used up by a call, and a call of what is not ready panics.
pub struct Provider {
    shared: Arc<Shared>,
    polls: u8,
}

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    heads: Mutex<Vec<Parts>>,
    unready: AtomicBool,
    broken: AtomicBool,
}

impl Clone for Provider {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            polls: 0,
        }
    }
}

impl Provider {
    /// Answers by the head of the request and the number of requests before.
    pub fn new<R: Into<Reply>>(
        mut script: impl FnMut(&Parts, usize) -> R + Send + 'static,
    ) -> Self {
        let script: Script = Box::new(move |parts, number| script(parts, number).into());
        Self {
            shared: Arc::new(Shared {
                script: Mutex::new(script),
                seen: Mutex::default(),
                heads: Mutex::default(),
                unready: AtomicBool::new(false),
                broken: AtomicBool::new(false),
            }),
            polls: 0,
        }
    }

    /// Answers every request well.
    pub fn good() -> Self {
        Self::new(|_, _| super::good())
    }

    /// The requests whose bodies were read to their ends.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<Parts> {
        self.shared.heads.lock().unwrap().clone()
    }

    /// The models that were asked for, in order.
    pub fn models(&self) -> Vec<String> {
        self.seen().iter().map(Seen::model).collect()
    }

    /// The only request.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// From now on `poll_ready` pends, or not any more.
    pub fn set_unready(&self, unready: bool) {
        self.shared.unready.store(unready, Ordering::Relaxed);
    }

    /// From now on `poll_ready` fails.
    pub fn set_broken(&self) {
        self.shared.broken.store(true, Ordering::Relaxed);
    }
}

impl<B> Service<Request<B>> for Provider
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Frames>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Frames>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.shared.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err("broken".into()));
        }
        if self.shared.unready.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.polls = (self.polls + 1).min(2);
        if self.polls < 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert_eq!(self.polls, 2, "called without being ready");
        self.polls = 0;
        let (parts, body) = request.into_parts();
        let shared = self.shared.clone();
        let number = {
            let mut heads = shared.heads.lock().unwrap();
            heads.push(parts.clone());
            heads.len() - 1
        };
        let reply = (shared.script.lock().unwrap())(&parts, number);
        assert!(!matches!(reply, Reply::PanicAtOnce), "scripted");
        Box::pin(async move {
            let mut body = std::pin::pin!(body);
            let exact = body.size_hint().exact();
            let mut seen = Seen {
                parts,
                chunks: Vec::new(),
                trailers: None,
                exact,
            };
            while let Some(frame) = body.frame().await {
                match frame.map_err(Into::into)?.into_data() {
                    Ok(data) => seen.chunks.push(data),
                    Err(frame) => seen.trailers = frame.into_trailers().ok(),
                }
            }
            shared.seen.lock().unwrap().push(seen);
            answer(reply).await
        })
    }
}

async fn answer(mut reply: Reply) -> Result<Response<Frames>, BoxError> {
    loop {
        match reply {
            Reply::Answer(response) => return Ok(response),
            Reply::Error(error) => return Err(error),
            Reply::Hang => return std::future::pending().await,
            Reply::Panic | Reply::PanicAtOnce => panic!("scripted"),
            Reply::After(time, then) => {
                tokio::time::sleep(time).await;
                reply = *then;
            }
        }
    }
}
