//! What providers say on the wire: where the model's name sits in a request, what the events of a
//! stream mean, and how an error of our own must look to the caller.
//!
//! One file per provider. A dialect never looks at a clock or at shared state.

mod anthropic;
mod bound;
mod content;
mod fields;
pub mod json;
mod locate;
mod openai;
mod path;
mod prompt;
mod refusal;
mod site;
pub mod sse;
mod words;

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::classify::{StreamSummary, is_json};

pub use self::{
    anthropic::Anthropic,
    fields::Fields,
    openai::OpenAi,
    site::{Place, Site},
};
pub(crate) use self::{
    content::{has_images, session_key, stable_hash},
    fields::field_hash,
    prompt::Prompt,
    site::decode_bytes,
};

/// How one family of providers speaks.
pub trait Dialect: Send + Sync + fmt::Debug {
    /// Returns the stable name: `openai`, `anthropic`.
    fn name(&self) -> &'static str;

    /// Recognises a routable inference endpoint by the path of a POST, without its query.
    fn endpoint(&self, path: &str) -> Option<Endpoint>;

    /// Returns whether a body of this type can be looked into. Default: JSON.
    fn reads(&self, _endpoint: Endpoint, content_type: Option<&str>) -> bool {
        content_type.is_some_and(is_json)
    }

    /// Finds the model that a request names.
    ///
    /// `target` is the path and query, `body` the chunks of the complete body.
    fn locate(
        &self,
        endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable>;

    /// Takes in one event of a streamed answer.
    fn event(&self, event: sse::Event<'_>, summary: &mut StreamSummary);

    /// Builds the body of an error answer of our own, in the shape that this dialect's SDKs expect.
    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes;

    /// Returns the header that carries a secret key in this dialect.
    fn credential(&self, secret: &str) -> Option<(HeaderName, HeaderValue)>;
}

/// A routable inference endpoint, recognised by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// What kind of work it does.
    pub kind: EndpointKind,
    /// What it is called wherever the dialect is spoken: `/chat/completions`, `:generateContent`.
    pub operation: &'static str,
    /// Where in the path the part starts that every provider of the dialect shares; what stands
    /// before it belongs to the base URL.
    pub suffix: usize,
}

/// What kind of work an endpoint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndpointKind {
    /// Chat, messages or responses.
    Chat,
    /// Legacy text completion.
    Completion,
    /// Embeddings.
    Embedding,
    /// Images.
    Image,
    /// Audio.
    Audio,
    /// Moderation.
    Moderation,
    /// Counting tokens, and other work that generates nothing.
    Count,
}

/// Where a request names its model, and what else routing needs to know of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Located {
    /// The model, unescaped.
    pub model: String,
    /// Where it is written, in order. Of several in a JSON body the last counts; all are rewritten.
    pub sites: Vec<Site>,
    /// Whether the answer is asked for as a stream.
    pub stream: bool,
    /// Whether repeating the request could do something twice beyond its cost: it is stored, runs
    /// in the background, or uses tools that run at the provider.
    pub side_effects: bool,
    /// The caller's own cap on generated tokens.
    pub max_output_tokens: Option<u64>,
    /// Whether the model is offered tools.
    pub tools: bool,
    /// Whether the answer is asked for as JSON: an object, or one that follows a schema.
    pub json_mode: bool,
    /// Whether its last message brings the results of tools, and there are tools to be called
    /// again: the caller is in a loop of calls that build on each other.
    pub tool_loop: bool,
    /// The names of the members at the top of a JSON body.
    pub fields: Fields,
    /// Whether it carries state that only the provider of its conversation can read: signed or
    /// encrypted reasoning, or the id of an answer that is stored there.
    pub bound: bool,
}

/// Why a request to an inference endpoint cannot be routed. It is passed on as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unroutable {
    /// The body is not of a type that this dialect can look into.
    ContentType,
    /// The body is not a JSON object.
    NotJson,
    /// The body is nested deeper than 128 levels.
    TooDeep,
    /// There is no model, or it is not a string.
    NoModel,
}

/// An error answer of our own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// The status it goes out with.
    pub status: StatusCode,
    /// What the caller should read.
    pub message: &'a str,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// Every dialect that ships, in the order of detection.
pub static ALL: [&dyn Dialect; 2] = [&Anthropic, &OpenAi];

/// Returns the dialect and the endpoint that the path of a POST belongs to, or `None` where it is
/// not routable inference.
#[must_use]
pub fn detect(path: &str) -> Option<(&'static dyn Dialect, Endpoint)> {
    static DIALECTS: [&dyn Dialect; 2] = [&Anthropic, &OpenAi];
    DIALECTS
        .iter()
        .find_map(|dialect| dialect.endpoint(path).map(|endpoint| (*dialect, endpoint)))
}

/// Returns a header that carries a secret, or `None` where no header can.
fn secret_header(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}
