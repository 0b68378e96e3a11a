//! The middleware: one call is one attempt is one outcome.
//!
//! [`OutcomeRouting`] reads the model that a request names, asks the router for a target, rewrites
//! the request, times the attempt through its future and its body, and settles exactly one outcome
//! into the router.
//!
//! # When
//!
//! Wrap the client of an LLM provider in it, inside of [`FailoverLayer`](crate::FailoverLayer) or
//! of a retry layer, outside of per-attempt timeouts, authentication and request signing. See
//! [`guide::layer_order`](crate::guide::layer_order).
//!
//! ```
//! use tower::{Layer, service_fn};
//! use tower_outcome::{OutcomeRouter, OutcomeRoutingLayer};
//! # use http::{Request, Response};
//! # type Body = http_body_util::Full<bytes::Bytes>;
//!
//! let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
//! let layer = OutcomeRoutingLayer::new(router);
//! let client = layer.layer(service_fn(|_: Request<tower_outcome::RequestBody<Body>>| async {
//!     Ok::<_, std::convert::Infallible>(Response::new(Body::default()))
//! }));
//! # let _ = client;
//! # Ok::<(), tower_outcome::BuildError>(())
//! ```

mod abridge;
mod attempt;
mod checking;
mod collect;
mod future;
mod hold;
mod inspect;
mod layer;
mod prepare;
mod refusal;
mod request_body;
mod response_body;
mod rewrite;
mod service;
mod shape;
mod signature;
mod span;
mod stall;
mod usage;
mod waiting;

pub(crate) use self::{
    collect::{Collected, Collector},
    inspect::inspect,
};
pub use self::{
    future::ResponseFuture, layer::OutcomeRoutingLayer, request_body::RequestBody,
    response_body::ResponseBody, service::OutcomeRouting,
};
#[cfg(feature = "gateway")]
pub(crate) use self::{
    prepare::{DryRun, Known},
    refusal::refuse,
    rewrite::readdress,
};
