//! A gateway: the router behind an HTTP address, for everyone who speaks HTTP.
//!
//! [`Gateway`] is a tower service that stacks failover, routing and a client. It can be mounted in
//! any axum application; [`serve`] gives it a server of its own.
//!
//! What it serves:
//!
//! * a POST to an inference path (`/v1/chat/completions`, `/v1/messages`, ...) is routed, after it
//!   was checked: a body that is too large, malformed, badly compressed or that names no served
//!   model is refused in the caller's dialect;
//! * `GET /v1/models` lists what may be named as a model, `GET /healthz` says that it is alive;
//! * everything else goes to the default upstream if there is one, else it is a 404; by the methods
//!   GET, HEAD, POST, PUT, PATCH and DELETE only, and never what is inference but cannot be read.
//!
//! Who served, and why, stands in the answer's `x-outcome-*` headers. A caller may give hints in
//! headers, too, which go no further than here:
//!
//! | header | hint |
//! |---|---|
//! | `x-outcome-task` | [`Task`](crate::Task): what kind of work it is |
//! | `x-outcome-tenant` | [`Tenant`](crate::Tenant): who it is for |
//! | `x-outcome-session` | [`Session`](crate::Session): which conversation it belongs to |
//! | `x-outcome-risk: 1` | [`Risk`](crate::Risk): nothing is tried out on it |
//! | `x-outcome-explain: 1` | [`Explain`](crate::Explain): the answer says why in `x-outcome-explanation` |
//!
//! Names have 1 to 256 visible characters; a hint that cannot be read is ignored. What middleware of
//! yours puts into the request's extensions wins.
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

mod admit;
mod budget;
mod builder;
mod connect;
mod decode;
mod demo;
mod guard;
mod headers;
mod idle;
mod models;
mod refuse;
mod reload;
pub mod scripted;
mod server;
mod service;
mod upstreams;

pub use self::{
    builder::Builder,
    demo::Demo,
    reload::{Loaded, Reload},
    server::{Server, serve, shutdown_signal},
    service::{Gateway, GatewayFuture},
};
