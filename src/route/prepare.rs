use std::{
    borrow::Cow,
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
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
    attempt::{Attempt, Checking},
    collect::{Collected, Collector},
    refusal::refuse,
    request_body::RequestBody,
    rewrite,
    waiting::{Place, Waiting},
};
use crate::{
    dialect::{self, Dialect, Endpoint, Located, Unroutable},
    hints::{
        Call, Candidates, Deadline, Explain, HoldBack, Mark, Risk, Session, Shadowing, Strict,
        Task, Tenant,
    },
    router::{
        Decision, LONGEST_WAIT, Mode, NobodyFree, OutcomeRouter, Passed, PickRequest, PoolRules,
        Reason, TargetId, Ticket, Unavailable, after,
    },
    tasks::RequestFacts,
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
    /// What kind of work it is, where the caller did not say.
    task: Option<Cow<'static, str>>,
    session_key: Option<u64>,
    /// The copy of a call, whose answer nobody reads.
    is_shadow: bool,
    patience: Duration,
    /// Set at the first pick.
    since: Option<Instant>,
    /// A place among those that wait, once one was needed; kept until the request goes out.
    place: Option<Place>,
}

/// A request that is ready to go out.
#[allow(
    clippy::large_enum_variant,
    reason = "made once per call and moved on at once; a box would be an allocation on every call"
)]
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
                        let body = &*chunks.make_contiguous();
                        let off = rules.mode == Mode::Off;
                        // A copy is no step of its conversation.
                        let is_shadow = parts.extensions.get::<Shadowing>().is_some();
                        let derived = rules.derive_sessions && !off && !is_shadow;
                        let session_key = session_key(&parts, body, derived);
                        let facts = Facts {
                            dialect,
                            endpoint,
                            parts: &parts,
                            located: &located,
                            body,
                            len,
                        };
                        let task = if off { None } else { facts.task(router) };
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
                            task,
                            session_key,
                            is_shadow,
                            patience,
                            since: None,
                            place: None,
                        })
                    }
                    Err(why) => untouched(handle, parts, why, RequestBody::whole(chunks, trailers)),
                }
            }
        }
    }
}

/// Returns the session of a request, by the caller's word or else, where that is wanted, by what it
/// says itself.
fn session_key(parts: &Parts, body: &[Bytes], derived: bool) -> Option<u64> {
    match parts.extensions.get::<Session>() {
        Some(session) => Some(dialect::stable_hash(session.as_str().as_bytes())),
        None if derived => dialect::session_key(body),
        None => None,
    }
}

/// What is known of a request that was read.
struct Facts<'a> {
    dialect: &'static dyn Dialect,
    endpoint: Endpoint,
    parts: &'a Parts,
    located: &'a Located,
    body: &'a [Bytes],
    len: usize,
}

impl Facts<'_> {
    /// Asks the classifier of tasks, unless the caller named one. Its panic is its own: the request
    /// then has none.
    fn task(&self, router: &OutcomeRouter) -> Option<Cow<'static, str>> {
        let extensions = &self.parts.extensions;
        let classifier = router.tasks()?;
        if extensions.get::<Task>().is_some() {
            return None;
        }
        let located = self.located;
        let mut facts = RequestFacts::new(
            self.endpoint.kind,
            &located.model,
            &self.parts.headers,
            extensions,
        );
        facts.dialect = self.dialect.name();
        facts.prompt_tokens = prompt_tokens(self.len);
        facts.max_output_tokens = located.max_output_tokens;
        facts.tools = located.tools;
        facts.tool_loop = located.tool_loop;
        facts.images = dialect::has_images(self.body);
        facts.json_mode = located.json_mode;
        facts.stream = located.stream;
        let task = catch_unwind(AssertUnwindSafe(|| classifier.classify(&facts)));
        task.unwrap_or_else(|_| {
            router.counters().task_panicked();
            None
        })
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
        let since = *self.since.get_or_insert(now);
        let give_up = after(since, self.patience);
        let (unavailable, decision) = match self.pick(router, now) {
            Ok(ticket) => return self.send(router, ticket),
            Err(refused) => refused,
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
        if !self.is_shadow {
            router.counters().refused();
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
        router.pick_or_tell(&self.request(&tried).elapsed(elapsed), now)
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
            .shadow(self.is_shadow)
            .dialect(self.dialect.name())
            .lengths((prompt_tokens(self.len), self.located.max_output_tokens));
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
                routed.model(),
                routed.upstream().map(|upstream| &**upstream),
            );
        }
        let uri = self.parts.uri.clone();
        let attempt = Attempt::begin(
            router,
            ticket,
            call.map(|call| (call, mark)),
            self.task.take(),
            uri,
            self.dialect,
            checking,
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

/// A rough count of the tokens of a prompt: four bytes each.
fn prompt_tokens(len: usize) -> u64 {
    len as u64 / 4
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use serde_json::json;

    use super::*;
    use crate::{
        dialect::stable_hash,
        router::Pool,
        tasks::{ByShape, ClassifyTask},
    };

    fn prepared(router: &OutcomeRouter, request: Request<serde_json::Value>) -> Prepared<()> {
        let (parts, body) = request.into_parts();
        let (dialect, endpoint) = dialect::detect(parts.uri.path()).unwrap();
        let body = Bytes::from(body.to_string());
        let upload = Upload {
            handle: Handle {
                service: (),
                ready: true,
            },
            parts,
            body: Collector::new(Full::<Bytes>::default(), 0),
            dialect,
            endpoint,
        };
        let collected = Collected::Whole {
            len: body.len(),
            chunks: [body].into(),
            trailers: None,
        };
        match upload.finish(Some(collected), router) {
            Sending::Routed(prepared) => prepared,
            Sending::Untouched { request, .. } => panic!("{request:?}"),
        }
    }

    fn request(body: serde_json::Value) -> Request<serde_json::Value> {
        let request = Request::post("/v1/chat/completions");
        let request = request.header("content-type", "application/json");
        request.body(body).unwrap()
    }

    #[derive(Debug)]
    struct Panics;

    impl ClassifyTask for Panics {
        fn classify(&self, _: &RequestFacts<'_>) -> Option<Cow<'static, str>> {
            panic!("scripted")
        }
    }

    #[test]
    fn the_classifier_sees_the_facts_and_a_task_of_the_caller_wins() {
        let router = OutcomeRouter::builder().model("a").tasks(ByShape);
        let router = router.build().unwrap();
        let mut asked = request(json!({
            "model": "a",
            "tools": [{"type": "function"}],
            "response_format": {"type": "json_object"},
            "messages": [{"role": "user", "content": [{"type": "image_url"}]}],
        }));
        let prepared_by_shape = prepared(&router, asked.clone());
        assert_eq!(prepared_by_shape.task(), Some("chat+tools+images+json"));
        asked.extensions_mut().insert(Task::new("mine"));
        asked.extensions_mut().insert(Tenant::new("acme"));
        let prepared = prepared(&router, asked);
        let picked = prepared.request(&[]);
        assert_eq!((picked.task, picked.tenant), (Some("mine"), Some("acme")));
    }

    #[test]
    fn without_a_classifier_there_is_no_task() {
        let router = OutcomeRouter::builder().model("a").build().unwrap();
        let prepared = prepared(&router, request(json!({"model": "a"})));
        assert_eq!(prepared.request(&[]).task, None);
        assert_eq!(prepared.request(&[]).tenant, None);
    }

    #[test]
    fn a_panic_of_the_classifier_is_caught_and_counted() {
        let router = OutcomeRouter::builder().model("a").tasks(Panics);
        let router = router.build().unwrap();
        let prepared = prepared(&router, request(json!({"model": "a"})));
        assert_eq!(prepared.task(), None);
        assert_eq!(router.snapshot().counts.task_panics, 1);
    }

    #[test]
    fn a_session_is_named_or_derived_where_that_is_wanted() {
        let router = OutcomeRouter::builder()
            .model("a")
            .pool(Pool::new("sticky").model("b").derive_sessions(true))
            .build()
            .unwrap();
        let body = |model| json!({"model": model, "prompt_cache_key": "k"});
        let key = |request| prepared(&router, request).request(&[]).session_key;
        assert_eq!(key(request(body("a"))), None);
        assert_eq!(key(request(body("b"))), Some(stable_hash(b"k")));
        for model in ["a", "b"] {
            let mut named = request(body(model));
            named.extensions_mut().insert(Session::new("s"));
            assert_eq!(key(named), Some(stable_hash(b"s")));
        }
    }

    #[test]
    fn a_tool_loop_is_passed_on() {
        let router = OutcomeRouter::builder().model("a").build().unwrap();
        let asked = |role| {
            let messages = json!([{"role": role, "content": "1"}]);
            json!({"model": "a", "messages": messages, "tools": [{"type": "function"}]})
        };
        let tool_loop = |role| {
            prepared(&router, request(asked(role)))
                .request(&[])
                .tool_loop
        };
        assert!(tool_loop("tool"));
        assert!(!tool_loop("user"));
    }
}
