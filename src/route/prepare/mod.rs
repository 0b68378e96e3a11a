//! From a request as it comes to one that goes out: its body is read, a target is picked, and what
//! names another model is rewritten.

#[cfg(feature = "gateway")]
mod dry_run;
mod handle;
#[cfg(test)]
mod tests;
mod upload;
mod usage;

use std::{borrow::Cow, collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header, request::Parts};
use http_body::Body;
use tokio::time::Instant;

#[cfg(feature = "gateway")]
pub(crate) use self::dry_run::DryRun;
pub(crate) use self::upload::Known;
pub(super) use self::{handle::Handle, upload::Upload};
use super::{
    attempt::{Asked, Attempt},
    checking::Checking,
    refusal::refuse,
    request_body::RequestBody,
    rewrite, signature,
    waiting::{Place, Waiting},
};
use crate::{
    classify::is_json,
    dialect::{Addressed, Dialect, Endpoint, Located},
    hints::{Call, Candidates, Explain, HoldBack, Mark, Risk, Session, Strict, Task, Tenant},
    router::{
        Decision, Mode, Needs, NobodyFree, OutcomeRouter, Passed, PickRequest, PoolRules, Reason,
        TargetId, Ticket, Unavailable, Upstream, after,
    },
};

/// A request that is read and understood.
pub(super) struct Prepared<S> {
    pub(super) handle: Handle<S>,
    parts: Parts,
    chunks: VecDeque<Bytes>,
    len: usize,
    trailers: Option<Box<HeaderMap>>,
    dialect: &'static dyn Dialect,
    endpoint: Endpoint,
    located: Arc<Located>,
    rules: PoolRules,
    /// What kind of work it is, where the caller did not say.
    task: Option<Cow<'static, str>>,
    session_key: Option<u64>,
    needs: Needs,
    /// It is the copy of a call, whose answer nobody reads: who serves the call itself.
    shadow_of: Option<TargetId>,
    patience: Duration,
    /// Set at the first pick.
    since: Option<Instant>,
    /// A place among those that wait, once one was needed; kept until the request goes out.
    place: Option<Place>,
}

/// A request that is ready to go out.
#[allow(
    clippy::large_enum_variant,
    reason = "the larger one is rare, and moved on at once"
)]
pub(super) enum Sending<S, B: Body> {
    /// Unrouted.
    Untouched {
        handle: Handle<S>,
        request: Request<RequestBody<B>>,
    },
    /// Once the service is ready, a target will be picked.
    Routed(Box<Prepared<S>>),
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
        prepared: Box<Prepared<S>>,
        wait: Duration,
    },
    Refuse(Response<Bytes>),
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
        mut self: Box<Self>,
        router: &OutcomeRouter,
        waiting: &Arc<Waiting>,
    ) -> Step<S, B> {
        if self.rules.mode == Mode::Off {
            router.counters().passed(Passed::Off);
            return self.send_off(router);
        }
        let now = router.now();
        let since = *self.since.get_or_insert(now);
        let give_up = after(since, self.patience);
        let (unavailable, decision) = match self.pick(router, now) {
            Ok(ticket) => return self.send(router, ticket),
            Err(refused) => refused,
        };
        if let Some(wait) = self.wait(&unavailable, router, now, give_up) {
            self.place = self
                .place
                .take()
                .or_else(|| waiting.enter(self.len, router));
            if self.place.is_some() {
                return Step::Wait {
                    prepared: self,
                    wait,
                };
            }
        }
        if self.shadow_of.is_none() {
            router.refused(&self.located.model, &unavailable, now);
        }
        let mut refusal = refuse(self.dialect, &unavailable);
        if let Some(decision) = decision {
            if let Some(call) = self.parts.extensions.get::<Call>() {
                call.note_decision(Some(decision.clone()));
            }
            refusal.extensions_mut().insert(decision);
        }
        Step::Refuse(refusal)
    }

    fn pick(
        &self,
        router: &OutcomeRouter,
        now: Instant,
    ) -> Result<Ticket, (Unavailable, Option<Arc<Decision>>)> {
        let tried = self
            .parts
            .extensions
            .get::<Call>()
            .map(Call::tried)
            .unwrap_or_default();
        let elapsed = match self.parts.extensions.get::<Call>() {
            Some(call) => call.elapsed(now),
            None => self
                .since
                .map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        };
        let request = self.request(&tried).elapsed(elapsed);
        if !router.is_observed() {
            return router.pick_or_tell(&request, now);
        }
        let started = Instant::now();
        let picked = router.pick_or_tell(&request, now);
        router.took(started.elapsed());
        picked
    }

    fn request<'a>(&'a self, tried: &'a [TargetId]) -> PickRequest<'a> {
        let extensions = &self.parts.extensions;
        let mut request = PickRequest::new(&self.located.model)
            .tried(tried)
            .strict(extensions.get::<Strict>().is_some())
            .risk_averse(extensions.get::<Risk>().is_some())
            .stream(self.located.stream)
            .tool_loop(self.located.tool_loop)
            .explain(extensions.get::<Explain>().is_some())
            .shadow(self.shadow_of.is_some())
            .dialect(self.dialect.name())
            .needs(&self.needs);
        if let Some(target) = self.shadow_of {
            request = request.follows(target);
        }
        if let Some(task) = self.task() {
            request = request.task(task);
        }
        if let Some(tenant) = extensions.get::<Tenant>() {
            request = request.tenant(tenant.as_str());
        }
        if let Some(key) = self.session_key {
            request = request.session_key(key);
        }
        if let Some(session) = extensions.get::<Session>() {
            request = request.session(session.as_str());
        }
        if let Some(candidates) = extensions.get::<Candidates>() {
            request = request.candidates(candidates);
        }
        request
    }

    /// Returns what kind of work it is: what the caller says wins.
    fn task(&self) -> Option<&str> {
        let hint = self.parts.extensions.get::<Task>();
        hint.map(Task::as_str).or(self.task.as_deref())
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

    fn send<B: Body<Data = Bytes>>(
        mut self: Box<Self>,
        router: &OutcomeRouter,
        ticket: Ticket,
    ) -> Step<S, B> {
        tracing::debug!(
            requested = %ticket.routed().requested_model(),
            target = %ticket.target(),
            reason = %ticket.routed().reason(),
            "attempt begins",
        );
        let call = self.parts.extensions.get::<Call>();
        if let Some(call) = call {
            call.note_needs(&self.needs);
        }
        if let Some(call) = call.filter(|_| self.located.side_effects) {
            call.note_side_effects();
        }
        if let Some(call) = call.filter(|_| self.located.tool_loop) {
            call.note_tool_loop();
        }
        let hold_back = self.parts.extensions.get::<HoldBack>();
        let hold_back = hold_back.map_or(self.rules.hold_back, |hold_back| hold_back.0);
        let call = call.cloned();
        let checking = self.rules.checks.take().map(|checks| {
            let (kind, json_mode) = (self.endpoint.kind, self.located.json_mode);
            Checking::new(checks, kind, self.task(), json_mode, self.rules.cascade)
        });
        let mark = self.parts.extensions.remove::<Mark>();
        let routed = ticket.routed();
        let observed = *routed.reason() == Reason::Observed
            && routed.upstream().is_none()
            && routed.model() == self.located.model;
        if !observed {
            self.rewrite(
                router,
                ticket.target_id(),
                routed.model(),
                routed.upstream().map(|upstream| &**upstream),
            );
        }
        if !self.rules.compressed && *routed.reason() != Reason::Observed {
            rewrite::ask_plain(&mut self.parts.headers);
        }
        let asks_usage = self.ask_usage(router, &ticket);
        let asked = Asked {
            uri: self.parts.uri.clone(),
            dialect: self.dialect,
            kind: self.endpoint.kind,
            stream: self.located.stream,
        };
        let mut attempt = Attempt::begin(
            router,
            ticket,
            call.map(|call| (call, mark)),
            self.task.take(),
            asked,
            checking,
        );
        if asks_usage {
            attempt.ask_usage();
        }
        self.into_step(Some((attempt, hold_back)))
    }

    fn send_off<B: Body<Data = Bytes>>(mut self: Box<Self>, router: &OutcomeRouter) -> Step<S, B> {
        if let Some((upstream, target, model)) = router.off_upstream(&self.located.model) {
            self.rewrite(router, target, &model, Some(&upstream));
        }
        self.into_step(None)
    }

    fn rewrite(
        &mut self,
        router: &OutcomeRouter,
        target: TargetId,
        model: &str,
        upstream: Option<&Upstream>,
    ) {
        if router.replaces_signatures() {
            signature::remove(&mut self.parts.headers);
        }
        let mut chunks = std::mem::take(&mut self.chunks);
        let content_type = self.parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(is_json);
        let changed = router
            .parameters(target)
            .filter(|_| is_json)
            .and_then(|parameters| parameters.edits(chunks.make_contiguous()))
            .unwrap_or_default();
        let uri = &mut self.parts.uri;
        self.chunks = rewrite::rename(chunks, uri, &self.located, model, changed);
        if let Some(upstream) = upstream {
            let path = self.parts.uri.path();
            let path = upstream.path(&Addressed::new(
                path,
                self.dialect.name(),
                self.endpoint,
                model,
            ));
            rewrite::readdress(&mut self.parts, upstream, self.dialect, &path);
        }
        self.reframe();
    }

    /// Makes the headers true to the body.
    fn reframe(&mut self) {
        let len = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        rewrite::reframe(&mut self.parts.headers, len, self.trailers.is_some());
    }

    #[allow(clippy::boxed_local, reason = "moved out of it part by part")]
    fn into_step<B: Body<Data = Bytes>>(
        self: Box<Self>,
        attempt: Option<(Box<Attempt>, bool)>,
    ) -> Step<S, B> {
        let body = RequestBody::whole(self.chunks, self.trailers);
        let request = Request::from_parts(self.parts, body);
        Step::Send {
            request,
            handle: self.handle,
            attempt,
        }
    }
}
