//! Repeats a failed attempt on the next best target.
//!
//! # When
//!
//! Put [`FailoverLayer`] outside of [`OutcomeRoutingLayer`](crate::OutcomeRoutingLayer): it buffers
//! the body once, and every repeat comes back through routing, which knows what was tried. Those
//! who stack `tower::retry` or `tower::hedge` themselves put a [`CallLayer`] above it, so that the
//! attempts of one call know of each other, and may use [`RetryPolicy`].
//!
//! ```
//! use std::time::Duration;
//! use tower::ServiceBuilder;
//! use tower_outcome::{FailoverLayer, OutcomeRouter, OutcomeRoutingLayer};
//!
//! let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
//! let stack = ServiceBuilder::new()
//!     .layer(FailoverLayer::new(router.clone()).deadline(Duration::from_secs(60)))
//!     .layer(OutcomeRoutingLayer::new(router));
//! # let _ = stack;
//! # Ok::<(), tower_outcome::BuildError>(())
//! ```

mod budget;
mod call;
mod future;
mod kept;
mod layer;
mod policy;
mod rules;
mod service;

pub use self::{
    call::{CallLayer, CallService},
    future::FailoverFuture,
    layer::FailoverLayer,
    policy::RetryPolicy,
    rules::Replay,
    service::Failover,
};
