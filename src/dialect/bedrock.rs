use bytes::Bytes;

use super::{
    Anthropic, Dialect, Endpoint, EndpointKind, Located, Refusal, Unroutable, is_below, locate,
    path, refusal, stream,
};
use crate::classify::{Finish, Json, Object, Parts, StreamSummary, Usage, says};

/// Amazon Bedrock: `/model/{modelId}/converse` and `/invoke`, streamed and not. The id may be that
/// of a model, an inference profile or a whole ARN.
///
/// A signature covers path and body: a signer has to sit below routing, or the target's own key has
/// to take its place; see
/// [`Builder::replace_signatures`](crate::router::Builder::replace_signatures). What `/invoke` takes is up
/// to the family of the model: targets of one pool have to be of one family there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bedrock;

impl Dialect for Bedrock {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        path::named(path, MODEL, OPERATIONS).map(|(endpoint, _)| endpoint)
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        OPERATIONS
    }

    fn is_at(&self, host: &str) -> bool {
        let first = host.split('.').next().unwrap_or_default();
        let is_aws = is_below(host, "amazonaws.com") || is_below(host, "api.aws");
        is_aws && first.starts_with("bedrock-runtime")
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let (endpoint, mut located) =
            locate::in_path(target, MODEL, OPERATIONS, content_type, body)?;
        located.stream = STREAMED.contains(&endpoint.operation);
        Ok(located)
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if !event.whole {
            // Only content is as long.
            summary.add_parts(Parts::ANSWER);
        } else if event.name == Some(b"chunk") && event.data.starts_with(b"{\"type\":") {
            // What an invoked model says is in its own words: Claude's.
            Anthropic.event(event, summary);
        } else {
            event.read(summary, read);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::bedrock(refusal)
    }
}

fn read(name: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if name != Some(b"chunk") {
        return read_named(name.unwrap_or_default(), data, summary);
    }
    // Nova wraps the events of a conversation; the others have one shape each.
    for name in CONVERSATION {
        if let Some(inner) = data.field(name) {
            return read_named(name.as_bytes(), &inner.object(), summary);
        }
    }
    if data.field("type").is_some() {
        return super::anthropic::read(None, data, summary);
    }
    let outputs = data.field("outputs");
    let output = outputs.and_then(|outputs| outputs.items().next());
    let output = output.map_or_else(|| data.json().object(), Json::object);
    let texts = output.fields(["generation", "outputText", "completion", "text"]);
    summary.add_parts(Parts {
        answer: texts.map(says).contains(&true),
        ..Parts::default()
    });
    let reasons = output.fields(["stop_reason", "completionReason", "finish_reason"]);
    if let Some(reason) = reasons.into_iter().flatten().find_map(Json::text) {
        summary.end_choice(0, Finish::from_reason(&reason));
    }
    if output.field("choices").is_some() {
        super::openai::read(None, &output, summary);
    }
    summary.add_usage(Usage::within(data));
}

/// An event of a streamed conversation.
fn read_named(name: &[u8], data: &Object<'_>, summary: &mut StreamSummary) {
    match name {
        b"contentBlockStart" => {
            let start = data.field("start");
            if says(start.and_then(|start| start.field("toolUse"))) {
                summary.begin_call();
            }
        }
        b"contentBlockDelta" => {
            let delta = data.field("delta");
            let fields =
                delta.and_then(|delta| delta.fields(["text", "toolUse", "reasoningContent"]));
            let [text, tool, reasoning] = fields.unwrap_or_default();
            let reasoning = reasoning.and_then(|it| it.fields(["text", "redactedContent"]));
            summary.add_parts(Parts {
                answer: says(text) || says(tool),
                reasoning: reasoning.unwrap_or_default().map(says).contains(&true),
                refusal: false,
            });
        }
        b"messageStop" => {
            let reason = data.field("stopReason").and_then(Json::text);
            let finish = reason.map_or(Finish::Done, |reason| Finish::from_reason(&reason));
            summary.add_finish(finish);
            summary.terminal = true;
        }
        b"metadata" => summary.add_usage(Usage::within(data)),
        _ => {}
    }
}

const CONVERSATION: [&str; 4] = [
    "contentBlockStart",
    "contentBlockDelta",
    "messageStop",
    "metadata",
];

const MODEL: &str = "/model/";

const STREAMED: &[&str] = &["/invoke-with-response-stream", "/converse-stream"];

/// Streams in both directions are no requests that could be repeated: they pass through.
const OPERATIONS: &[(&str, EndpointKind)] = &[
    ("/invoke", EndpointKind::Chat),
    ("/invoke-with-response-stream", EndpointKind::Chat),
    ("/converse", EndpointKind::Chat),
    ("/converse-stream", EndpointKind::Chat),
    ("/count-tokens", EndpointKind::Count),
];
