//! A provider that follows a script, on a loopback port: for demonstrations and tests.
//!
//! It answers chat completions in the OpenAI format, streamed or not, limits rates as a provider
//! does, with the same headers, and remembers when it was called.
//!
//! ```
//! use std::time::Duration;
//! use tower_outcome::gateway::scripted::{Script, Scripted};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let walled = Scripted::start(Script::new().wall(Duration::from_secs(2))).await?;
//! // ... point an upstream at walled.base_url() ...
//! assert!(walled.calls().is_empty());
//! # Ok(())
//! # }
//! ```

mod answer;

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower::service_fn;

use self::answer::{completion, refusal};
use super::server::serve;

/// Enough for a demonstration of hours.
const REMEMBERED: usize = 65_536;
/// A scripted provider is asked for little.
const MAX_BODY: usize = 1024 * 1024;

/// What a [`Scripted`] provider does.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Script {
    latency: Duration,
    slow: Option<(Range<Duration>, Duration)>,
    limit: Option<(f64, f64)>,
    wall: Option<(Range<Duration>, Duration)>,
}

impl Script {
    /// Answers everything at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long an answer takes.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Lets answers take longer and longer during a time counted from the start, up to `worst` at
    /// its end.
    pub fn slow(mut self, during: Range<Duration>, worst: Duration) -> Self {
        self.slow = Some((during, worst));
        self
    }

    /// Limits the rate by a token bucket, and tells in `x-ratelimit` headers what is left of it.
    pub fn limit(mut self, per_second: f64, burst: u32) -> Self {
        self.limit = Some((per_second.max(f64::MIN_POSITIVE), f64::from(burst)));
        self
    }

    /// Answers everything with a 429 and this `Retry-After`, in whole seconds.
    pub fn wall(self, retry_after: Duration) -> Self {
        self.wall_during(Duration::ZERO..Duration::MAX, retry_after)
    }

    /// Does so during a time counted from the start, without any warning before it.
    pub fn wall_during(mut self, during: Range<Duration>, retry_after: Duration) -> Self {
        self.wall = Some((during, retry_after));
        self
    }
}

/// One call that a [`Scripted`] provider answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// When the call came.
    pub at: Instant,
    /// The model it named.
    pub model: String,
    /// What it was answered.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

/// A provider on a loopback port, until dropped.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    provider: Arc<Provider>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Debug)]
struct Provider {
    script: Script,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    level: f64,
    filled: Instant,
    calls: VecDeque<Answered>,
}

#[derive(Deserialize)]
struct Asked {
    model: String,
    #[serde(default)]
    stream: bool,
}

impl Scripted {
    /// Starts a provider on a free port.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let start = Instant::now();
        let state = State {
            level: script.limit.map_or(0.0, |(_, burst)| burst),
            filled: start,
            calls: VecDeque::new(),
        };
        let provider = Arc::new(Provider {
            script,
            start,
            state: Mutex::new(state),
        });
        let shared = provider.clone();
        let service = service_fn(move |request| {
            let provider = shared.clone();
            async move { Ok::<_, Infallible>(provider.answer(request).await) }
        });
        let server = tokio::spawn(serve(listener, service, std::future::pending()));
        Ok(Self {
            address,
            provider,
            server,
        })
    }

    /// Returns the base URL, as an SDK takes it.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns the calls so far, the latest 65,536 of them.
    #[must_use]
    pub fn calls(&self) -> Vec<Answered> {
        self.provider.lock().calls.iter().cloned().collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let now = Instant::now();
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, MAX_BODY)
            .await
            .unwrap_or_default();
        let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
            return refusal(StatusCode::BAD_REQUEST, "invalid_request_error", "no model");
        };
        let mut limits = HeaderMap::new();
        let wait = self.admit(now, &mut limits);
        let status = match wait {
            None => StatusCode::OK,
            Some(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        self.remember(Answered {
            at: now,
            model: asked.model.clone(),
            status,
            headers: parts.headers,
        });
        let mut response = match wait {
            Some(wait) => {
                let message = "Rate limit reached for requests";
                let mut response = refusal(status, "rate_limit_exceeded", message);
                let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            None => {
                sleep(self.latency(now)).await;
                completion(&asked.model, asked.stream)
            }
        };
        response.headers_mut().extend(limits);
        response
    }

    /// Takes a call in, or returns how long it should wait.
    fn admit(&self, now: Instant, headers: &mut HeaderMap) -> Option<Duration> {
        let elapsed = now.saturating_duration_since(self.start);
        if let Some((during, retry_after)) = &self.script.wall
            && during.contains(&elapsed)
        {
            return Some(*retry_after);
        }
        let (rate, burst) = self.script.limit?;
        let mut state = self.lock();
        let filled = now.saturating_duration_since(state.filled).as_secs_f64() * rate;
        state.level = (state.level + filled).min(burst);
        state.filled = now;
        let admitted = state.level >= 1.0;
        if admitted {
            state.level -= 1.0;
        }
        let until_full = (burst - state.level) / rate;
        for (name, value) in [
            ("x-ratelimit-limit-requests", format!("{burst}")),
            (
                "x-ratelimit-remaining-requests",
                format!("{}", state.level.floor()),
            ),
            (
                "x-ratelimit-reset-requests",
                format!("{:.0}ms", until_full * 1000.0),
            ),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        (!admitted).then(|| Duration::from_secs_f64((1.0 - state.level) / rate))
    }

    fn latency(&self, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.start);
        let Some((during, worst)) = &self.script.slow else {
            return self.script.latency;
        };
        if !during.contains(&elapsed) {
            return self.script.latency;
        }
        let share = (elapsed - during.start).as_secs_f64()
            / (during.end - during.start)
                .as_secs_f64()
                .max(f64::MIN_POSITIVE);
        self.script.latency + worst.mul_f64(share)
    }

    fn remember(&self, call: Answered) {
        let mut state = self.lock();
        if state.calls.len() == REMEMBERED {
            state.calls.pop_front();
        }
        state.calls.push_back(call);
    }
}
