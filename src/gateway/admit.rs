use std::{
    borrow::Cow,
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body as _;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

use super::{
    access::{Access, Caller},
    budget::{Budget, Exhausted, Share},
    decode::{Coding, DecodeError},
    feedback::ResponseIds,
    headers::Names,
    idle::IdleBody,
    models::Catalog,
    refuse::{closed, dialect_of, out_of_memory, refuse, unknown_model, unknown_path},
    shed::Places,
    upstreams::Inbound,
};
use crate::{
    dialect::{self, Dialect, Endpoint, Located, Unroutable, json},
    route::{Collected, Collector, Known, RequestBody, inspect, reframe},
    router::{OutcomeRouter, Passed},
};

/// A caller whose body takes this long in all would fail its own timeout.
const UPLOAD: Duration = Duration::from_secs(300);
/// A body this short is decoded in no time, whatever it expands to.
const DECODED_HERE: usize = 512;

/// The answer to a request that is not let in. Boxed, as it is rare and large.
type Refused = Box<Response<Body>>;

/// What is let in.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) router: OutcomeRouter,
    /// Whether there is an upstream for what is not routed.
    pub(super) fallback: bool,
    pub(super) pass_unknown_models: bool,
    pub(super) headers: Names,
    pub(super) access: Access,
    pub(super) catalog: Catalog,
    /// By which the answers of providers are known to those who give feedback.
    pub(super) responses: ResponseIds,
    /// How long a call may take to begin its last attempt.
    pub(super) deadline: Duration,
    /// Bounds how many requests are under way.
    pub(super) places: Places,
    /// A caller that sends nothing of its body for as long is gone, or means harm.
    pub(super) body_idle_timeout: Duration,
    /// Bounds how many bodies are decoded at a time.
    pub(super) decoders: Arc<Semaphore>,
    /// Bounds what the collected bodies of all requests take.
    pub(super) budget: Budget,
}

/// A request that is let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) request: Request<Inbound>,
    /// What it asks for, if it is to be routed.
    pub(super) located: Option<Arc<Located>>,
    /// What its body takes of the memory.
    pub(super) share: Option<Share>,
}

/// A request to an inference endpoint.
struct Call {
    dialect: &'static dyn Dialect,
    endpoint: Endpoint,
}

impl Rules {
    /// Decides whether a request goes on; whole and decoded if it is to be routed.
    pub(super) async fn admit(
        &self,
        parts: Parts,
        body: Body,
        caller: Caller<'_>,
    ) -> Result<Admitted, Refused> {
        let detected = (parts.method == Method::POST)
            .then(|| dialect::detect(parts.uri.path()))
            .flatten();
        let Some((dialect, endpoint)) = detected else {
            let path = parts.uri.path();
            if !self.fallback {
                return Err(unknown_path(&parts.headers, &parts.method, path).into());
            }
            if !caller.opens_all() {
                let dialect = dialect_of(&parts.headers);
                return Err(closed(dialect, &parts.method, path).into());
            }
            if !is_plain(path) {
                let message = "The path can be read in more than one way.";
                let dialect = dialect_of(&parts.headers);
                return Err(refuse(dialect, StatusCode::BAD_REQUEST, message).into());
            }
            let body = Body::new(IdleBody::new(body, self.body_idle_timeout));
            return Ok(Admitted {
                request: Request::from_parts(parts, RequestBody::untouched(body)),
                located: None,
                share: None,
            });
        };
        Call { dialect, endpoint }
            .admit(self, parts, body, caller)
            .await
    }

    /// Whether a model is served to a caller.
    fn serves(&self, model: &str, caller: Caller<'_>) -> bool {
        match self.router.pool_of(model) {
            Some(pool) => caller.opens(pool),
            None => self.pass_unknown_models && caller.opens_all(),
        }
    }
}

impl Call {
    async fn admit(
        &self,
        rules: &Rules,
        mut parts: Parts,
        body: Body,
        caller: Caller<'_>,
    ) -> Result<Admitted, Refused> {
        let max_body = rules.router.max_body();
        let coding = Coding::of(&parts.headers);
        parts.headers.remove(header::CONTENT_ENCODING);
        match inspect(&parts, &body.size_hint(), &rules.router) {
            Ok(_) => {}
            Err(Passed::TooLarge) => return Err(self.too_large(max_body)),
            Err(Passed::Signed) => {
                let message = "A signed request cannot be routed: its model may have to change.";
                return Err(self.refuse(StatusCode::BAD_REQUEST, message));
            }
            Err(_) => {
                let message = "The content-type must be application/json, or that of a form where the \
                               endpoint takes one.";
                return Err(self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
            }
        }
        let coding = coding.map_err(|_| {
            let message = "The content-encoding must be one of gzip, deflate, br and zstd.";
            self.refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        })?;
        let mut share = rules.budget.share();
        let mut chunks = self.collect(body, rules, &mut share).await?;
        if let Some(coding) = coding {
            let decoded = self.decode(coding, chunks, rules, &mut share).await?;
            chunks = VecDeque::from([decoded]);
        }
        let located = self.locate(&parts, chunks.make_contiguous())?;
        let model = &located.model;
        if !rules.serves(model, caller) {
            let served = rules.catalog.names(caller);
            return Err(unknown_model(self.dialect, model, served).into());
        }
        let located = Arc::new(located);
        parts.extensions.insert(Known {
            dialect: self.dialect,
            endpoint: self.endpoint,
            located: located.clone(),
        });
        // The body has its true length from here on, and no trailers.
        let len = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        reframe(&mut parts.headers, len, false);
        parts.headers.remove(header::TRAILER);
        Ok(Admitted {
            request: Request::from_parts(parts, RequestBody::whole(chunks, None)),
            located: Some(located),
            share: Some(share),
        })
    }

    async fn collect(
        &self,
        body: Body,
        rules: &Rules,
        share: &mut Share,
    ) -> Result<VecDeque<Bytes>, Refused> {
        let max_body = rules.router.max_body();
        let mut collector = Collector::new(body, max_body);
        // One timer, set forward with each part.
        let now = Instant::now();
        let end = now + UPLOAD;
        let idle = |now: Instant| end.min(now + rules.body_idle_timeout);
        let mut patience = pin!(sleep_until(idle(now)));
        loop {
            let seen = collector.len();
            let progress = poll_fn(|cx| match collector.poll(cx) {
                Poll::Ready(collected) => Poll::Ready(Ok(Some(collected))),
                Poll::Pending if collector.len() > seen => Poll::Ready(Ok(None)),
                Poll::Pending => patience.as_mut().poll(cx).map(Err),
            })
            .await;
            // What is announced is not yet here, and may never be.
            share
                .resize(collector.len())
                .map_err(|Exhausted| self.out_of_memory())?;
            match progress {
                Ok(None) => patience.as_mut().reset(idle(Instant::now())),
                Ok(Some(Ok(Collected::Whole { chunks, .. }))) => return Ok(chunks),
                Ok(Some(Err(_) | Ok(Collected::TooLarge { .. }))) => {
                    return Err(self.too_large(max_body));
                }
                Ok(Some(Ok(Collected::Failed { .. }))) => {
                    let message = "The body ended before its end.";
                    return Err(self.refuse(StatusCode::BAD_REQUEST, message));
                }
                Err(()) => return Err(self.too_slow()),
            }
        }
    }

    async fn decode(
        &self,
        coding: Coding,
        chunks: VecDeque<Bytes>,
        rules: &Rules,
        share: &mut Share,
    ) -> Result<Bytes, Refused> {
        let limit = rules.router.max_body();
        let len: usize = chunks.iter().map(Bytes::len).sum();
        // Never closed; and a permit less would only mean more work at a time.
        let _permit = match len {
            ..=DECODED_HERE => None,
            _ => rules.decoders.acquire().await.ok(),
        };
        share
            .resize(len.saturating_add(Coding::most(len, limit)))
            .map_err(|Exhausted| self.out_of_memory())?;
        let decoded = if len <= DECODED_HERE {
            coding.decode(chunks, limit)
        } else {
            spawn_blocking(move || coding.decode(chunks, limit))
                .await
                .unwrap_or(Err(DecodeError::Malformed))
        };
        let decoded = decoded.map_err(|error| match error {
            DecodeError::TooLarge => self.too_large(limit),
            DecodeError::Malformed => {
                let message = "The body is not what its content-encoding says.";
                self.refuse(StatusCode::BAD_REQUEST, message)
            }
        })?;
        share
            .resize(decoded.len())
            .map_err(|Exhausted| self.out_of_memory())?;
        Ok(decoded)
    }

    fn locate(&self, parts: &Parts, chunks: &[Bytes]) -> Result<Located, Refused> {
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        self.dialect
            .locate(self.endpoint, target, content_type, chunks)
            .map_err(|why| {
                let message = match why {
                    Unroutable::TooDeep => "The body is nested deeper than 128 levels.".into(),
                    Unroutable::NoModel => {
                        "The request names no model: \"model\" must be a string.".into()
                    }
                    Unroutable::ContentType | Unroutable::NotJson => no_object(chunks),
                    Unroutable::NotForm => {
                        "The body must be a form, as its content type says.".into()
                    }
                };
                self.refuse(StatusCode::BAD_REQUEST, &message)
            })
    }

    fn too_large(&self, max_body: usize) -> Refused {
        let message = format!(
            "The body is too large, or in too many pieces: at most {max_body} bytes are taken."
        );
        self.refuse(StatusCode::PAYLOAD_TOO_LARGE, &message)
    }

    fn out_of_memory(&self) -> Refused {
        out_of_memory(self.dialect).into()
    }

    fn too_slow(&self) -> Refused {
        let message = "The body did not arrive in time.";
        self.refuse(StatusCode::REQUEST_TIMEOUT, message)
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Refused {
        refuse(self.dialect, status, message).into()
    }
}

/// Says what keeps a body from being a JSON object, and where, without a word of it.
fn no_object(chunks: &[Bytes]) -> Cow<'static, str> {
    let len: usize = chunks.iter().map(Bytes::len).sum();
    if len == 0 {
        return "The body is empty: it must be a JSON object.".into();
    }
    match json::members(chunks).find_map(Result::err) {
        Some(error) if error.offset() >= len => {
            format!("The body must be a JSON object: it is cut short, after {len} bytes.").into()
        }
        Some(error) => {
            let offset = error.offset();
            format!("The body must be a JSON object: it is none at byte {offset}.").into()
        }
        None => "The body must be a JSON object.".into(),
    }
}

/// Whether all servers in a row take a path for the same: what one resolves or unescapes, another may
/// have let pass.
pub(super) fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let escapes = ["%2f", "%5c", "\\"].iter().any(|it| lower.contains(it));
    // Some servers count what follows a semicolon not to the segment.
    let dots = lower.replace("%2e", ".").split('/').any(|segment| {
        let name = segment.split(';').next().unwrap_or_default();
        matches!(name, "." | "..")
    });
    path.starts_with('/') && !escapes && !dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f21_paths_that_can_be_read_in_two_ways_are_told() {
        for path in [
            "/",
            "/v1/files",
            "/v1/files/a.b..c",
            "/v1/files/...",
            "/a%20b//c",
        ] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "",
            "*",
            "v1/files",
            "/v1/../admin",
            "/v1/.",
            "/v1/%2e%2E/admin",
            "/v1/.%2e",
            "/v1/..;x/admin",
            "/v1%2Fadmin",
            "/v1%5cadmin",
            "/v1\\admin",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
