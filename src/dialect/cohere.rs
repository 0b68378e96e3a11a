use bytes::Bytes;

use super::{Addressed, Dialect, EndpointKind, OpenAi, Refusal, is_below, path, refusal, stream};
use crate::classify::{
    ErrorView, Finish, Json, Object, Parts, StreamSummary, Usage, in_answer, says,
};

/// Cohere's own API, versions 1 and 2: chat, embeddings, reranking.
///
/// Upstreams whose base path ends in `/compatibility/v1` take requests as OpenAI's SDK sends them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cohere;

impl Dialect for Cohere {
    fn name(&self) -> &'static str {
        "cohere"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && matches!(operation, "/chat/completions" | "/embeddings")
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.cohere.com") || is_below(host, "api.cohere.ai")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        let root = base.strip_suffix("/compatibility/v1").unwrap_or(base);
        let root = ["v1", "v2"].into_iter().fold(root, path::without_last);
        let compatible = if request.dialect == self.name() {
            ""
        } else {
            "/compatibility/v1"
        };
        format!("{root}{compatible}{}", request.shared())
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if event.data == b"[DONE]" {
            summary.terminal = true;
        } else if !event.whole {
            // Only content is as long.
            summary.add_parts(Parts::ANSWER);
        } else {
            event.read(summary, read);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::plain(refusal)
    }
}

fn read(name: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if let Some(view) = ErrorView::within_answer(data) {
        return summary.add_error(in_answer(&view));
    }
    let [kind, first, delta, text, response] =
        data.fields(["type", "event_type", "delta", "text", "response"]);
    let kind = kind.or(first).and_then(Json::text);
    let kind = kind.as_deref().map(str::as_bytes).or(name);
    let message = delta.and_then(|delta| delta.field("message"));
    match kind.unwrap_or_default() {
        b"content-start" | b"content-delta" | b"tool-call-start" | b"tool-call-delta"
        | b"tool-plan-delta" => {
            summary.add_parts(message.map(Parts::of_message).unwrap_or_default());
        }
        b"text-generation" | b"tool-calls-chunk" | b"tool-calls-generation" => {
            summary.add_parts(Parts {
                answer: text.is_none() || says(text),
                ..Parts::default()
            });
        }
        b"message-end" => {
            let delta = delta.map(Json::object);
            let reason = delta
                .as_ref()
                .and_then(|delta| delta.field("finish_reason"));
            end(reason, summary);
            summary.add_usage(delta.as_ref().and_then(Usage::within));
        }
        b"stream-end" => {
            end(data.field("finish_reason"), summary);
            let response = response.map(Json::object);
            summary.add_usage(response.as_ref().and_then(Usage::within));
        }
        _ => {}
    }
}

fn end(reason: Option<Json<'_>>, summary: &mut StreamSummary) {
    let reason = reason.and_then(Json::text);
    summary.add_finish(reason.map_or(Finish::Done, |reason| Finish::from_reason(&reason)));
    summary.terminal = true;
}

/// The version is part of what all share: the SDK puts it behind the base URL.
const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/v2/chat", EndpointKind::Chat),
    ("/v1/chat", EndpointKind::Chat),
    ("/v2/embed", EndpointKind::Embedding),
    ("/v1/embed", EndpointKind::Embedding),
    ("/v2/rerank", EndpointKind::Rerank),
    ("/v1/rerank", EndpointKind::Rerank),
];
