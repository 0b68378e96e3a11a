use super::{Addressed, Anthropic, Dialect, EndpointKind, OpenAi, openai, path, stream};
use crate::classify::{Finish, Json, Object, Parts, StreamSummary, Usage, says};

/// The server of llama.cpp: OpenAI's wire and Anthropic's messages, and completions of its own. The
/// base URL is that of the server: `http://127.0.0.1:8080`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn name(&self) -> &'static str {
        "llama-cpp"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && OPERATIONS.contains(&operation)
            || dialect == Anthropic.name()
                && matches!(operation, "/v1/messages" | "/v1/messages/count_tokens")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        path::below_version(base, request)
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if event.data == b"[DONE]" || !event.whole {
            OpenAi.event(event, summary);
        } else {
            event.read(summary, read);
        }
    }
}

/// An event of a completion of its own; errors are as everywhere.
fn read(name: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    let [content, stop, kind] = data.fields(["content", "stop", "stop_type"]);
    if content.is_none() && stop.is_none() {
        return openai::read(name, data, summary);
    }
    summary.add_parts(Parts {
        answer: says(content),
        ..Parts::default()
    });
    if says(stop) {
        let limited = kind.and_then(Json::text).as_deref() == Some("limit");
        summary.add_finish(if limited {
            Finish::Length
        } else {
            Finish::Done
        });
        summary.terminal = true;
    }
    summary.add_usage(Usage::within(data));
}

const OPERATIONS: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
];

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/completion", EndpointKind::Completion),
    ("/infill", EndpointKind::Completion),
];
