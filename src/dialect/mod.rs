//! What providers say on the wire: where the model's name sits in a request, what the events of a
//! stream mean, and how an error of our own must look to the caller.
//!
//! One file per provider. A dialect never looks at a clock or at shared state.

mod anthropic;
mod azure;
mod bedrock;
mod bound;
mod cohere;
mod content;
mod deepseek;
mod fields;
mod form;
mod gemini;
mod groq;
pub mod json;
mod llama_cpp;
mod locate;
mod mistral;
mod ollama;
mod openai;
mod openrouter;
mod path;
mod prompt;
mod refusal;
mod site;
pub mod stream;
mod vertex;
mod vllm;
mod words;

use std::{fmt, sync::LazyLock, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::AUTHORIZATION};

use crate::classify::{StreamSummary, is_json};

pub use self::{
    anthropic::Anthropic,
    azure::AzureOpenAi,
    bedrock::Bedrock,
    cohere::Cohere,
    deepseek::DeepSeek,
    fields::Fields,
    gemini::Gemini,
    groq::Groq,
    llama_cpp::LlamaCpp,
    mistral::Mistral,
    ollama::Ollama,
    openai::OpenAi,
    openrouter::OpenRouter,
    site::{Place, Site},
    vertex::{Vertex, VertexAnthropic},
    vllm::Vllm,
};
pub(crate) use self::{
    bound::holds_state,
    content::{has_images, session_key, stable_hash},
    fields::field_hash,
    prompt::Prompt,
    site::{decode_bytes, encode},
};

/// How one family of providers speaks.
///
/// What nothing else is said about is as OpenAI has it: so many copied that.
pub trait Dialect: Send + Sync + fmt::Debug {
    /// Returns the stable name: `openai`, `anthropic`.
    fn name(&self) -> &'static str;

    /// Recognises a routable inference endpoint by the path of a POST, without its query.
    ///
    /// A provider that copied another's endpoints recognises only those of its own. Default: what
    /// ends in one of the [`operations`](Self::operations).
    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        path::endpoint(path, self.operations())
    }

    /// Returns the operations of its own. Default: none.
    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        &[]
    }

    /// Returns whether an upstream that speaks this dialect takes a request that is written in
    /// `dialect`, for the [operation](Endpoint::operation) of that name. Default: its own only.
    fn takes(&self, dialect: &str, _operation: &str) -> bool {
        dialect == self.name()
    }

    /// Returns whether a host is the provider's own. Default: none is.
    fn is_at(&self, _host: &str) -> bool {
        false
    }

    /// Returns the path of a request at an upstream that speaks this dialect, by the upstream's
    /// base path, which does not end in a slash. Default: the part of the path that all providers
    /// share, appended.
    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        request.below(base)
    }

    /// Returns whether a body of this type can be looked into. Default: JSON.
    fn reads(&self, _endpoint: Endpoint, content_type: Option<&str>) -> bool {
        content_type.is_some_and(is_json)
    }

    /// Finds the model that a request names. Default: at the top of a JSON body.
    ///
    /// `target` is the path and query, `body` the chunks of the complete body.
    fn locate(
        &self,
        _endpoint: Endpoint,
        _target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        locate::locate(content_type, body)
    }

    /// Returns whether the streams of an endpoint tell what they used only where
    /// `stream_options.include_usage` asks them to, in an event of its own. Default: they do not.
    fn asks_usage(&self, _endpoint: Endpoint) -> bool {
        false
    }

    /// Takes in one event of a streamed answer.
    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        OpenAi.event(event, summary);
    }

    /// Builds the body of an error answer of our own, in the shape that this dialect's SDKs expect.
    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::openai(refusal)
    }

    /// Returns the header that carries a secret key in this dialect. Default: `authorization:
    /// Bearer`.
    fn credential(&self, secret: &str) -> Option<(HeaderName, HeaderValue)> {
        bearer(secret)
    }

    /// Returns whether its upstreams want [their own header](Self::credential) for the key,
    /// whatever dialect a request is written in. Default: the header is that of the request's.
    fn has_own_credential(&self) -> bool {
        false
    }
}

/// A request that is to go to some upstream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Addressed<'a> {
    /// The path that it has, without its query. It names the model that is to serve it.
    pub path: &'a str,
    /// As what the path was recognised.
    pub endpoint: Endpoint,
    /// In which dialect it is written.
    pub dialect: &'a str,
    /// The model that is to serve it.
    pub model: &'a str,
}

impl<'a> Addressed<'a> {
    /// Describes a request.
    #[must_use]
    pub fn new(path: &'a str, dialect: &'a str, endpoint: Endpoint, model: &'a str) -> Self {
        Self {
            path,
            endpoint,
            dialect,
            model,
        }
    }

    /// Returns the part of the path that all providers share.
    #[must_use]
    pub fn shared(&self) -> &'a str {
        self.path.get(self.endpoint.suffix..).unwrap_or_default()
    }

    /// Returns the shared part behind a base path. A version that both have counts once: SDKs differ
    /// in whether it belongs to the base URL.
    #[must_use]
    pub fn below(&self, base: &str) -> String {
        let shared = self.shared();
        let first = shared.split('/').nth(1).unwrap_or_default();
        let base = if path::is_version(first) {
            path::without_last(base, first)
        } else {
            base
        };
        [base, shared].concat()
    }

    /// Returns the part that belongs to the base URL the request came by.
    fn base(&self) -> &'a str {
        self.path.get(..self.endpoint.suffix).unwrap_or_default()
    }
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
    /// Videos.
    Video,
    /// Reranking, scoring and pooling.
    Rerank,
    /// Reading documents.
    Document,
    /// Counting tokens, and other work that generates nothing.
    Count,
}

/// Where a request names its model, and what else routing needs to know of it.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Whether it refers to state that is stored with the provider of its conversation, by the id of
    /// an answer. What its messages hold is not looked for here.
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
    /// The body is not a form as its content type says.
    NotForm,
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
    /// Whether with a 429 it is a budget that is spent, and not a rate that is exceeded.
    pub quota: bool,
}

/// Every dialect that ships, in the order of detection.
pub static ALL: [&dyn Dialect; 15] = [
    &VertexAnthropic,
    &Vertex,
    &AzureOpenAi,
    &Gemini,
    &Bedrock,
    &Anthropic,
    &Cohere,
    &Ollama,
    &Mistral,
    &LlamaCpp,
    &Vllm,
    &OpenAi,
    &Groq,
    &DeepSeek,
    &OpenRouter,
];

/// Returns the dialect and the endpoint that the path of a POST belongs to, or `None` where it is
/// not routable inference.
#[must_use]
pub fn detect(path: &str) -> Option<(&'static dyn Dialect, Endpoint)> {
    // Every dialect has many operations to compare with, and a request is looked at more than once.
    static KNOWN: LazyLock<Vec<(&str, &dyn Dialect, Endpoint)>> = LazyLock::new(|| {
        let known = COMMON.into_iter();
        let known = known.map(|path| Some((path, ask_all(path)?)));
        let known = known.flatten();
        known
            .map(|(path, (dialect, endpoint))| (path, dialect, endpoint))
            .collect()
    });
    let known = KNOWN.iter().find(|(known, ..)| *known == path);
    match known {
        Some((_, dialect, endpoint)) => Some((*dialect, *endpoint)),
        None => ask_all(path),
    }
}

/// Where SDKs send nearly everything.
const COMMON: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/responses",
    "/v1/embeddings",
    "/chat/completions",
    "/openai/v1/chat/completions",
    "/v1/completions",
];

fn ask_all(path: &str) -> Option<(&'static dyn Dialect, Endpoint)> {
    ALL.iter()
        .find_map(|dialect| dialect.endpoint(path).map(|endpoint| (*dialect, endpoint)))
}

/// Returns the dialect of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static dyn Dialect> {
    ALL.into_iter().find(|dialect| dialect.name() == name)
}

/// Returns the dialect of the provider whose own host this is.
pub(crate) fn at(host: &str) -> Option<&'static dyn Dialect> {
    ALL.into_iter().find(|dialect| dialect.is_at(host))
}

fn bearer(secret: &str) -> Option<(HeaderName, HeaderValue)> {
    if secret.is_empty() {
        return None;
    }
    secret_header(AUTHORIZATION, &format!("Bearer {secret}"))
}

/// Whether a host is a domain or one below it.
fn is_below(host: &str, domain: &str) -> bool {
    let at = host.len().checked_sub(domain.len());
    let Some((sub, end)) = at.and_then(|at| host.split_at_checked(at)) else {
        return false;
    };
    end.eq_ignore_ascii_case(domain) && (sub.is_empty() || sub.ends_with('.'))
}

/// Returns a header that carries a secret, or `None` where no header can.
fn secret_header(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests;
