use std::{ops::Range, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memmem::Finder;

use super::{
    Addressed, Dialect, Endpoint, EndpointKind, Located, OpenAi, Place, Refusal, Site, Unroutable,
    is_below,
    json::{self, Value},
    locate, path, refusal, secret_header, site, stream,
};
use crate::classify::{
    Class, ErrorView, Finish, Json, Object, Parts, StreamSummary, Usage, Verdict, in_answer, says,
};

/// The Gemini API: the model stands in the path (`/v1beta/models/{model}:generateContent`), but for
/// interactions.
///
/// An upstream takes requests as OpenAI's SDK sends them where its base path ends in `/openai`, and
/// its own everywhere else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemini;

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match named(path) {
            Some((endpoint, _)) => Some(endpoint),
            None => path::endpoint(path, BY_BODY),
        }
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        OPERATIONS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && matches!(operation, "/chat/completions" | "/embeddings")
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "generativelanguage.googleapis.com")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        let shared = request.shared();
        let root = path::without_last(base, "openai");
        if request.dialect != self.name() {
            let version = if path::is_version(path::last_segment(root)) {
                ""
            } else {
                "/v1beta"
            };
            return format!("{root}{version}/openai{shared}");
        }
        // The SDK counts the version to the path, not to the base URL.
        let version = path::last_segment(request.base());
        if path::is_version(version) && !path::is_version(path::last_segment(root)) {
            format!("{root}/{version}{shared}")
        } else {
            format!("{root}{shared}")
        }
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let path = target.split('?').next().unwrap_or_default();
        match named(path) {
            Some((endpoint, range)) => in_path(endpoint, path, range, content_type, body),
            None => locate::locate(content_type, body),
        }
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        if !event.whole {
            // Only content is as long.
            summary.add_parts(Parts::ANSWER);
        } else if !is_plain(event.data, summary) {
            event.read(summary, read);
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::google(refusal)
    }

    fn credential(&self, secret: &str) -> Option<(HeaderName, HeaderValue)> {
        if secret.is_empty() {
            return None;
        }
        secret_header(HeaderName::from_static("x-goog-api-key"), secret)
    }
}

/// Finds the name of a resource before its operation: `models/gemini-2.5-flash`.
fn named(path: &str) -> Option<(Endpoint, Range<usize>)> {
    RESOURCES.iter().find_map(|kind| {
        let (endpoint, range) = path::named(path, kind, OPERATIONS)?;
        // The slash before the kind stays.
        Some((endpoint, endpoint.suffix + 1..range.end))
    })
}

/// Reads a request whose path names the model.
pub(super) fn in_path(
    endpoint: Endpoint,
    path: &str,
    range: Range<usize>,
    content_type: Option<&str>,
    body: &[Bytes],
) -> Result<Located, Unroutable> {
    let mut located = locate::read(content_type, body)?;
    let resource = site::of_path(path, &range).ok_or(Unroutable::NoModel)?;
    // The kind that most have is left out.
    located.model = match resource.strip_prefix("models/") {
        Some(model) => model.to_owned(),
        None => resource,
    };
    located.stream = endpoint.operation == ":streamGenerateContent";
    for site in &mut located.sites {
        site.place = Place::JsonResource;
    }
    if endpoint.operation == ":batchEmbedContents" {
        located.sites.extend(models_of_batch(body));
    }
    located
        .sites
        .insert(0, Site::new(Place::PathResource, range));
    Ok(located)
}

/// Every request of a batch repeats the model.
fn models_of_batch(body: &[Bytes]) -> Vec<Site> {
    let members = json::members(body).map_while(Result::ok);
    let batches = members.filter(|(key, _)| key == "requests");
    let requests: Vec<Value<'_>> = batches
        .flat_map(|(_, requests)| requests.items().map_while(Result::ok).collect::<Vec<_>>())
        .collect();
    let members = requests
        .iter()
        .flat_map(|request| request.members().map_while(Result::ok));
    members
        .filter(|(key, model)| key == "model" && model.as_str().is_some())
        .map(|(_, model)| Site::new(Place::JsonResource, model.range()))
        .collect()
}

pub(super) fn read(_: Option<&[u8]>, data: &Object<'_>, summary: &mut StreamSummary) {
    if let Some(view) = ErrorView::within_answer(data) {
        return summary.add_error(in_answer(&view));
    }
    let [candidates, feedback, kind] = data.fields(["candidates", "promptFeedback", "event_type"]);
    if let Some(kind) = kind.and_then(Json::text) {
        return read_interaction(&kind, data, summary);
    }
    if says(feedback.and_then(|feedback| feedback.field("blockReason"))) {
        summary.add_error(Verdict::new(Class::ContentFilter).with_neutral(true));
    }
    for candidate in candidates.into_iter().flat_map(Json::items) {
        let [index, content, reason] = candidate
            .fields(["index", "content", "finishReason"])
            .unwrap_or_default();
        let parts = content.and_then(|content| content.field("parts"));
        summary.add_parts(parts.map(Parts::of_gemini).unwrap_or_default());
        let index = index.and_then(Json::count).unwrap_or(0);
        match reason.and_then(Json::text) {
            Some(reason) => summary.end_choice(index, Finish::from_reason(&reason)),
            None => summary.begin_choice(index),
        }
    }
    summary.add_usage(Usage::within(data));
}

/// An event of the interactions API.
fn read_interaction(kind: &str, data: &Object<'_>, summary: &mut StreamSummary) {
    let [delta, error, interaction] = data.fields(["delta", "error", "interaction"]);
    if kind == "error" {
        let view = ErrorView::of_failure(error.unwrap_or(data.json())).unwrap_or_default();
        return summary.add_error(in_answer(&view));
    }
    if kind.ends_with(".delta") {
        summary.add_parts(delta.map(Parts::of_block).unwrap_or_default());
    }
    summary.add_usage(Usage::within(data));
    let Some(interaction) = interaction.map(Json::object) else {
        return;
    };
    summary.add_usage(Usage::within(&interaction));
    if kind == "interaction.completed" {
        let status = interaction.field("status").and_then(Json::text);
        match status.as_deref() {
            Some("failed") => summary.add_error(Verdict::new(Class::ServerError)),
            Some("cancelled") => summary.add_error(Verdict::new(Class::Abandoned)),
            Some("incomplete") => summary.add_finish(Finish::Length),
            _ => summary.add_finish(Finish::Done),
        }
        summary.terminal = true;
    }
}

/// Whether an event can only bring more of an answer that has begun: decided without parsing, and
/// in doubt not. Usage comes with every event, and with the last one it is complete.
fn is_plain(data: &[u8], summary: &StreamSummary) -> bool {
    summary.answered && !TELLING.iter().any(|word| word.find(data).is_some())
}

static TELLING: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| {
    [
        "\"finishReason\"",
        "\"error\"",
        "\"promptFeedback\"",
        "\"event_type\": \"interaction",
        "\"event_type\":\"interaction",
        // Another candidate.
        "\"index\"",
    ]
    .map(Finder::new)
});

const RESOURCES: &[&str] = &["/models/", "/tunedModels/"];

pub(super) const OPERATIONS: &[(&str, EndpointKind)] = &[
    (":generateContent", EndpointKind::Chat),
    (":streamGenerateContent", EndpointKind::Chat),
    (":embedContent", EndpointKind::Embedding),
    (":batchEmbedContents", EndpointKind::Embedding),
    (":countTokens", EndpointKind::Count),
    (":predict", EndpointKind::Image),
];

const BY_BODY: &[(&str, EndpointKind)] = &[("/interactions", EndpointKind::Chat)];
