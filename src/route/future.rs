use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::{
    attempt::Attempt,
    collect::{Collected, Collector},
    hold::Holding,
    refusal::refuse,
    request_body::RequestBody,
    response_body::ResponseBody,
    rewrite,
    waiting::{Place, Waiting},
};
use crate::{
    classify::Transport,
    dialect::{Dialect, Endpoint, Located, Unroutable},
    hints::{Call, Candidates, Deadline, HoldBack, Mark, Risk, Session, Strict, Task},
    router::{
        LONGEST_WAIT, Mode, NobodyFree, OutcomeRouter, Passed, PickRequest, PoolRules, Reason,
        Ticket, Unavailable, after,
    },
};

pin_project! {
    /// The future of [`OutcomeRouting`](super::OutcomeRouting).
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
        R: Body,
    {
        router: OutcomeRouter,
        waiting: Arc<Waiting>,
        #[pin]
        state: State<S, B, S::Future, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F, R>
    where
        B: Body,
        R: Body,
    {
        // The body is read, to see which model it names.
        Collecting { upload: Option<Upload<S, B>> },
        // Nobody is free, but somebody soon will be.
        Waiting { prepared: Option<Prepared<S>>, sleep: Pin<Box<Sleep>> },
        // The service was given back meanwhile, and is not ready yet.
        Readying { sending: Option<Sending<S, B>> },
        // The attempt is under way.
        Calling { #[pin] future: F, attempt: Option<(Box<Attempt>, bool)> },
        // The head is there, and held.
        Holding { holding: Option<Holding<R>> },
        Done,
    }
}

/// The service to call: either the one that is ready, or a clone of it that has to become so.
struct Handle<S> {
    service: S,
    ready: bool,
}

struct Upload<S, B: Body> {
    handle: Handle<S>,
    parts: Parts,
    body: Collector<B>,
    dialect: &'static dyn Dialect,
    endpoint: Endpoint,
}

/// A request that is read and understood.
struct Prepared<S> {
    handle: Handle<S>,
    parts: Parts,
    chunks: VecDeque<Bytes>,
    len: usize,
    trailers: Option<HeaderMap>,
    dialect: &'static dyn Dialect,
    endpoint: Endpoint,
    located: Located,
    rules: PoolRules,
    patience: Duration,
    /// Set at the first pick.
    give_up: Option<Instant>,
    /// A place among those that wait, once one was needed; kept until the request goes out.
    place: Option<Place>,
}

/// A request that is ready to go out.
enum Sending<S, B: Body> {
    /// Unrouted.
    Untouched {
        handle: Handle<S>,
        request: Request<RequestBody<B>>,
    },
    /// Once the service is ready, a target will be picked.
    Routed(Prepared<S>),
}

/// What becomes of a request once the service is ready.
#[allow(
    clippy::large_enum_variant,
    reason = "made once per call and taken apart at once"
)]
enum Step<S, B: Body> {
    Send {
        request: Request<RequestBody<B>>,
        handle: Handle<S>,
        attempt: Option<(Box<Attempt>, bool)>,
    },
    Wait {
        prepared: Prepared<S>,
        wait: Duration,
    },
    Refuse(Response<Bytes>),
}

impl<S, B, R> ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
    R: Body,
{
    pub(super) fn collecting(
        router: OutcomeRouter,
        waiting: Arc<Waiting>,
        service: S,
        parts: Parts,
        body: B,
        dialect: &'static dyn Dialect,
        endpoint: Endpoint,
    ) -> Self {
        let body = Collector::new(body, router.max_body());
        let handle = Handle {
            service,
            ready: true,
        };
        let upload = Some(Upload {
            handle,
            parts,
            body,
            dialect,
            endpoint,
        });
        Self {
            router,
            waiting,
            state: State::Collecting { upload },
        }
    }

    pub(super) fn passing(router: OutcomeRouter, waiting: Arc<Waiting>, future: S::Future) -> Self {
        Self {
            router,
            waiting,
            state: State::Calling {
                future,
                attempt: None,
            },
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Collecting { upload } => {
                    let Some(uploading) = upload else {
                        return Poll::Pending;
                    };
                    let collected = match uploading.body.poll(cx) {
                        Poll::Ready(collected) => collected,
                        Poll::Pending => {
                            // A slow upload must not hold a permit.
                            uploading.handle.give_back();
                            return Poll::Pending;
                        }
                    };
                    let Some(upload) = upload.take() else {
                        return Poll::Pending;
                    };
                    State::Readying {
                        sending: Some(upload.finish(collected.ok(), this.router)),
                    }
                }
                StateProj::Waiting { prepared, sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    State::Readying {
                        sending: prepared.take().map(Sending::Routed),
                    }
                }
                StateProj::Readying { sending } => {
                    let Some(waiting) = sending else {
                        return Poll::Pending;
                    };
                    if let Err(error) = ready!(waiting.handle().poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    let Some(sending) = sending.take() else {
                        return Poll::Pending;
                    };
                    match sending.step(this.router, this.waiting) {
                        Step::Send {
                            request,
                            mut handle,
                            attempt,
                        } => {
                            let future = handle.service.call(request);
                            State::Calling { future, attempt }
                        }
                        Step::Wait { mut prepared, wait } => {
                            prepared.handle.give_back();
                            State::Waiting {
                                prepared: Some(prepared),
                                sleep: Box::pin(sleep(wait)),
                            }
                        }
                        Step::Refuse(response) => {
                            this.router.counters().refused();
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(response.map(ResponseBody::own)));
                        }
                    }
                }
                StateProj::Calling { future, attempt } => {
                    let result = ready!(future.poll(cx));
                    match (result, attempt.take()) {
                        (Ok(mut response), Some((attempt, hold_back))) => {
                            attempt.announce(&mut response);
                            let now = this.router.now();
                            let holding = Holding::new(response, attempt, hold_back, now);
                            State::Holding {
                                holding: Some(holding),
                            }
                        }
                        (Ok(response), None) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(response.map(ResponseBody::untouched)));
                        }
                        (Err(error), attempt) => {
                            if let Some((attempt, _)) = attempt {
                                attempt.fail(Transport::of(&error));
                            }
                            this.state.set(State::Done);
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                StateProj::Holding { holding } => {
                    let Some(held) = holding else {
                        return Poll::Pending;
                    };
                    ready!(held.poll(this.router, cx));
                    let response = holding.take().map(Holding::release);
                    this.state.set(State::Done);
                    return response.map_or(Poll::Pending, |response| Poll::Ready(Ok(response)));
                }
                #[allow(clippy::panic, reason = "the contract of Future")]
                StateProj::Done => panic!("ResponseFuture polled after completion"),
            };
            this.state.set(next);
        }
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
    R: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("router", &self.router)
            .finish_non_exhaustive()
    }
}

impl<S: Clone> Handle<S> {
    /// Drops the ready instance, and with it what it reserved.
    fn give_back(&mut self) {
        if self.ready {
            self.service = self.service.clone();
            self.ready = false;
        }
    }

    fn poll_ready<Q>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Q>,
    {
        if !self.ready {
            ready!(self.service.poll_ready(cx))?;
            self.ready = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S, B: Body<Data = Bytes>> Upload<S, B> {
    /// Looks at what was collected; `None` means more than the limit.
    fn finish(self, collected: Option<Collected<B>>, router: &OutcomeRouter) -> Sending<S, B> {
        let Self {
            handle,
            mut parts,
            body,
            dialect,
            endpoint,
        } = self;
        // The caller was told to go on when its body was asked for.
        parts.headers.remove(http::header::EXPECT);
        let untouched = |handle, parts, why, body| {
            router.counters().passed(why);
            Sending::Untouched {
                handle,
                request: Request::from_parts(parts, body),
            }
        };
        match collected.unwrap_or_else(|| body.into_rest()) {
            Collected::TooLarge { chunks, rest } => untouched(
                handle,
                parts,
                Passed::TooLarge,
                RequestBody::streaming(chunks, rest),
            ),
            Collected::Failed { chunks, error } => untouched(
                handle,
                parts,
                Passed::UploadFailed,
                RequestBody::failed(chunks, error),
            ),
            Collected::Whole {
                mut chunks,
                len,
                trailers,
            } => {
                let located = locate(dialect, endpoint, &parts, chunks.make_contiguous());
                let located = located.and_then(|located| {
                    let rules = router.pool_rules(&located.model);
                    rules
                        .map(|rules| (located, rules))
                        .ok_or(Passed::UnknownModel)
                });
                match located {
                    Ok((located, rules)) => {
                        let patience = parts.extensions.get::<Deadline>();
                        let patience = patience.map_or(LONGEST_WAIT, |deadline| deadline.0);
                        Sending::Routed(Prepared {
                            handle,
                            parts,
                            chunks,
                            len,
                            trailers,
                            dialect,
                            endpoint,
                            located,
                            rules,
                            patience,
                            give_up: None,
                            place: None,
                        })
                    }
                    Err(why) => untouched(handle, parts, why, RequestBody::whole(chunks, trailers)),
                }
            }
        }
    }
}

fn locate(
    dialect: &dyn Dialect,
    endpoint: Endpoint,
    parts: &Parts,
    chunks: &[Bytes],
) -> Result<Located, Passed> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    dialect
        .locate(endpoint, target, content_type, chunks)
        .map_err(|why| match why {
            Unroutable::ContentType => Passed::ContentType,
            Unroutable::NotJson => Passed::NotJson,
            Unroutable::TooDeep => Passed::TooDeep,
            Unroutable::NoModel => Passed::NoModel,
        })
}

impl<S, B: Body<Data = Bytes>> Sending<S, B> {
    fn handle(&mut self) -> &mut Handle<S> {
        match self {
            Self::Untouched { handle, .. } => handle,
            Self::Routed(prepared) => &mut prepared.handle,
        }
    }

    fn step(self, router: &OutcomeRouter, waiting: &Arc<Waiting>) -> Step<S, B> {
        match self {
            Self::Untouched { handle, request } => Step::Send {
                request,
                handle,
                attempt: None,
            },
            Self::Routed(prepared) => prepared.step(router, waiting),
        }
    }
}

impl<S> Prepared<S> {
    fn step<B: Body<Data = Bytes>>(
        mut self,
        router: &OutcomeRouter,
        waiting: &Arc<Waiting>,
    ) -> Step<S, B> {
        if self.rules.mode == Mode::Off {
            router.counters().passed(Passed::Off);
            return self.send_off(router);
        }
        let now = router.now();
        let give_up = *self.give_up.get_or_insert(after(now, self.patience));
        match self.pick(router, now) {
            Ok(ticket) => self.send(router, ticket),
            Err(unavailable) => match self.wait(&unavailable, router, now, give_up) {
                Some(wait) => match self.place.take().or_else(|| waiting.enter(self.len)) {
                    Some(place) => {
                        self.place = Some(place);
                        Step::Wait {
                            prepared: self,
                            wait,
                        }
                    }
                    None => Step::Refuse(refuse(self.dialect, &unavailable)),
                },
                None => Step::Refuse(refuse(self.dialect, &unavailable)),
            },
        }
    }

    fn pick(&self, router: &OutcomeRouter, now: Instant) -> Result<Ticket, Unavailable> {
        let extensions = &self.parts.extensions;
        let tried = extensions
            .get::<Call>()
            .map(Call::tried)
            .unwrap_or_default();
        let mut request = PickRequest::new(&self.located.model)
            .tried(&tried)
            .strict(extensions.get::<Strict>().is_some())
            .risk_averse(extensions.get::<Risk>().is_some())
            .stream(self.located.stream)
            .dialect(self.dialect.name())
            .tokens(estimate_tokens(self.len, self.located.max_output_tokens));
        if let Some(task) = extensions.get::<Task>() {
            request = request.task(task.as_str());
        }
        if let Some(session) = extensions.get::<Session>() {
            request = request.session(session.as_str());
        }
        if let Some(candidates) = extensions.get::<Candidates>() {
            request = request.candidates(candidates);
        }
        router.pick_at(&request, now)
    }

    /// Returns how long to wait for somebody to become free, where that is worth it.
    fn wait(
        &self,
        unavailable: &Unavailable,
        router: &OutcomeRouter,
        now: Instant,
        give_up: Instant,
    ) -> Option<Duration> {
        if self.rules.nobody_free != NobodyFree::Wait || !unavailable.is_nobody_free() {
            return None;
        }
        let wait = unavailable.retry_in()?;
        // All wait for the same moment: a little jitter, so that they do not come as one.
        let spread = (wait / 10).clamp(Duration::from_millis(2), Duration::from_millis(250));
        let wait = wait + spread.mul_f64(router.jitter());
        (now + wait <= give_up).then_some(wait)
    }

    fn send<B: Body<Data = Bytes>>(mut self, router: &OutcomeRouter, ticket: Ticket) -> Step<S, B> {
        tracing::debug!(
            requested = %ticket.routed().requested_model(),
            target = %ticket.target(),
            reason = %ticket.routed().reason(),
            "attempt begins",
        );
        let call = self.parts.extensions.get::<Call>();
        if let Some(call) = call.filter(|_| self.located.side_effects) {
            call.note_side_effects();
        }
        let hold_back = self.parts.extensions.get::<HoldBack>();
        let hold_back = hold_back.map_or(self.rules.hold_back, |hold_back| hold_back.0);
        let call = call.cloned();
        let mark = self.parts.extensions.remove::<Mark>();
        let routed = ticket.routed();
        let observed = *routed.reason() == Reason::Observed
            && routed.upstream().is_none()
            && routed.model() == self.located.model;
        if !observed {
            self.rewrite(
                routed.model(),
                routed.upstream().map(|upstream| &**upstream),
            );
        }
        let uri = self.parts.uri.clone();
        let attempt = Attempt::begin(
            router,
            ticket,
            call.map(|call| (call, mark)),
            uri,
            self.dialect,
        );
        self.into_step(Some((attempt, hold_back)))
    }

    fn send_off<B: Body<Data = Bytes>>(mut self, router: &OutcomeRouter) -> Step<S, B> {
        if let Some((Some(upstream), model)) = router.off_upstream(&self.located.model) {
            self.rewrite(&model, Some(&upstream));
        }
        self.into_step(None)
    }

    fn rewrite(&mut self, model: &str, upstream: Option<&crate::router::Upstream>) {
        let chunks = std::mem::take(&mut self.chunks);
        self.chunks = rewrite::rename(chunks, &mut self.parts.uri, &self.located, model);
        if let Some(upstream) = upstream {
            rewrite::readdress(
                &mut self.parts,
                upstream,
                self.dialect,
                self.endpoint.suffix,
            );
        }
        let len = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        rewrite::reframe(&mut self.parts.headers, len, self.trailers.is_some());
    }

    fn into_step<B: Body<Data = Bytes>>(self, attempt: Option<(Box<Attempt>, bool)>) -> Step<S, B> {
        let body = RequestBody::whole(self.chunks, self.trailers);
        let request = Request::from_parts(self.parts, body);
        Step::Send {
            request,
            handle: self.handle,
            attempt,
        }
    }
}

/// A rough count of the tokens a request will cost: four bytes of prompt a token, and the answer
/// up to the caller's own cap.
fn estimate_tokens(len: usize, max_output: Option<u64>) -> u64 {
    (len as u64 / 4).min(100_000) + max_output.unwrap_or(256).min(4_096)
}
