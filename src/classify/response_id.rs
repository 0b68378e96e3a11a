//! What a provider calls an answer: the id that its SDK shows to the caller.

use std::sync::Arc;

use super::peek::{Json, Object};

/// Reads the id of a whole answer.
pub(super) fn of_answer(answer: &Object<'_>) -> Option<Arc<str>> {
    let [openai, gemini] = answer.fields(["id", "responseId"]);
    text(openai).or_else(|| text(gemini))
}

/// Reads the id of the answer that an event belongs to.
pub(super) fn of_event(event: &Object<'_>) -> Option<Arc<str>> {
    // Of OpenAI's responses, of Anthropic's messages, of Gemini's interactions: in the event that
    // begins them.
    let begun = ["response", "message", "interaction"];
    let begun = begun.iter().find_map(|name| event.field(name)?.field("id"));
    text(begun).or_else(|| of_answer(event))
}

/// Events among which it is looked for.
pub(super) const EARLY: u64 = 4;

fn text(id: Option<Json<'_>>) -> Option<Arc<str>> {
    let id = id?.text()?;
    (1..=LONGEST).contains(&id.len()).then(|| id.into())
}

/// Longer than that of any provider, in bytes.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, of: fn(&Object<'_>) -> Option<Arc<str>>) -> Option<Arc<str>> {
        of(&Object::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn each_provider_says_it_elsewhere() {
        for (json, id) in [
            (r#"{"id":"chatcmpl-1","choices":[]}"#, Some("chatcmpl-1")),
            (r#"{"candidates":[],"responseId":"g-1"}"#, Some("g-1")),
            (r#"{"id":7,"responseId":"g-1"}"#, Some("g-1")),
            (r#"{"id":"","data":[{"id":"b"}]}"#, None),
            (r#"{"data":[]}"#, None),
        ] {
            assert_eq!(read(json, of_answer).as_deref(), id, "{json}");
            assert_eq!(read(json, of_event).as_deref(), id, "{json}");
        }
        for (json, id) in [
            (
                r#"{"type":"response.created","response":{"id":"resp_1"}}"#,
                Some("resp_1"),
            ),
            (
                r#"{"type":"message_start","message":{"id":"msg_1","content":[]}}"#,
                Some("msg_1"),
            ),
            (r#"{"type":"content_block_start","index":0}"#, None),
        ] {
            assert_eq!(read(json, of_event).as_deref(), id, "{json}");
        }
    }

    #[test]
    fn an_id_is_bounded() {
        for (len, known) in [(256, true), (257, false)] {
            let json = format!(r#"{{"id":"{}"}}"#, "x".repeat(len));
            assert_eq!(read(&json, of_answer).is_some(), known, "{len}");
        }
    }
}
