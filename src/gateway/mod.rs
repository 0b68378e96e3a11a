//! A gateway: the router behind an HTTP address, for everyone who speaks HTTP.
//!
//! [`Gateway`] is a tower service that stacks failover, routing and a client. It can be mounted in
//! any axum application; [`serve`] gives it a server of its own. [`Admin`] shows what it does, on a
//! listener of its own, and lets whoever runs it interfere.
//!
//! What it serves:
//!
//! * a POST to an inference path (`/v1/chat/completions`, `/v1/messages`, ...) is routed, after it
//!   was checked: a body that is too large, malformed, badly compressed or that names no served
//!   model is refused in the caller's dialect;
//! * `GET /v1/models` lists what may be named as a model, and says if other models pass, too;
//!   `POST /outcome/feedback` takes in how good an answer was; `GET /healthz` says that it is alive, and `GET /readyz` whether it goes on taking requests: 503
//!   while its server stops;
//! * everything else goes to the default upstream if there is one, else it is a 404; by the methods
//!   GET, HEAD, POST, PUT, PATCH and DELETE only, and never what is inference but cannot be read.
//!
//! # Headers
//!
//! Who served, and why, stands in the answer's headers:
//!
//! | header | |
//! |---|---|
//! | `x-outcome-requested-model` | the model that was asked for |
//! | `x-outcome-model` | the one that answered |
//! | `x-outcome-target` | its target |
//! | `x-outcome-reason` | why that: `preferred`, or what stood against the one before it |
//! | `x-outcome-attempts` | how many attempts it took |
//! | `x-outcome-id` | by which it can be scored |
//! | `x-outcome-overhead-us` | microseconds that the gateway worked on it; on every answer |
//! | `x-outcome-explanation` | the whole decision, where that was asked for |
//!
//! The overhead is the time for which the request was worked on from when its head was there until the
//! head of the answer was given back. Waiting is none of it: for the rest of the request, for upstreams,
//! for a target that is free. Nor is the reading and writing of sockets, which goes on beside, or the
//! decompression of larger bodies, which has threads of its own.
//!
//! A caller may give hints in headers, too:
//!
//! | header | hint |
//! |---|---|
//! | `x-outcome-task` | [`Task`](crate::Task): what kind of work it is |
//! | `x-outcome-tenant` | [`Tenant`](crate::Tenant): who it is for |
//! | `x-outcome-session` | [`Session`](crate::Session): which conversation it belongs to |
//! | `x-outcome-risk: 1` | [`Risk`](crate::Risk): nothing is tried out on it |
//! | `x-outcome-strict: 1` | [`Strict`](crate::Strict): no other model than the requested one will do |
//! | `x-outcome-deadline-ms` | [`Deadline`](crate::Deadline), from when the body is there; at most the gateway's own |
//! | `x-outcome-explain: 1` | [`Explain`](crate::Explain): the answer says why |
//! | `x-outcome-pin` | [`Candidates::one`](crate::Candidates::one): the target, or its model; where [trusted](Headers::trust) |
//! | `x-outcome-exclude` | [`Candidates::except`](crate::Candidates::except): with commas between them; where [trusted](Headers::trust), and nothing is pinned |
//!
//! Names have 1 to 256 visible characters; a hint that cannot be read, or is not trusted, is ignored. A
//! pin that is no target of the pool is answered 400. What middleware of yours puts into the request's
//! extensions wins. What [begins](Headers::prefix) with `x-outcome-` goes no further, in either
//! direction, known or not.
//!
//! # Client keys
//!
//! With [client keys](Builder::client_keys) every request must bring one, in place of the provider's API
//! key; `GET /healthz` and `GET /readyz` alone need none. A pool that is closed to a key is not there for
//! it: it is in no list, and its models are answered 404, as unknown ones are. What a key may spend in a
//! day is [counted](ClientKey::daily_dollars) as calls end; from then on it is answered 429, with
//! `x-should-retry: false`.
//!
//! # Feedback
//!
//! `POST /outcome/feedback` takes JSON: `{"id": "...", "score": 0.9}`, with a score from 0 to 1, or
//! `{"id": "...", "success": true}`; beside them a `"reason"` of up to 1024 bytes, which is neither kept
//! nor logged above the level `trace`; or a list of up to 100 of these. The id is that of
//! `x-outcome-id`, or what the provider calls the answer in its body (`chatcmpl-...`, `msg_...`,
//! `resp_...`, Gemini's `responseId`): the latter is known to the client key that made the call, for the
//! last 16,384 answers. An id that is not known is answered 404, and a mistake 400, with its place; then
//! nothing of the request is taken in. Late feedback is fine, and later feedback replaces earlier.
//!
//! Where several gateways [share](Gateway::share) what they learn, the id of `x-outcome-id` will do at any
//! of them: what is of another one's answer is passed on to it, and answered 202 with `"passed_on": true`,
//! since only that one knows if it is not too long ago. Where too much waits to be passed on, it is answered
//! 503. What the provider calls the answer is known to the one alone that gave it, and 404 elsewhere.
//!
//! # Several gateways
//!
//! They [share](Gateway::share) what they learn where their configurations name a server under `[store]`:
//! a `url` of Redis or Valkey, and a secret that all of them have and nobody else. What one learns of a
//! limit or a failure the others know about a quarter of a second later. No request waits for the server;
//! [`fleet`](crate::guide::fleet) tells what is shared, and what happens when the server is away. Another
//! store is handed in by code.
//!
//! The secret keeps names out of the server: they stand there as hashes. It is apart from the server's
//! password so that this can be changed without what is learned losing its names.
//!
//! # What it promises
//!
//! Where a request goes is chosen by configuration alone, and no credential of a caller is passed on. Web pages are no callers:
//! answers carry no CORS headers, and [`Server`] refuses what browsers send for pages of other hosts.
//!
//! ```
//! use axum::Router;
//! use tower_outcome::{Credential, OutcomeRouter, Pool, Target, Upstream, gateway::Gateway};
//!
//! # fn key() -> &'static str { "key" }
//! let openai = Upstream::new("https://api.openai.com/v1")?.credential(Credential::new(key())?);
//! let pool = Pool::new("chat")
//!     .target(Target::new("gpt-4o").upstream(openai.clone()))
//!     .target(Target::new("gpt-4o-mini").upstream(openai));
//! let router = OutcomeRouter::builder().pool(pool).build()?;
//!
//! let gateway = Gateway::builder(router).build()?;
//! let app: Router = Router::new().nest("/llm", gateway.into_router());
//! # Ok::<(), tower_outcome::BuildError>(())
//! ```

mod access;
mod admin;
mod admit;
mod budget;
mod builder;
mod connect;
mod decode;
mod demo;
mod ending;
mod feedback;
mod guard;
mod headers;
mod idle;
mod join;
mod keep;
mod models;
mod refuse;
mod reload;
pub mod scripted;
mod server;
mod service;
mod share;
mod shed;
#[cfg(feature = "otlp")]
mod traces;
mod tunnel;
mod upstreams;
mod watch;
mod written;

#[cfg(feature = "otlp")]
pub use self::traces::{Traces, TracesError};
pub use self::{
    access::{ClientKey, Spending, Spent},
    admin::Admin,
    builder::Builder,
    demo::Demo,
    headers::{Headers, Hint, Trust},
    keep::open_state,
    reload::{Loaded, Reload},
    server::{Server, serve, shutdown_signal},
    service::{Gateway, GatewayFuture},
    share::open_sharing,
    watch::{Story, Watch},
};
