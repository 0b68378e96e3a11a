use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::{runtime::Handle, task::JoinSet, time::timeout};
use tower::Service;

use super::{budget::Budget, layer::ShadowLayer};
use crate::{
    dialect,
    hints::{Call, Candidates, Deadline, Explain, Mark, Session, Shadowing},
    route::{Collected, Collector, RequestBody},
    router::{PickRequest, Reason, Routed},
};

/// Larger requests are not copied: a copy may outlive its call, and then holds the body alone.
pub(super) const MAX_BYTES: usize = 4 * 1024 * 1024;

pin_project! {
    /// The future of [`Shadow`](super::Shadow).
    pub struct ShadowFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
    {
        // Absent where no copy is made.
        copier: Option<Copier<S>>,
        #[pin]
        state: State<S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: Body,
    {
        // The body is read, so that it can be sent twice. The service is given back if that takes
        // time.
        Collecting { upload: Option<(Parts, Collector<B>)>, ready: bool },
        // Read, but the service has to be readied again.
        Readying { sending: Option<(Request<RequestBody<B>>, Option<Original>)> },
        // The call is under way; its copy goes out once it is known where it went.
        Calling { #[pin] future: F, original: Option<Original> },
        Done,
    }
}

/// What is called, by the call and by its copy.
struct Copier<S> {
    layer: ShadowLayer,
    service: S,
}

/// What a copy is made of.
struct Original {
    grant: Grant,
    parts: Parts,
    chunks: VecDeque<Bytes>,
    trailers: Option<Box<HeaderMap>>,
    call: Call,
    /// Which attempt of the call came of it.
    mark: Mark,
}

/// The right to make one copy, given back where none is made.
struct Grant(Option<Arc<Budget>>);

/// The copies under way. Dropped with the last that could make more, which cuts them off.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    tasks: Mutex<JoinSet<()>>,
}

impl<S, B> ShadowFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
{
    pub(super) fn collecting(layer: ShadowLayer, service: S, request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        let body = Collector::new(body, layer.router.max_body());
        Self {
            copier: Some(Copier { layer, service }),
            state: State::Collecting {
                upload: Some((parts, body)),
                ready: true,
            },
        }
    }

    pub(super) fn passing(future: S::Future) -> Self {
        Self {
            copier: None,
            state: State::Calling {
                future,
                original: None,
            },
        }
    }
}

impl<S, B, R> Future for ShadowFuture<S, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Send,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Collecting { upload, ready } => {
                    let (Some((_, body)), Some(copier)) = (&mut *upload, &mut *this.copier) else {
                        return Poll::Pending;
                    };
                    let Poll::Ready(collected) = body.poll(cx) else {
                        if mem::take(ready) {
                            // A slow upload must not hold a permit.
                            copier.service = copier.service.clone();
                        }
                        return Poll::Pending;
                    };
                    let Some((parts, body)) = upload.take() else {
                        return Poll::Pending;
                    };
                    let ready = *ready;
                    let collected = collected.unwrap_or_else(|_| body.into_rest());
                    let (request, original) = prepare(&copier.layer, parts, collected);
                    if ready {
                        State::Calling {
                            future: copier.service.call(request),
                            original,
                        }
                    } else {
                        State::Readying {
                            sending: Some((request, original)),
                        }
                    }
                }
                StateProj::Readying { sending } => {
                    let Some(copier) = this.copier else {
                        return Poll::Pending;
                    };
                    if let Err(error) = ready!(copier.service.poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    let Some((request, original)) = sending.take() else {
                        return Poll::Pending;
                    };
                    State::Calling {
                        future: copier.service.call(request),
                        original,
                    }
                }
                StateProj::Calling { future, original } => {
                    let polled = future.poll(cx);
                    if let Some(routed) = original.as_ref().and_then(Original::routed)
                        && let Some(original) = original.take()
                        && let Some(copier) = this.copier
                    {
                        original.send(&routed, &copier.layer, &copier.service);
                    }
                    if polled.is_ready() {
                        this.state.set(State::Done);
                    }
                    return polled;
                }
                #[allow(clippy::panic, reason = "the contract of Future")]
                StateProj::Done => panic!("ShadowFuture polled after completion"),
            };
            this.state.set(next);
        }
    }
}

/// Makes the request of the real call, and keeps what a copy needs where there can be one.
fn prepare<B: Body<Data = Bytes>>(
    layer: &ShadowLayer,
    mut parts: Parts,
    collected: Collected<B>,
) -> (Request<RequestBody<B>>, Option<Original>) {
    let grant = Grant(Some(layer.budget.clone()));
    // The caller was told to go on when its body was asked for.
    parts.headers.remove(header::EXPECT);
    let body = match collected {
        Collected::TooLarge { chunks, rest } => RequestBody::streaming(chunks, rest),
        Collected::Failed { chunks, error } => RequestBody::failed(chunks, error),
        Collected::Whole {
            chunks,
            len,
            trailers,
        } if len > MAX_BYTES => RequestBody::whole(chunks, trailers),
        Collected::Whole {
            chunks, trailers, ..
        } => {
            let call = parts.extensions.get_or_insert_default::<Call>().clone();
            let mark = parts.extensions.get_or_insert_with(Mark::new).clone();
            let original = Original {
                grant,
                parts: parts.clone(),
                chunks: chunks.clone(),
                trailers: trailers.clone(),
                call,
                mark,
            };
            let body = RequestBody::whole(chunks, trailers);
            return (Request::from_parts(parts, body), Some(original));
        }
    };
    (Request::from_parts(parts, body), None)
}

impl Original {
    /// Returns where the call itself went, once that is known.
    fn routed(&self) -> Option<Routed> {
        let (_, routed, _) = self.call.attempt(self.mark.get()?)?;
        Some(routed)
    }

    /// Sends the copy to another target than the call itself went to, if one is free.
    fn send<S, B, R>(mut self, routed: &Routed, layer: &ShadowLayer, service: &S)
    where
        S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Send,
        R: Body<Data = Bytes> + Send + 'static,
        R::Error: Send,
    {
        let ruled_out = *routed.reason() == Reason::Observed
            || self.call.has_side_effects()
            || self.call.is_tool_loop();
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let extensions = &mut self.parts.extensions;
        let candidates = extensions.remove::<Candidates>();
        let candidates = candidates
            .unwrap_or_else(Candidates::all)
            .but(routed.target());
        if ruled_out
            || !is_free(
                layer,
                &self.call,
                &candidates,
                routed,
                self.parts.uri.path(),
            )
        {
            return;
        }
        extensions.insert(candidates);
        extensions.insert(Call::new());
        extensions.insert(Mark::new());
        extensions.insert(Deadline(Duration::ZERO));
        extensions.insert(Shadowing(routed.target_id()));
        extensions.remove::<Session>();
        extensions.remove::<Explain>();
        let body = RequestBody::whole(self.chunks, self.trailers);
        let request = Request::from_parts(self.parts, body);
        let settings = &layer.settings;
        let copy = copy(service.clone(), request, settings.time_limit);
        if layer.shadows.spawn(&runtime, settings.at_once, copy) {
            self.grant.use_up();
            layer.router.counters().shadowed();
            tracing::debug!(target = %routed.target(), "copy goes to another target");
        }
    }
}

/// Returns whether anybody else could take the copy now.
fn is_free(
    layer: &ShadowLayer,
    call: &Call,
    candidates: &Candidates,
    routed: &Routed,
    path: &str,
) -> bool {
    let router = &layer.router;
    let needs = call.needs();
    let mut request = PickRequest::new(routed.requested_model())
        .needs(&needs)
        .follows(routed.target_id())
        .candidates(candidates)
        .shadow(true);
    if let Some((dialect, _)) = dialect::detect(path) {
        request = request.dialect(dialect.name());
    }
    router.has_free(&request, router.now())
}

/// Makes the copy's call, and reads its answer to the end: routing does the judging.
async fn copy<S, B, R>(mut service: S, request: Request<RequestBody<B>>, limit: Duration)
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    let call = async {
        if !is_ready(&mut service).await {
            return;
        }
        let Ok(response) = service.call(request).await else {
            return;
        };
        let mut body = pin!(response.into_body());
        while let Some(Ok(_)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
    };
    if timeout(limit, call).await.is_err() {
        tracing::debug!("copy cut off");
    }
}

/// Readies a clone without standing in line for it: who waits longer takes a place that a real call
/// may want. Some services wake themselves on the first poll, so there are two.
async fn is_ready<S, Q>(service: &mut S) -> bool
where
    S: Service<Q>,
{
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        match service.poll_ready(cx) {
            Poll::Ready(readied) => Poll::Ready(readied.is_ok()),
            Poll::Pending if polls > 1 => Poll::Ready(false),
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    })
    .await
}

impl Grant {
    fn use_up(&mut self) {
        self.0 = None;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(budget) = &self.0 {
            budget.give_back();
        }
    }
}

impl Shadows {
    pub(super) fn have_room(&self, at_once: usize) -> bool {
        self.with(|tasks| tasks.len() < at_once)
    }

    /// Runs a copy, unless there are as many as may be.
    fn spawn(
        &self,
        runtime: &Handle,
        at_once: usize,
        copy: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        self.with(|tasks| {
            let has_room = tasks.len() < at_once;
            if has_room {
                tasks.spawn_on(copy, runtime);
            }
            has_room
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut JoinSet<()>) -> T) -> T {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        f(&mut tasks)
    }
}

impl<S, B> fmt::Debug for ShadowFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowFuture").finish_non_exhaustive()
    }
}
