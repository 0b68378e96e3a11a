use super::BOM;
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

    /// Tells whether a text begins as [server-sent events](Self::Sse) do, whatever it is called:
    /// some servers stream them as JSON, as plain text, or without a type. `None` where too little
    /// of it is here to tell.
    #[must_use]
    pub fn begins_sse<'a>(text: impl IntoIterator<Item = &'a [u8]>) -> Option<bool> {
        let mut start = [0; LONGEST_FIELD];
        let mut len = 0;
        let bytes = text.into_iter().flatten().copied();
        let blank = |byte: &u8| byte.is_ascii_whitespace() || BOM.contains(byte);
        for (slot, byte) in start.iter_mut().zip(bytes.skip_while(blank)) {
            *slot = byte;
            len += 1;
        }
        let start = start.get(..len)?;
        if FIELDS.iter().any(|field| start.starts_with(field)) {
            Some(true)
        } else if FIELDS.iter().any(|field| field.starts_with(start)) {
            None
        } else {
            Some(false)
        }
    }
}

/// What the first line of server-sent events begins with; without a name, it is a comment.
const FIELDS: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
const LONGEST_FIELD: usize = 6;

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
    fn events_are_known_by_their_beginning() {
        for (text, expected) in [
            ("data: {}\n\n", Some(true)),
            ("data:{}", Some(true)),
            ("event: ping\n", Some(true)),
            (": OPENROUTER PROCESSING\n", Some(true)),
            ("\u{feff}\r\n\n id: 1\n", Some(true)),
            ("retry: 5\n", Some(true)),
            ("", None),
            ("\n\n", None),
            ("dat", None),
            ("retry", None),
            ("{\"data\":[]}", Some(false)),
            ("[{}]", Some(false)),
            ("database: full", Some(false)),
            ("\u{e9}", Some(false)),
        ] {
            let whole = Framing::begins_sse([text.as_bytes()]);
            assert_eq!(whole, expected, "{text:?}");
            let pieces = Framing::begins_sse(text.as_bytes().chunks(1));
            assert_eq!(pieces, expected, "{text:?} in pieces");
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
