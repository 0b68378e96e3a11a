use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{Dialect, EndpointKind, Refusal, is_below, refusal, secret_header, stream};
use crate::classify::{
    ErrorView, Finish, Json, Object, Parts, StreamSummary, Usage, in_answer, says,
};

/// The Anthropic wire format: messages, token counting and legacy completions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.anthropic.com")
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if !event.whole {
            // Only content is as long.
            summary.add_parts(Parts::ANSWER);
        } else if !is_plain_delta(event.data, summary) {
            event.read(summary, read);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::anthropic(refusal)
    }

    fn credential(&self, secret: &str) -> Option<(HeaderName, HeaderValue)> {
        if secret.is_empty() {
            return None;
        }
        secret_header(HeaderName::from_static("x-api-key"), secret)
    }
}

pub(super) fn read(name: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if let Some(view) = ErrorView::within_answer(data) {
        return summary.add_error(in_answer(&view));
    }
    let [kind, message, block, delta, completion, stop_reason] = data.fields([
        "type",
        "message",
        "content_block",
        "delta",
        "completion",
        "stop_reason",
    ]);
    let kind = kind.and_then(Json::text);
    let kind = kind
        .as_deref()
        .map(str::as_bytes)
        .or(name)
        .unwrap_or_default();
    match kind {
        b"ping" => summary.keep_alives += 1,
        b"message_start" => {
            summary.add_usage(message.and_then(|message| Usage::within(&message.object())));
        }
        b"content_block_start" => {
            let kind = block.and_then(|block| block.field("type"));
            if kind
                .and_then(Json::text)
                .is_some_and(|kind| kind.ends_with("tool_use"))
            {
                summary.begin_call();
            } else {
                summary.add_parts(block.map(Parts::of_block).unwrap_or_default());
            }
        }
        b"content_block_delta" => summary.add_parts(delta.map(Parts::of_block).unwrap_or_default()),
        b"message_delta" => {
            let reason = delta.and_then(|delta| delta.field("stop_reason"));
            add_reason(reason, summary);
            summary.add_usage(Usage::within(data));
        }
        b"message_stop" => {
            summary.finish.get_or_insert(Finish::Done);
            summary.terminal = true;
        }
        b"completion" => {
            summary.add_parts(Parts {
                answer: says(completion),
                ..Parts::default()
            });
            summary.terminal |= add_reason(stop_reason, summary);
        }
        b"error" => {
            let view = ErrorView::of_failure(data.json()).unwrap_or_default();
            summary.add_error(in_answer(&view));
        }
        _ => {}
    }
}

fn add_reason(reason: Option<Json<'_>>, summary: &mut StreamSummary) -> bool {
    let reason = reason.and_then(Json::text);
    if let Some(reason) = &reason {
        summary.add_finish(Finish::from_reason(reason));
    }
    reason.is_some()
}

/// Whether an event can only bring more of what has begun, the answer or the thinking before it:
/// decided without parsing, and in doubt not.
fn is_plain_delta(data: &[u8], summary: &StreamSummary) -> bool {
    let Some(rest) = data.strip_prefix(b"{\"type\":\"content_block_delta\"") else {
        return false;
    };
    let only_thinks =
        || stream::only_delta(rest).is_some_and(|delta| !Parts::of_block(delta).answer);
    summary.first_content.is_some()
        && (summary.answered || ERROR.find(rest).is_none() && only_thinks())
}

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// `/v1` is part of what all share: the SDKs put it behind the base URL.
const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/v1/messages", EndpointKind::Chat),
    ("/v1/messages/count_tokens", EndpointKind::Count),
    ("/v1/complete", EndpointKind::Completion),
];

#[cfg(test)]
mod tests;
