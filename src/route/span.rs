//! The span of an attempt: what of it is told, and under which names.
//!
//! The names are those of OpenTelemetry's conventions for generative AI; what routing adds is under
//! `outcome.`. What was asked and answered is never part of it.
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

use std::time::Duration;

use http::{StatusCode, Uri, uri::Scheme};
use tracing::{Span, field::Empty};

use super::attempt::Asked;
use crate::{
    classify::{Class, Usage},
    dialect::{self, EndpointKind},
    router::{Reason, Routed},
};

/// Opens the span of an attempt, below the one that is current. Where nobody listens, nothing is
/// looked up.
pub(super) fn open(routed: &Routed, asked: &Asked) -> Span {
    let operation = operation(asked.kind, asked.dialect.name());
    let model = routed.model();
    tracing::info_span!(
        "attempt",
        otel.name = %format_args!("{operation} {model}"),
        otel.kind = "client",
        otel.status_code = Empty,
        gen_ai.operation.name = operation,
        gen_ai.provider.name = provider(routed, asked),
        gen_ai.request.model = model,
        gen_ai.request.stream = asked.stream,
        gen_ai.response.model = Empty,
        gen_ai.response.time_to_first_chunk = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        gen_ai.usage.reasoning.output_tokens = Empty,
        error.type = Empty,
        http.response.status_code = Empty,
        server.address = asked.uri.host(),
        server.port = port(&asked.uri),
        outcome.requested_model = routed.requested_model(),
        outcome.pool = routed.pool(),
        outcome.target = routed.target(),
        outcome.reason = reason(routed.reason()),
        outcome.attempt = i64::from(routed.attempt()),
        outcome.id = %routed.outcome_id(),
        outcome.class = Empty,
        outcome.cost_dollars = Empty,
    )
}

/// Adds what the head of the answer says.
pub(super) fn answered(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
}

/// How an attempt ended, as far as it is told.
pub(super) struct Ended<'a> {
    pub(super) class: Class,
    pub(super) model: &'a str,
    pub(super) usage: Option<Usage>,
    pub(super) first_content: Option<Duration>,
    pub(super) cost: Option<f64>,
}

/// Adds how the attempt ended.
pub(super) fn ended(span: &Span, ended: &Ended<'_>) {
    if span.is_disabled() {
        return;
    }
    let class = ended.class.as_str();
    span.record("outcome.class", class);
    match ended.class {
        Class::Success | Class::Degraded => {
            span.record("gen_ai.response.model", ended.model);
        }
        // Nobody failed: the caller left.
        Class::Abandoned => {}
        _ => {
            span.record("error.type", class);
            span.record("otel.status_code", "ERROR");
        }
    }
    if let Some(usage) = &ended.usage {
        for (name, tokens) in [
            ("gen_ai.usage.input_tokens", usage.input),
            ("gen_ai.usage.output_tokens", usage.output),
        ] {
            span.record(name, signed(tokens));
        }
        // Of these, none is as good as unknown.
        for (name, tokens) in [
            ("gen_ai.usage.cache_read.input_tokens", usage.cached),
            ("gen_ai.usage.cache_creation.input_tokens", usage.written),
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
        ] {
            if tokens > 0 {
                span.record(name, signed(tokens));
            }
        }
    }
    if let Some(first) = ended.first_content {
        span.record("gen_ai.response.time_to_first_chunk", first.as_secs_f64());
    }
    if let Some(cost) = ended.cost {
        span.record("outcome.cost_dollars", cost);
    }
}

/// OpenTelemetry has no unsigned numbers: an exporter would make text of one.
fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

fn operation(kind: EndpointKind, dialect: &str) -> &'static str {
    match kind {
        EndpointKind::Chat if matches!(dialect, "gemini" | "vertex") => "generate_content",
        EndpointKind::Chat => "chat",
        EndpointKind::Completion => "text_completion",
        EndpointKind::Embedding => "embeddings",
        // The conventions know no more.
        EndpointKind::Image => "image_generation",
        EndpointKind::Audio => "audio",
        EndpointKind::Moderation => "moderation",
        EndpointKind::Video => "video_generation",
        EndpointKind::Rerank => "rerank",
        EndpointKind::Document => "document",
        EndpointKind::Count => "count_tokens",
    }
}

/// Names who is asked: by its host where that is known, by the dialect where it is not.
fn provider(routed: &Routed, asked: &Asked) -> &'static str {
    let host = asked.uri.host().and_then(dialect::at);
    let own = || routed.upstream().and_then(|upstream| upstream.dialect);
    let dialect = host.or_else(own).unwrap_or(asked.dialect).name();
    match dialect {
        "azure" => "azure.ai.openai",
        "bedrock" => "aws.bedrock",
        "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "vertex" | "vertex-anthropic" => "gcp.vertex_ai",
        name => name,
    }
}

/// Names why a target was picked. The words of a reason may hold the name of a caller's parameter.
fn reason(reason: &Reason) -> &'static str {
    match reason {
        Reason::Preferred => "preferred",
        Reason::Instead { because, .. } => because.kind(),
        Reason::LeastBad => "least_bad",
        Reason::Canary => "canary",
        Reason::Observed => "observed",
        Reason::Shadow => "shadow",
    }
}

fn port(uri: &Uri) -> Option<i64> {
    let usual = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => Some(80),
        Some(scheme) if *scheme == Scheme::HTTPS => Some(443),
        _ => None,
    };
    uri.port_u16().map(i64::from).or(usual)
}
