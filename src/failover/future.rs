use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::{
    kept::Kept,
    layer::FailoverLayer,
    rules::{self, Repeat, ended, repeat_routed, says_no},
};
use crate::{
    classify::{Class, Processed, Verdict},
    hints::{Call, Deadline, Mark},
    route::{Collected, Collector, RequestBody, inspect},
    router::{LONGEST_WAIT, Next, NobodyFree, Reason, Routed, TargetId, after},
};

/// Pauses before the same target is tried again: those of the official SDKs.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Share of a pause that is random.
const JITTER: f64 = 0.25;

pin_project! {
    /// The future of [`Failover`](super::Failover).
    pub struct FailoverFuture<S, B>
    where
        S: Service<Request<RequestBody<B>>>,
        B: Body,
    {
        service: S,
        run: Run,
        spare: Option<Spare<S::Response>>,
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
        // The body is read, so that it can be sent again. The service is given back if that takes
        // time.
        Collecting { body: Option<Collector<B>>, ready: bool },
        // Not to be repeated: passed on as it is.
        Passing { body: Option<RequestBody<B>> },
        Readying,
        Calling { #[pin] future: F },
        Pausing { sleep: Pin<Box<Sleep>> },
        Done,
    }
}

/// One call, over all its attempts.
struct Run {
    layer: FailoverLayer,
    /// The head; its headers go out with the first attempt.
    parts: Parts,
    /// Those headers, for more attempts.
    headers: Option<Kept>,
    /// The body, where it can be sent again.
    body: Option<(VecDeque<Bytes>, Option<Box<HeaderMap>>)>,
    call: Call,
    attempts: u32,
    /// Which attempt of the call came of the last one here.
    mark: Mark,
    deadline: Option<Instant>,
    /// Whether the deadline is the caller's own word, and with it how long to wait for a target.
    patient: bool,
}

/// A good answer that failed its checks, held to its end, while a better one is asked for.
struct Spare<R> {
    response: R,
    /// Until when: beyond the call's deadline it will do.
    limit: Option<Pin<Box<Sleep>>>,
}

/// What becomes of a call after an attempt.
enum After {
    Deliver,
    Repeat,
    Pause(Duration),
    /// The answer is good, but fails its checks: a better target is asked.
    Cascade,
    /// The answer that failed its checks is the best there is.
    Spare,
}

impl<S, B> FailoverFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body<Data = Bytes>,
{
    pub(super) fn new(layer: FailoverLayer, service: S, request: Request<B>) -> Self {
        let (mut parts, body) = request.into_parts();
        let call = parts.extensions.get_or_insert_default::<Call>().clone();
        let now = layer.router.now();
        let patience = parts
            .extensions
            .get::<Deadline>()
            .map(|deadline| deadline.0);
        let deadline = patience
            .or(layer.settings.deadline)
            .map(|patience| after(now, patience));
        layer.budget.deposit(now);
        let limit = layer.router.max_body();
        let state = match inspect(&parts, &body.size_hint(), &layer.router) {
            Ok(_) => State::Collecting {
                body: Some(Collector::new(body, limit)),
                ready: true,
            },
            Err(_) => State::Passing {
                body: Some(RequestBody::untouched(body)),
            },
        };
        let run = Run {
            layer,
            parts,
            headers: None,
            body: None,
            call,
            attempts: 0,
            mark: Mark::new(),
            deadline,
            patient: patience.is_some(),
        };
        Self {
            service,
            run,
            spare: None,
            state,
        }
    }
}

impl<S, B, R> Future for FailoverFuture<S, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.as_mut().advance(cx);
        let mut this = self.project();
        let is_over = match &polled {
            Poll::Ready(result) => result.is_err(),
            Poll::Pending => this.spare.as_mut().is_some_and(|spare| spare.is_over(cx)),
        };
        match this.spare.take_if(|_| is_over) {
            Some(spare) => {
                this.state.set(State::Done);
                Poll::Ready(Ok(spare.response))
            }
            None => polled,
        }
    }
}

impl<S, B, R> FailoverFuture<S, B>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>> + Clone,
    S::Error: 'static,
    B: Body<Data = Bytes>,
{
    fn advance(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<R>, S::Error>> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Collecting { body, ready } => {
                    let Some(collector) = body else {
                        return Poll::Pending;
                    };
                    let Poll::Ready(collected) = collector.poll(cx) else {
                        if mem::take(ready) {
                            // A slow upload must not hold a permit.
                            *this.service = this.service.clone();
                        }
                        return Poll::Pending;
                    };
                    let Some(collector) = body.take() else {
                        return Poll::Pending;
                    };
                    match this
                        .run
                        .collected(collected.unwrap_or_else(|_| collector.into_rest()))
                    {
                        None => State::Readying,
                        Some(body) => State::Passing { body: Some(body) },
                    }
                }
                StateProj::Passing { body } => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    let Some(body) = body.take() else {
                        return Poll::Pending;
                    };
                    State::Calling {
                        future: this.service.call(this.run.pass(body)),
                    }
                }
                StateProj::Readying => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(error));
                    }
                    let request = this.run.begin(this.spare.is_some());
                    State::Calling {
                        future: this.service.call(request),
                    }
                }
                StateProj::Calling { future } => {
                    let result = ready!(future.poll(cx));
                    match this.run.after(&result, this.spare.is_some()) {
                        After::Deliver => {
                            this.state.set(State::Done);
                            return Poll::Ready(result);
                        }
                        After::Spare => {
                            this.state.set(State::Done);
                            let spare = this.spare.take();
                            return Poll::Ready(spare.map_or(result, |spare| Ok(spare.response)));
                        }
                        After::Cascade => {
                            let limit = this.run.left(this.run.layer.router.now());
                            let limit = limit.map(|left| Box::pin(sleep(left)));
                            *this.spare = result.ok().map(|response| Spare { response, limit });
                            State::Readying
                        }
                        After::Repeat => State::Readying,
                        After::Pause(pause) => State::Pausing {
                            sleep: Box::pin(sleep(pause)),
                        },
                    }
                }
                StateProj::Pausing { sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    State::Readying
                }
                #[allow(clippy::panic, reason = "the contract of Future")]
                StateProj::Done => panic!("FailoverFuture polled after completion"),
            };
            this.state.set(next);
        }
    }
}

impl<R> Spare<R> {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.limit.as_mut();
        limit.is_some_and(|limit| limit.as_mut().poll(cx).is_ready())
    }
}

impl Run {
    /// Keeps the body for as many attempts as it takes, or returns it to be passed on.
    fn collected<B: Body<Data = Bytes>>(
        &mut self,
        collected: Collected<B>,
    ) -> Option<RequestBody<B>> {
        // The caller was told to go on when its body was asked for.
        self.parts.headers.remove(header::EXPECT);
        match collected {
            Collected::Whole {
                chunks, trailers, ..
            } => {
                self.body = Some((chunks, trailers));
                None
            }
            Collected::TooLarge { chunks, rest } => Some(RequestBody::streaming(chunks, rest)),
            Collected::Failed { chunks, error } => Some(RequestBody::failed(chunks, error)),
        }
    }

    /// The one attempt of a request that cannot be repeated takes the head with it.
    fn pass<B: Body>(&mut self, body: RequestBody<B>) -> Request<RequestBody<B>> {
        let (nothing, ()) = Request::new(()).into_parts();
        Request::from_parts(mem::replace(&mut self.parts, nothing), body)
    }

    fn begin<B: Body<Data = Bytes>>(&mut self, has_spare: bool) -> Request<RequestBody<B>> {
        self.attempts += 1;
        self.mark = Mark::new();
        let headers = match &self.headers {
            Some(kept) => kept.headers(),
            None => {
                let headers = mem::take(&mut self.parts.headers);
                self.headers = Some(Kept::of(&headers));
                headers
            }
        };
        let mut parts = self.parts.clone();
        parts.headers = headers;
        parts.extensions.insert(self.mark.clone());
        // With an answer at hand, nobody who has to be waited for is better.
        let patience = if has_spare {
            Duration::ZERO
        } else {
            self.patience(self.layer.router.now())
        };
        parts.extensions.insert(Deadline(patience));
        let (chunks, trailers) = self.body.clone().unwrap_or_default();
        Request::from_parts(parts, RequestBody::whole(chunks, trailers))
    }

    /// Says what becomes of the call after an attempt.
    fn after<R, E: 'static>(&self, result: &Result<Response<R>, E>, has_spare: bool) -> After {
        let router = &self.layer.router;
        let give_up = if has_spare {
            After::Spare
        } else {
            After::Deliver
        };
        // Without a body to repeat there is nothing to decide; without a record of the attempt it
        // was not routed, or refused by ourselves.
        let Some(index) = self.body.as_ref().and(self.mark.get()) else {
            return give_up;
        };
        let Some((target, routed, verdict)) = self.call.attempt(index) else {
            return give_up;
        };
        let verdict = ended(verdict, result);
        let Some(verdict) = verdict.filter(|verdict| verdict.class != Class::Success) else {
            if self.call.is_to_be_asked_again(index) {
                return self.cascade(target, &routed, router.now());
            }
            if self.attempts > 1 {
                self.layer.budget.refund(router.now());
            }
            return After::Deliver;
        };
        let now = router.now();
        let settings = &self.layer.settings;
        let judged = (&verdict, says_no(result));
        let repeat = repeat_routed(router, settings, &self.call, (target, &routed), judged);
        if self.is_over(now) || repeat == Repeat::Never {
            return give_up;
        }
        let after = self.next(routed.requested_model(), &verdict, repeat, now, has_spare);
        if matches!(after, After::Deliver) || !self.layer.budget.withdraw(now) {
            return give_up;
        }
        router
            .counters()
            .repeated(verdict.processed != Processed::No);
        match &after {
            After::Pause(pause) => tracing::debug!(
                target = %routed.target(),
                class = verdict.class.as_str(),
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "attempt failed, the same target is tried again after a pause",
            ),
            _ => tracing::debug!(
                target = %routed.target(),
                class = verdict.class.as_str(),
                "attempt failed, another target is tried",
            ),
        }
        after
    }

    /// Says what becomes of a good answer that failed its checks: of two such answers, the one of
    /// the better target is delivered, which is the later.
    fn cascade(&self, target: TargetId, routed: &Routed, now: Instant) -> After {
        let (extensions, path) = (&self.parts.extensions, self.parts.uri.path());
        let layer = &self.layer;
        let forbidden = (self.call.has_side_effects() && !layer.settings.side_effects)
            || *routed.reason() == Reason::Observed;
        if forbidden || self.is_over(now) {
            return After::Deliver;
        }
        let failed = (target, routed.requested_model());
        let better = rules::better(&layer.router, &self.call, extensions, path, failed, now);
        if !better || !layer.budget.withdraw(now) {
            return After::Deliver;
        }
        layer.router.counters().cascaded();
        tracing::debug!(
            target = %routed.target(),
            "answer failed its checks, a better target is asked",
        );
        After::Cascade
    }

    /// Returns whether no further attempt may begin.
    fn is_over(&self, now: Instant) -> bool {
        self.attempts >= self.layer.settings.attempts
            || self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Looks for somebody to repeat it on; with an answer to spare, only for somebody else who is
    /// free now.
    fn next(
        &self,
        model: &str,
        verdict: &Verdict,
        repeat: Repeat,
        now: Instant,
        has_spare: bool,
    ) -> After {
        let (extensions, path) = (&self.parts.extensions, self.parts.uri.path());
        let router = &self.layer.router;
        let left = self.left(now);
        let patience = self.patience(now);
        let waits = router.pool_rules(model).map(|rules| rules.nobody_free);
        match rules::next(router, &self.call, extensions, path, model, now) {
            Some(Next::Other) => After::Repeat,
            _ if has_spare => After::Deliver,
            Some(Next::Same) if repeat == Repeat::Anywhere => {
                let pause = self.pause(verdict);
                if pause <= left.unwrap_or(LONGEST_WAIT) {
                    After::Pause(pause)
                } else {
                    After::Deliver
                }
            }
            // Routing does the waiting.
            Some(Next::Nobody { wait, tried })
                if waits == Some(NobodyFree::Wait)
                    && wait <= patience
                    && !(tried && repeat == Repeat::Elsewhere) =>
            {
                After::Repeat
            }
            _ => After::Deliver,
        }
    }

    /// Returns the time until the deadline.
    fn left(&self, now: Instant) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(now))
    }

    /// Returns how long to wait for a target. A deadline for the whole call is no wish to wait for
    /// as long; the caller's own is.
    fn patience(&self, now: Instant) -> Duration {
        match self.left(now) {
            Some(left) if self.patient => left,
            left => left.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT),
        }
    }

    fn pause(&self, verdict: &Verdict) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.attempts.saturating_sub(1).min(16));
        let jitter = 1.0 - JITTER * self.layer.router.jitter();
        let pause = doubled.min(LONGEST_PAUSE).mul_f64(jitter);
        verdict.retry_after.map_or(pause, |asked| asked.max(pause))
    }
}

impl<S, B> fmt::Debug for FailoverFuture<S, B>
where
    S: Service<Request<RequestBody<B>>>,
    B: Body,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailoverFuture")
            .field("attempts", &self.run.attempts)
            .finish_non_exhaustive()
    }
}
