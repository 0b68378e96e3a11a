use bytes::Bytes;

use super::{
    Addressed, Anthropic, Dialect, Endpoint, EndpointKind, Located, OpenAi, Refusal, Unroutable,
    json, locate, path, refusal, stream,
};
use crate::classify::{
    ErrorView, Finish, Json, Object, Parts, StreamSummary, Usage, in_answer, says,
};

/// Ollama's own API, whose streams are lines of JSON; its upstreams also take what OpenAI's and
/// Anthropic's SDKs send, below `/v1`. The base URL is that of the server: `http://127.0.0.1:11434`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && OPENAI.contains(&operation)
            || dialect == Anthropic.name() && operation == "/v1/messages"
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        path::below_version(base, request)
    }

    fn locate(
        &self,
        endpoint: Endpoint,
        _target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let mut located = locate::locate(content_type, body)?;
        if STREAMED.contains(&endpoint.operation) {
            // Asked for unless it is declined.
            let says = |name| {
                json::members(body)
                    .map_while(Result::ok)
                    .any(|(key, _)| key == name)
            };
            located.stream |= !says("stream");
        }
        Ok(located)
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if event.whole {
            event.read(summary, read);
        } else {
            // Only content is as long.
            summary.add_parts(Parts::ANSWER);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::ollama(refusal)
    }
}

fn read(_: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if let Some(view) = ErrorView::within_answer(data) {
        return summary.add_error(in_answer(&view));
    }
    let [message, response, thinking, done, reason] =
        data.fields(["message", "response", "thinking", "done", "done_reason"]);
    let mut parts = message.map(Parts::of_message).unwrap_or_default();
    parts.answer |= says(response);
    parts.reasoning |= says(thinking);
    summary.add_parts(parts);
    if says(done) {
        let reason = reason.and_then(Json::text);
        summary.add_finish(reason.map_or(Finish::Done, |reason| Finish::from_reason(&reason)));
        summary.terminal = true;
        summary.add_usage(Usage::within(data));
    }
}

const STREAMED: &[&str] = &["/api/chat", "/api/generate"];

const OPENAI: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/audio/transcriptions",
];

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/api/chat", EndpointKind::Chat),
    ("/api/generate", EndpointKind::Completion),
    ("/api/embed", EndpointKind::Embedding),
    ("/api/embeddings", EndpointKind::Embedding),
];
