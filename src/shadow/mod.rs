//! Sends a copy of some calls to another target, and keeps only how it went.
//!
//! A router knows little of targets that it does not pick. A shadow asks one of them the same thing
//! at the same time: its answer is read, judged, [checked](crate::checks) and dropped, its outcome
//! settled like any other. The caller's own call is neither delayed nor changed by it, and does not
//! fail with it.
//!
//! # When
//!
//! Before a new model is given traffic, or to keep the estimates of the second-best fresh without
//! ever serving a worse answer. It costs what the copies cost: one call in a hundred by default.
//! Put [`ShadowLayer`] between failover and routing, so that repeats are not copied, or directly
//! above routing where there is no failover:
//!
//! ```
//! use std::convert::Infallible;
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, service_fn};
//! use tower_outcome::{
//!     FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, RequestBody, ShadowLayer,
//! };
//! # type Body = http_body_util::Full<bytes::Bytes>;
//!
//! let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
//! let client = ServiceBuilder::new()
//!     .layer(FailoverLayer::new(router.clone()))
//!     .layer(ShadowLayer::new(router.clone()).percent(0.5)?)
//!     .layer(OutcomeRoutingLayer::new(router))
//!     .service(service_fn(|_: Request<RequestBody<RequestBody<RequestBody<Body>>>>| async {
//!         Ok::<_, Infallible>(Response::new(Body::default()))
//!     }));
//! # let _ = client;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is copied
//!
//! The first attempt of a call that routing has picked a target for, where another target of the
//! pool is free at that moment. Never a request with side effects (stored, in the background, tools
//! that run at the provider), with [`Strict`](crate::Strict) or [`Risk`](crate::Risk), one that
//! brings the results of tools, one of more than 4 MiB, or one of a pool that is only observed or
//! off. A copy is not repeated and waits for nobody: not for a target, and not for a service that
//! is not ready.
//!
//! It carries the extensions of the request, the caller's own with them, but belongs to a
//! [`Call`](crate::Call) of its own and to no [`Session`](crate::Session). Its
//! [`Reason`](crate::Reason) is `Shadow`.
//!
//! Copies run as tasks of the tokio runtime that polls the call; without one there are none. They
//! are cut off after a time limit, and when the last clone of the layer and its services is dropped.

mod budget;
mod future;
mod layer;
mod service;

pub use self::{future::ShadowFuture, layer::ShadowLayer, service::Shadow};
