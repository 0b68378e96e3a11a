use std::{borrow::Cow, time::SystemTime};

use http::{HeaderMap, StatusCode};

use super::{class::Verdict, transport::Transport};

/// Everything known so far about an answer.
///
/// `headers` is empty and `status` is `None` where the transport failed before a head arrived.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seen<'a> {
    /// The path of the request as it was sent to the provider.
    pub path: &'a str,
    /// The status.
    pub status: Option<StatusCode>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, as far as it was read.
    pub body: BodySeen<'a>,
    /// What went wrong below HTTP, before or after the head.
    pub transport: Option<Transport>,
    /// Wall-clock time at which the head arrived, for absolute times in headers.
    pub wall: SystemTime,
}

impl<'a> Seen<'a> {
    /// Describes an answer of which only the head has arrived.
    #[must_use]
    pub fn head(
        path: &'a str,
        status: StatusCode,
        headers: &'a HeaderMap,
        wall: SystemTime,
    ) -> Self {
        Self {
            path,
            status: Some(status),
            headers,
            body: BodySeen::Unread,
            transport: None,
            wall,
        }
    }

    /// Adds what was seen of the body.
    #[must_use]
    pub fn with_body(mut self, body: BodySeen<'a>) -> Self {
        self.body = body;
        self
    }

    /// Adds what went wrong below HTTP.
    #[must_use]
    pub fn with_transport(mut self, transport: Option<Transport>) -> Self {
        self.transport = transport;
        self
    }
}

/// How much of a body was seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BodySeen<'a> {
    /// Not a byte yet: the verdict is provisional.
    Unread,
    /// All of it (or, where the transport failed, all that came).
    Whole(Cow<'a, [u8]>),
    /// It ended, but it was too long to keep or is compressed.
    Opaque,
    /// It was a stream of events.
    Stream(&'a StreamSummary),
}

/// What an observer has gathered from a stream of events.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StreamSummary {
    /// Number of dispatched data events so far. Comments are none; pings and `[DONE]` are.
    pub events: u64,
    /// Number of events and comments that only keep the connection alive.
    pub keep_alives: u64,
    /// Index of the first event with generated content (text, reasoning, tool call); empty
    /// strings and role-only chunks do not count.
    pub first_content: Option<u64>,
    /// The first error event, judged.
    pub error: Option<Verdict>,
    /// Why the model stopped, once it said so.
    pub finish: Option<Finish>,
    /// Whether the stream's terminal event was seen (`[DONE]` alone proves nothing where a finish
    /// reason is due).
    pub terminal: bool,
    /// Tokens, as far as reported.
    pub usage: Option<Usage>,
}

/// Why a model stopped generating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finish {
    /// It was done, or called a tool, or gave a reason that we do not know.
    Done,
    /// It reached a token limit.
    Length,
    /// A content filter or refusal ended the output.
    Filtered,
    /// Its output was malformed.
    Malformed,
    /// The provider ran out of resources.
    Overloaded,
    /// The provider failed.
    Failed,
}

/// Tokens of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Usage {
    /// Prompt tokens.
    pub input: u64,
    /// Generated tokens, reasoning included.
    pub output: u64,
}

impl Usage {
    /// Creates a usage record.
    #[must_use]
    pub fn new(input: u64, output: u64) -> Self {
        Self { input, output }
    }
}
