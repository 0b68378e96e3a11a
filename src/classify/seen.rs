use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, StatusCode};

use super::{
    answer::Parts, class::Verdict, finish::Finish, peek::Object, response_id, transport::Transport,
    usage::Usage,
};

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
#[derive(Clone)]
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

impl fmt::Debug for BodySeen<'_> {
    /// Shows no part of an answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => f.write_str("Unread"),
            Self::Whole(body) => write!(f, "Whole({} bytes)", body.len()),
            Self::Opaque => f.write_str("Opaque"),
            Self::Stream(summary) => f.debug_tuple("Stream").field(summary).finish(),
        }
    }
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
    /// Whether any of the answer itself came: text, a refusal, a tool call, media. Reasoning
    /// alone is none.
    pub answered: bool,
    /// The first error event, judged.
    pub error: Option<Verdict>,
    /// Why the model stopped, once it said so.
    pub finish: Option<Finish>,
    /// Whether the stream's terminal event was seen: what follows it is not missed. It proves
    /// success only together with `finish`: some servers send `[DONE]` after an error.
    pub terminal: bool,
    /// Tokens, as far as reported.
    pub usage: Option<Usage>,
    /// Number of events that were too long to be looked into.
    pub oversized: u64,
    /// Whether it stopped making sense as a stream, so that what followed was not looked at: a
    /// frame whose checksum is wrong, something else in place of an array.
    pub malformed: bool,
    /// The choices that have begun and not ended, a bit each: with several, the first finish
    /// reason does not end the stream.
    pub(crate) open_choices: u64,
    /// What the provider calls the answer. It is among the first things that are said.
    pub(crate) response_id: Option<Arc<str>>,
}

impl StreamSummary {
    /// Whether it has said how it ends, so that nothing that follows is missed.
    pub(crate) fn is_decided(&self) -> bool {
        self.terminal || self.has_failed()
    }

    /// Whether it can no longer end well.
    pub(crate) fn has_failed(&self) -> bool {
        self.error.is_some() || self.malformed || self.finish.is_some_and(Finish::is_failure)
    }

    /// Takes in what the current event brought of the answer.
    pub(crate) fn add_parts(&mut self, parts: Parts) {
        if parts.answer || parts.reasoning {
            self.first_content.get_or_insert(self.events);
        }
        self.answered |= parts.answer;
        if parts.refusal {
            self.add_finish(Finish::Filtered);
        }
    }

    /// Takes in that a call of a tool has begun: an answer, but no content before its first delta.
    pub(crate) fn begin_call(&mut self) {
        self.answered = true;
    }

    /// Takes in a finish reason, of one choice among several perhaps.
    pub(crate) fn add_finish(&mut self, finish: Finish) {
        self.finish = Some(finish.of_choices(self.finish));
    }

    /// Takes in that a choice of several has begun.
    pub(crate) fn begin_choice(&mut self, index: u64) {
        self.open_choices |= 1 << index.min(63);
    }

    /// Takes in that a choice has ended; the last one ends the stream.
    pub(crate) fn end_choice(&mut self, index: u64, finish: Finish) {
        self.add_finish(finish);
        self.open_choices &= !(1 << index.min(63));
        self.terminal |= self.open_choices == 0;
    }

    /// Takes in an error; the first one is kept.
    pub(crate) fn add_error(&mut self, error: Verdict) {
        self.error.get_or_insert(error);
    }

    /// Takes in what an event calls the answer, unless that is known or will not be said any more.
    pub(crate) fn add_response_id(&mut self, event: &Object<'_>) {
        if self.response_id.is_none() && self.events < response_id::EARLY {
            self.response_id = response_id::of_event(event);
        }
    }

    /// Takes in what an event reports of usage.
    pub(crate) fn add_usage(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            self.usage.get_or_insert_default().merge(usage);
        }
    }
}
