use bytes::Bytes;
use serde::Serialize;

/// One event of the stream that viewers get, as it goes over the wire.
#[derive(Clone, Debug, Default)]
pub(in crate::gateway) struct Event(pub(in crate::gateway) Bytes);

impl Event {
    /// Writes an event with a JSON document.
    pub(super) fn json(name: &str, document: &impl Serialize) -> Self {
        let mut text = format!("event: {name}\ndata: ").into_bytes();
        // JSON has no line breaks: those within its texts are escaped.
        if serde_json::to_writer(&mut text, document).is_err() {
            return Self(Bytes::from_static(b": an event that cannot be written\n\n"));
        }
        text.extend_from_slice(b"\n\n");
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_in_names_do_not_break_the_framing() {
        let event = Event::json("view", &"a\r\n\ndata: forged\u{2028}");
        assert_eq!(
            event.0,
            "event: view\ndata: \"a\\r\\n\\ndata: forged\u{2028}\"\n\n"
        );
    }
}
