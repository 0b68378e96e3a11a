//! What kind of work a request is, where the caller does not say.
//!
//! A model that is good at one kind of work may be poor at another. Scores are kept by task, so
//! that a request is routed by how its own kind went: the caller names the task with a
//! [`Task`](crate::Task) extension, or a [`ClassifyTask`] tells it by looking at the request.
//!
//! # When
//!
//! Name the task where you know it: nobody knows better. A classifier is for gateways, whose
//! callers say nothing. [`ByShape`] tells requests apart by what they bring and ask for; a request
//! header of your own is a few lines. Without either, all requests are one task.
//!
//! ```
//! use std::borrow::Cow;
//! use tower_outcome::{
//!     OutcomeRouter,
//!     tasks::{ByShape, ClassifyTask, RequestFacts},
//! };
//!
//! /// By the team's own header, else by shape.
//! #[derive(Debug)]
//! struct ByTeam;
//!
//! impl ClassifyTask for ByTeam {
//!     fn classify(&self, request: &RequestFacts<'_>) -> Option<Cow<'static, str>> {
//!         match request.headers.get("x-team")?.to_str() {
//!             Ok("search") => Some("search".into()),
//!             _ => ByShape.classify(request),
//!         }
//!     }
//! }
//!
//! let router = OutcomeRouter::builder().model("gpt-4o").tasks(ByTeam).build()?;
//! # let _ = router;
//! # Ok::<(), tower_outcome::BuildError>(())
//! ```

mod by_shape;

pub use self::by_shape::ByShape;

use std::{borrow::Cow, fmt};

use http::{Extensions, HeaderMap};

use crate::dialect::EndpointKind;

/// Says what kind of work a request is.
///
/// Object safe, called once per routed request that carries no [`Task`](crate::Task), without any
/// lock held. It must not block: it runs inside the request's future. A panic in it is caught and
/// counted; the request then has no task.
pub trait ClassifyTask: Send + Sync + fmt::Debug {
    /// Returns the name of the task, or `None` where it is not known.
    ///
    /// Names are keys of what is learned: give a bounded set of them, and none that a caller can
    /// choose at will. A static name costs no allocation.
    fn classify(&self, request: &RequestFacts<'_>) -> Option<Cow<'static, str>>;
}

/// What a [`ClassifyTask`] sees of a request: facts about its body, but not its text.
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestFacts<'a> {
    /// What kind of work the endpoint does.
    pub endpoint: EndpointKind,
    /// The stable name of the dialect: `openai`, `anthropic`.
    pub dialect: &'static str,
    /// The model that the request names.
    pub model: &'a str,
    /// About how many tokens the request has: a quarter of its bytes, and a thousand for each image or
    /// recording that is written into the body.
    pub prompt_tokens: u64,
    /// The caller's own cap on generated tokens.
    pub max_output_tokens: Option<u64>,
    /// Whether the model is offered tools.
    pub tools: bool,
    /// Whether the last message brings the results of tools, and there are tools to be called
    /// again.
    pub tool_loop: bool,
    /// Whether a message holds an image.
    pub images: bool,
    /// Whether the answer is asked for as JSON: an object, or one that follows a schema.
    pub json_mode: bool,
    /// Whether the answer is asked for as a stream.
    pub stream: bool,
    /// The headers, credentials among them.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl<'a> RequestFacts<'a> {
    /// Describes a request of which nothing is known but its endpoint, in the dialect `openai`.
    #[must_use]
    pub fn new(
        endpoint: EndpointKind,
        model: &'a str,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self {
            endpoint,
            dialect: "openai",
            model,
            prompt_tokens: 0,
            max_output_tokens: None,
            tools: false,
            tool_loop: false,
            images: false,
            json_mode: false,
            stream: false,
            headers,
            extensions,
        }
    }
}

impl fmt::Debug for RequestFacts<'_> {
    /// Shows no header and no extension: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFacts")
            .field("endpoint", &self.endpoint)
            .field("dialect", &self.dialect)
            .field("model", &self.model)
            .field("prompt_tokens", &self.prompt_tokens)
            .field("max_output_tokens", &self.max_output_tokens)
            .field("tools", &self.tools)
            .field("tool_loop", &self.tool_loop)
            .field("images", &self.images)
            .field("json_mode", &self.json_mode)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
