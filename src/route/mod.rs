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
//!
//! # Spans
//!
//! Every attempt is a `tracing` span named `attempt`, of the level `info` and the target
//! `tower_outcome::route::span`, from its pick to the end of its answer. The client below is called
//! and polled inside of it, so that spans of its own nest. The fields have the names of
//! OpenTelemetry's conventions for generative AI; what routing adds is under `outcome.`. What was
//! asked and answered is never part of it, and where nobody listens, it costs nothing.
//!
//! | field | |
//! |---|---|
//! | `otel.name`, `otel.kind` | `{operation} {model}`, `client` |
//! | `otel.status_code` | `ERROR` where the attempt failed |
//! | `gen_ai.operation.name` | such as `chat` or `embeddings` |
//! | `gen_ai.provider.name` | such as `openai` or `aws.bedrock` |
//! | `gen_ai.request.model` | the model that the provider is asked for |
//! | `gen_ai.request.stream` | whether the answer is to be streamed |
//! | `gen_ai.response.model` | the model that served, where the attempt is a success |
//! | `gen_ai.response.time_to_first_chunk` | seconds to the first content of a stream |
//! | `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens` | as reported |
//! | `gen_ai.usage.cache_read.input_tokens`, `gen_ai.usage.cache_creation.input_tokens`, `gen_ai.usage.reasoning.output_tokens` | those of them |
//! | `error.type` | the class of a failure |
//! | `http.response.status_code` | |
//! | `server.address`, `server.port` | |
//! | `outcome.requested_model` | what the caller named: a model, an alias or a pool |
//! | `outcome.pool`, `outcome.target` | |
//! | `outcome.reason` | why it was picked: `preferred`, or the kind of what stood against that |
//! | `outcome.attempt` | which attempt of its call it is, from 1 |
//! | `outcome.id` | under which it can be scored |
//! | `outcome.class` | how it ended |
//! | `outcome.cost_dollars` | where usage and price are known |

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
    rewrite::{readdress, reframe},
};
