use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body::Body;
use tokio::time::Instant;
use tower::Service;

use super::{
    attempt::Attempt,
    collect::{Collected, Collector},
    refusal::refuse,
    request_body::RequestBody,
    rewrite,
    waiting::{Place, Waiting},
};
use crate::{
    dialect::{Dialect, Endpoint, Located, Unroutable},
    hints::{Call, Candidates, Deadline, HoldBack, Mark, Risk, Session, Strict, Task},
    router::{
        LONGEST_WAIT, Mode, NobodyFree, OutcomeRouter, Passed, PickRequest, PoolRules, Reason,
        Ticket, Unavailable, after,
    },
};

/// The service to call: either the one that is ready, or a clone of it that has to become so.
pub(super) struct Handle<S> {
    pub(super) service: S,
    pub(super) ready: bool,
}

pub(super) struct Upload<S, B: Body> {
    pub(super) handle: Handle<S>,
    pub(super) parts: Parts,
    pub(super) body: Collector<B>,
    pub(super) dialect: &'static dyn Dialect,
    pub(super) endpoint: Endpoint,
}

/// A request that is read and understood.
pub(super) struct Prepared<S> {
    pub(super) handle: Handle<S>,
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
pub(super) enum Sending<S, B: Body> {
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
pub(super) enum Step<S, B: Body> {
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

impl<S: Clone> Handle<S> {
    /// Drops the ready instance, and with it what it reserved.
    pub(super) fn give_back(&mut self) {
        if self.ready {
            self.service = self.service.clone();
            self.ready = false;
        }
    }

    pub(super) fn poll_ready<Q>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
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
    pub(super) fn finish(
        self,
        collected: Option<Collected<B>>,
        router: &OutcomeRouter,
    ) -> Sending<S, B> {
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
    pub(super) fn handle(&mut self) -> &mut Handle<S> {
        match self {
            Self::Untouched { handle, .. } => handle,
            Self::Routed(prepared) => &mut prepared.handle,
        }
    }

    pub(super) fn step(self, router: &OutcomeRouter, waiting: &Arc<Waiting>) -> Step<S, B> {
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
        let unavailable = match self.pick(router, now) {
            Ok(ticket) => return self.send(router, ticket),
            Err(unavailable) => unavailable,
        };
        if let Some(wait) = self.wait(&unavailable, router, now, give_up) {
            self.place = self.place.take().or_else(|| waiting.enter(self.len));
            if self.place.is_some() {
                return Step::Wait {
                    prepared: self,
                    wait,
                };
            }
        }
        Step::Refuse(refuse(self.dialect, &unavailable))
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
        if let Some((upstream, model)) = router.off_upstream(&self.located.model) {
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
