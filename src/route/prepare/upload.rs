use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, request::Parts};
use http_body::Body;

use super::{Handle, Prepared, Sending};
use crate::{
    dialect::{self, Dialect, Endpoint, Located, Prompt, Unroutable},
    hints::{Deadline, Session, Shadowing, Task},
    route::{
        collect::{Collected, Collector},
        request_body::RequestBody,
    },
    router::{LONGEST_WAIT, Mode, Needs, OutcomeRouter, Passed},
    tasks::RequestFacts,
};

/// What was found in a request already, by whoever hands it on with its body as it was then.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "gateway"),
    allow(dead_code, reason = "only the gateway looks before routing does")
)]
pub(crate) struct Known {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) endpoint: Endpoint,
    pub(crate) located: Arc<Located>,
}

/// A request whose body is on its way.
pub(in crate::route) struct Upload<S, B: Body> {
    pub(in crate::route) handle: Handle<S>,
    pub(in crate::route) parts: Parts,
    pub(in crate::route) body: Collector<B>,
    pub(in crate::route) dialect: &'static dyn Dialect,
    pub(in crate::route) endpoint: Endpoint,
}

impl<S, B: Body<Data = Bytes>> Upload<S, B> {
    /// Looks at what was collected; `None` means more than the limit.
    pub(in crate::route) fn finish(
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
                let located = match parts.extensions.remove() {
                    Some(Known { located, .. }) => Ok(located),
                    None => locate(dialect, endpoint, &parts, chunks.make_contiguous()),
                };
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
                        let shadow_of = parts.extensions.get::<Shadowing>();
                        let shadow_of = shadow_of.map(|Shadowing(target)| *target);
                        let derived = rules.derive_sessions && !off && shadow_of.is_none();
                        let session_key = session_key(&parts, body, derived);
                        let prompt = Prompt::of(body, len);
                        let facts = Facts {
                            dialect,
                            endpoint,
                            parts: &parts,
                            located: &located,
                            body,
                            prompt,
                        };
                        let task = if off { None } else { facts.task(router) };
                        let needs = Needs {
                            prompt,
                            max_output_tokens: located.max_output_tokens,
                            images: rules.images_matter && dialect::has_images(body),
                            tools: located.tools,
                            json_mode: located.json_mode,
                            bound: located.bound
                                || rules.groups_differ && dialect::holds_state(body),
                            fields: located.fields.clone(),
                            operation: endpoint.operation,
                        };
                        let patience = parts.extensions.get::<Deadline>();
                        let patience = patience.map_or(LONGEST_WAIT, |deadline| deadline.0);
                        Sending::Routed(Box::new(Prepared {
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
                            needs,
                            shadow_of,
                            patience,
                            since: None,
                            place: None,
                        }))
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
    prompt: Prompt,
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
        facts.prompt_tokens = self.prompt.tokens;
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

pub(super) fn locate(
    dialect: &dyn Dialect,
    endpoint: Endpoint,
    parts: &Parts,
    chunks: &[Bytes],
) -> Result<Arc<Located>, Passed> {
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    dialect
        .locate(endpoint, target, content_type, chunks)
        .map(Arc::new)
        .map_err(|why| match why {
            Unroutable::ContentType => Passed::ContentType,
            Unroutable::NotJson => Passed::NotJson,
            Unroutable::NotForm => Passed::NotForm,
            Unroutable::TooDeep => Passed::TooDeep,
            Unroutable::NoModel => Passed::NoModel,
        })
}
