use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    Dialect, Endpoint, EndpointKind, Located, Unroutable, form, is_below, locate, path, stream,
};
use crate::classify::{
    Class, ErrorView, Finish, Json, Object, Parts, StreamSummary, Usage, Verdict, in_answer,
    is_json, response, response_finish, response_parts, says,
};

/// The OpenAI wire format: chat and legacy completions, responses, embeddings, images, speech and
/// moderations, as OpenAI and the many who copied it speak it.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAi;

impl Dialect for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if NOT_OURS.iter().any(|suffix| path.ends_with(suffix)) {
            return None;
        }
        path::endpoint(path, ENDPOINTS)
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.openai.com")
    }

    fn reads(&self, endpoint: Endpoint, content_type: Option<&str>) -> bool {
        content_type.is_some_and(|kind| {
            is_json(kind) || FORMS.contains(&endpoint.operation) && form::is_form(kind)
        })
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        _target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        match content_type {
            Some(kind) if form::is_form(kind) => form::locate(kind, body),
            _ => locate::locate(content_type, body),
        }
    }

    fn asks_usage(&self, endpoint: Endpoint) -> bool {
        matches!(endpoint.operation, "/chat/completions" | "/completions")
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if event.data == b"[DONE]" {
            summary.terminal = true;
        } else if !event.whole {
            long(event, summary);
        } else if event.name == Some(b"error") || !is_plain_delta(event.data, summary) {
            event.read(summary, read);
        }
    }
}

pub(super) fn read(name: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if let Some(view) = ErrorView::within_answer(data) {
        summary.add_error(in_answer(&view));
    } else if name == Some(b"error") {
        // An old llama.cpp sends the inside of the error only.
        let view = ErrorView::of_failure(data.json()).unwrap_or_default();
        summary.add_error(in_answer(&view));
    }
    match data.field("type").and_then(Json::text) {
        Some(kind) if kind.starts_with("response.") => read_response(&kind, data, summary),
        Some(kind) if kind.contains('.') => read_media(&kind, data, summary),
        _ => read_chunk(data, summary),
    }
}

/// A chunk of a chat or legacy completion.
fn read_chunk(data: &Object<'_>, summary: &mut StreamSummary) {
    let [choices, groq] = data.fields(["choices", "x_groq"]);
    for choice in choices.into_iter().flat_map(Json::items) {
        let Some([index, delta, text, reason, error]) =
            choice.fields(["index", "delta", "text", "finish_reason", "error"])
        else {
            continue;
        };
        let mut parts = delta.map(Parts::of_message).unwrap_or_default();
        parts.answer |= says(text);
        summary.add_parts(parts);
        if let Some(error) = error.filter(|error| !error.is_empty()) {
            let view = ErrorView::of_failure(error).unwrap_or_default();
            summary.add_error(in_answer(&view));
        }

        let index = index.and_then(Json::count).unwrap_or(0);
        match reason
            .and_then(Json::text)
            .filter(|reason| !reason.is_empty())
        {
            Some(reason) => summary.end_choice(index, Finish::from_reason(&reason)),
            // Azure sends filter results without a delta after the finish.
            None if delta.is_some() || text.is_some() => summary.begin_choice(index),
            None => {}
        }
    }
    if groq.is_some_and(|groq| says(groq.field("error"))) {
        summary.add_error(in_answer(&ErrorView::default()));
    }
    summary.add_usage(Usage::within(data));
}

/// An event of the responses API.
fn read_response(kind: &str, data: &Object<'_>, summary: &mut StreamSummary) {
    let [delta, item, whole, partial] =
        data.fields(["delta", "item", "response", "partial_image_b64"]);
    if kind.ends_with(".delta") {
        let said = says(delta);
        summary.add_parts(Parts {
            answer: said && !kind.contains("reasoning"),
            reasoning: said && kind.contains("reasoning"),
            refusal: said && kind.contains("refusal"),
        });
    }
    let item = item
        .and_then(|item| item.field("type"))
        .and_then(Json::text);
    let call = item.filter(|item| item.ends_with("_call"));
    let argued = call.as_deref().is_some_and(|call| ARGUED.contains(&call));
    if argued && kind.ends_with(".added") {
        summary.begin_call();
    } else if call.is_some() || says(partial) {
        summary.add_parts(Parts::ANSWER);
    }

    let Some(whole) = &whole.map(Json::object) else {
        return;
    };
    summary.add_usage(Usage::within(whole));
    match kind {
        "response.completed" | "response.incomplete" => {
            summary.add_parts(response_parts(whole));
            summary.add_finish(response_finish(whole).unwrap_or(Finish::Done));
            summary.terminal = true;
        }
        "response.failed" => {
            let error = ErrorView::within_answer(whole);
            summary
                .add_error(error.map_or(Verdict::new(Class::ServerError), |view| in_answer(&view)));
            summary.terminal = true;
        }
        "response.cancelled" => {
            summary.add_error(response(whole));
            summary.terminal = true;
        }
        _ => {}
    }
}

/// Calls whose arguments follow in deltas.
const ARGUED: &[&str] = &["function_call", "custom_tool_call", "mcp_call"];

/// An event of streamed speech or images: `speech.audio.delta`, `image_generation.completed`.
fn read_media(kind: &str, data: &Object<'_>, summary: &mut StreamSummary) {
    let [audio, image, delta] = data.fields(["audio", "b64_json", "delta"]);
    let answer = [audio, image, delta].map(says).contains(&true);
    summary.add_parts(Parts {
        answer,
        ..Parts::default()
    });
    if kind.ends_with(".done") || kind.ends_with(".completed") {
        summary.add_finish(Finish::Done);
        summary.terminal = true;
    }
    summary.add_usage(Usage::within(data));
}

/// An event too long to keep is content; only a whole response in its last event is as long.
fn long(event: stream::Event<'_>, summary: &mut StreamSummary) {
    summary.add_parts(Parts::ANSWER);
    let kind = leading_type(event.data).or(event.name).unwrap_or_default();
    if kind.ends_with(b".completed") || kind.ends_with(b".incomplete") {
        summary.add_finish(Finish::Done);
        summary.terminal = true;
    }
}

/// Whether an event can only bring more of what has begun, the answer or the reasoning before it:
/// decided without parsing, and in doubt not.
fn is_plain_delta(data: &[u8], summary: &StreamSummary) -> bool {
    if summary.first_content.is_none() {
        return false;
    }
    if let Some(kind) = leading_type(data) {
        return kind.ends_with(b".delta")
            && !kind.ends_with(b".refusal.delta")
            && (summary.answered
                || kind.starts_with(b"response.reasoning") && ERROR.find(data).is_none());
    }
    let only_reasons =
        || stream::only_delta(data).is_some_and(|delta| !Parts::of_message(delta).answer);
    !any_colon(data, |colon| is_telling(data, colon))
        && (summary.answered || summary.open_choices == 1 && only_reasons())
}

/// The `type` of an event that starts with it.
fn leading_type(data: &[u8]) -> Option<&[u8]> {
    let rest = data.strip_prefix(b"{\"type\":\"")?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

/// Asks of each colon, found eight bytes at a time: they are so near to each other that to set up a
/// search of many bytes at once for each takes longer than to find it.
fn any_colon(data: &[u8], mut ask: impl FnMut(usize) -> bool) -> bool {
    const COLONS: u64 = u64::from_le_bytes([b':'; 8]);
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let (words, rest) = data.as_chunks::<8>();
    let mut start = 0;
    for word in words {
        let differs = u64::from_le_bytes(*word) ^ COLONS;
        // The top bit of each byte that does not differ.
        let mut found = !(((differs & LOW) + LOW) | differs | LOW);
        while found != 0 {
            if ask(start + found.trailing_zeros() as usize / 8) {
                return true;
            }
            found &= found - 1;
        }
        start += 8;
    }
    let mut rest = rest.iter().enumerate();
    rest.any(|(at, byte)| *byte == b':' && ask(start + at))
}

/// Whether a key stands before a colon that makes an event worth parsing, with anything but one of
/// its dull values.
fn is_telling(data: &[u8], colon: usize) -> bool {
    let (key, value) = data.split_at_checked(colon).unwrap_or_default();
    // Within a string the quotes would be escaped, so that only keys have them.
    let Some(key) = key.trim_ascii_end().strip_suffix(b"\"") else {
        return false;
    };
    let dull: &[&[u8]] = match key.last() {
        Some(b'n') if key.ends_with(b"\"finish_reason") => &[b"null"],
        Some(b'r') if key.ends_with(b"\"error") => &[b"null"],
        Some(b'e') if key.ends_with(b"\"usage") => &[b"null"],
        Some(b'e') if key.ends_with(b"\"type") => &[b"\"function\"", b"\"text\""],
        Some(b'l') if key.ends_with(b"\"refusal") => &[b"null", b"\"\""],
        // Another choice.
        Some(b'x') if key.ends_with(b"\"index") => &[b"0,", b"0}"],
        _ => return false,
    };
    let value = value.get(1..).unwrap_or_default().trim_ascii_start();
    !dull.iter().any(|dull| value.starts_with(dull))
}

static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// The endpoints behind any base path.
pub(super) const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/chat/completions", EndpointKind::Chat),
    ("/completions", EndpointKind::Completion),
    ("/responses", EndpointKind::Chat),
    ("/responses/compact", EndpointKind::Chat),
    ("/responses/input_tokens", EndpointKind::Count),
    ("/embeddings", EndpointKind::Embedding),
    ("/moderations", EndpointKind::Moderation),
    ("/images/generations", EndpointKind::Image),
    ("/images/edits", EndpointKind::Image),
    ("/images/variations", EndpointKind::Image),
    ("/audio/speech", EndpointKind::Audio),
    ("/audio/transcriptions", EndpointKind::Audio),
    ("/audio/translations", EndpointKind::Audio),
    ("/videos", EndpointKind::Video),
];

/// Those that take forms, in which the model is a part.
const FORMS: &[&str] = &[
    "/images/edits",
    "/images/variations",
    "/audio/transcriptions",
    "/audio/translations",
    "/videos",
];

/// Paths that end like ours and are others': Mistral's fill-in-the-middle and
/// agents, Ollama's own embeddings.
const NOT_OURS: &[&str] = &["/fim/completions", "/agents/completions", "/api/embeddings"];

#[cfg(test)]
mod tests;
