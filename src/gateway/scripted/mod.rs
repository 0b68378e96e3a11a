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
mod paced;
mod script;

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower::service_fn;

pub use self::script::Script;
use self::{
    answer::{Asked, completion, refusal},
    script::Fate,
};
use super::server::serve;

/// Enough for a demonstration of hours.
const REMEMBERED: usize = 65_536;
/// A scripted provider is asked for little.
const MAX_BODY: usize = 1024 * 1024;

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
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    start: Instant,
    level: f64,
    filled: Instant,
    calls: VecDeque<Answered>,
    number: u64,
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
            start,
            level: script.limit.map_or(0.0, |(_, burst)| burst),
            filled: start,
            calls: VecDeque::new(),
            number: 0,
        };
        let provider = Arc::new(Provider {
            script,
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

    /// Begins its script again, as if it had just been started. What it remembers stays.
    pub fn restart(&self) {
        let now = Instant::now();
        let mut state = self.provider.lock();
        state.start = now;
        state.filled = now;
        state.level = self.provider.script.limit.map_or(0.0, |(_, burst)| burst);
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
        let fate = self.admit(now, &mut limits);
        let status = match fate {
            Fate::Answered(..) => StatusCode::OK,
            Fate::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
            Fate::Refused(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        self.remember(Answered {
            at: now,
            model: asked.model.clone(),
            status,
            headers: parts.headers,
        });
        let mut response = match fate {
            Fate::Refused(wait) => {
                let message = "Rate limit reached for requests";
                let mut response = refusal(status, "rate_limit_exceeded", message);
                let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Fate::Failed(after) => {
                sleep(after).await;
                refusal(status, "server_error", "The server had an error")
            }
            Fate::Answered(after, writing) => {
                let whole = if asked.stream { after } else { after + writing };
                sleep(whole).await;
                completion(&asked, self.script.usage, writing)
            }
        };
        response.headers_mut().extend(limits);
        response
    }

    /// Takes a call in, and says what becomes of it.
    fn admit(&self, now: Instant, headers: &mut HeaderMap) -> Fate {
        let mut state = self.lock();
        let state = &mut *state;
        state.number += 1;
        let elapsed = now.saturating_duration_since(state.start);
        let fate = self.script.fate(elapsed, state.number);
        let (Some((rate, burst)), Fate::Answered(..)) = (self.script.limit, fate) else {
            return fate;
        };
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
        if admitted {
            return fate;
        }
        Fate::Refused(Duration::from_secs_f64((1.0 - state.level) / rate))
    }

    fn remember(&self, call: Answered) {
        let mut state = self.lock();
        if state.calls.len() == REMEMBERED {
            state.calls.pop_front();
        }
        state.calls.push_back(call);
    }
}
