use std::{cell::OnceCell, fmt};

use super::said::Said;
use crate::{classify::Finish, dialect::EndpointKind};

/// A good answer that has ended, as a [`Check`](super::Check) sees it.
#[non_exhaustive]
pub struct Answer<'a> {
    /// What kind of work the endpoint does.
    pub endpoint: EndpointKind,
    /// The stable name of the dialect: `openai`, `anthropic`.
    pub dialect: &'static str,
    /// The model that answered.
    pub model: &'a str,
    /// The name of the target that answered.
    pub target: &'a str,
    /// What kind of work it was, where that is known.
    pub task: Option<&'a str>,
    /// Whether the request asked for JSON: an object, or one that follows a schema.
    pub json_mode: bool,
    /// Whether the body is a stream of events.
    pub stream: bool,
    /// The body as it came; of a long one the first MiB.
    pub body: &'a [u8],
    /// Whether that is all of the body.
    pub complete: bool,
    said: OnceCell<Said>,
}

impl<'a> Answer<'a> {
    /// Describes an answer of which nothing is known but its body, in the dialect `openai`.
    #[must_use]
    pub fn new(endpoint: EndpointKind, body: &'a [u8]) -> Self {
        Self {
            endpoint,
            dialect: "openai",
            model: "",
            target: "",
            task: None,
            json_mode: false,
            stream: false,
            body,
            complete: true,
            said: OnceCell::new(),
        }
    }

    /// Returns the text of the answer, of the first choice where there are more: without reasoning,
    /// tool calls and refusals, the deltas of a stream joined. Empty where there is none, and in
    /// formats that are unknown.
    ///
    /// Found when it is asked for first.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.said().text
    }

    /// Returns why the model stopped, as far as it said so.
    #[must_use]
    pub fn finish(&self) -> Option<Finish> {
        self.said().finish
    }

    /// Returns whether the model called a tool: then there need not be any text.
    #[must_use]
    pub fn calls_tools(&self) -> bool {
        self.said().calls_tools
    }

    fn said(&self) -> &Said {
        self.said.get_or_init(|| {
            if self.stream {
                Said::in_stream(self.body)
            } else {
                Said::in_whole(self.body)
            }
        })
    }
}

impl fmt::Debug for Answer<'_> {
    /// Shows no part of the answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("endpoint", &self.endpoint)
            .field("dialect", &self.dialect)
            .field("model", &self.model)
            .field("target", &self.target)
            .field("task", &self.task)
            .field("json_mode", &self.json_mode)
            .field("stream", &self.stream)
            .field("bytes", &self.body.len())
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}
