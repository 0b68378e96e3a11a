use crate::{classify::is_json, dialect::Dialect};

/// How the events of a streamed answer are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// A JSON document on each line.
    Lines,
    /// Binary frames of AWS, each with its length and checksums.
    Frames,
    /// One JSON array that grows item by item.
    Array,
}

impl Framing {
    /// Returns the framing that a content type names, or `None` where it names no stream.
    ///
    /// Never [`Array`](Self::Array): what it is called is `application/json`, which most often is
    /// a document.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let is = |kind: &&str| essence.eq_ignore_ascii_case(kind);
        if is(&"text/event-stream") {
            Some(Self::Sse)
        } else if is(&"application/vnd.amazon.eventstream") {
            Some(Self::Frames)
        } else if LINES.iter().any(is) {
            Some(Self::Lines)
        } else {
            None
        }
    }

    /// Returns the framing of an answer in a dialect; `stream` tells whether the request asked for
    /// a stream. `None` where the answer comes whole.
    #[must_use]
    pub fn of_answer(dialect: &dyn Dialect, content_type: &str, stream: bool) -> Option<Self> {
        let grows =
            || stream && matches!(dialect.name(), "gemini" | "vertex") && is_json(content_type);
        Self::of(content_type).or_else(|| grows().then_some(Self::Array))
    }
}

/// Nobody registered one; these are in use.
const LINES: &[&str] = &[
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    // Cohere.
    "application/stream+json",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::OpenAi;

    #[test]
    fn a_content_type_tells_the_framing() {
        for (content_type, framing) in [
            ("text/event-stream", Some(Framing::Sse)),
            ("Text/Event-Stream ; charset=utf-8", Some(Framing::Sse)),
            ("application/x-ndjson", Some(Framing::Lines)),
            ("application/jsonl; charset=utf-8", Some(Framing::Lines)),
            ("application/vnd.amazon.eventstream", Some(Framing::Frames)),
            ("application/json", None),
            ("text/event-streams", None),
            ("", None),
        ] {
            assert_eq!(Framing::of(content_type), framing, "{content_type}");
        }
    }

    #[test]
    fn json_is_a_document_unless_a_dialect_streams_it() {
        assert_eq!(Framing::of_answer(&OpenAi, "application/json", true), None);
        assert_eq!(
            Framing::of_answer(&OpenAi, "text/event-stream", false),
            Some(Framing::Sse)
        );
    }
}
