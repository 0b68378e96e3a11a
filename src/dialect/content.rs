//! What a request says about its content: looked up only for those who ask, in a pass of its own.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    json::{self, Value},
    words::mentions,
};

/// Returns whether a message of the request holds an image.
pub(crate) fn has_images(body: &[Bytes]) -> bool {
    static IMAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("image"));
    mentions(body, &IMAGE)
        && json::members(body)
            .map_while(Result::ok)
            .filter(|(key, _)| matches!(&**key, "messages" | "input" | "contents"))
            .any(|(_, messages)| items(&messages).any(|message| holds_image(&message, MAX_NESTING)))
}

/// A part is an image by its type, at Gemini by that of its data, at Ollama and Bedrock by its name;
/// a tool's result has parts of its own.
fn holds_image(part: &Value<'_>, nesting: u32) -> bool {
    let mut content = None;
    for (key, value) in part.members().map_while(Result::ok) {
        match &*key {
            "type" => {
                let kind = value.as_str();
                let is_image = |kind: &str| matches!(kind, "image_url" | "input_image" | "image");
                if kind.is_some_and(|kind| is_image(&kind)) {
                    return true;
                }
            }
            "inlineData" | "inline_data" | "fileData" | "file_data" if is_image_data(&value) => {
                return true;
            }
            "images" if items(&value).next().is_some() => return true,
            "image" if value.last("source").is_ok_and(|source| source.is_some()) => return true,
            "content" | "output" | "parts" => content = Some(value),
            _ => {}
        }
    }
    nesting > 0
        && content
            .is_some_and(|content| items(&content).any(|part| holds_image(&part, nesting - 1)))
}

fn is_image_data(data: &Value<'_>) -> bool {
    data.members().map_while(Result::ok).any(|(key, value)| {
        matches!(&*key, "mimeType" | "mime_type")
            && value
                .as_str()
                .is_some_and(|kind| kind.starts_with("image/"))
    })
}

/// A message, its parts, and those of a tool's result.
const MAX_NESTING: u32 = 2;

/// Returns what the requests of one conversation have in common: the caller's own cache key or user
/// id, else its first system and first user message. The same on every machine.
pub(crate) fn session_key(body: &[Bytes]) -> Option<u64> {
    let mut user_id = None;
    let mut system = None;
    let mut messages = None;
    for (key, value) in json::members(body).map_while(Result::ok) {
        match &*key {
            "prompt_cache_key" => {
                if let Some(key) = value.as_str().filter(|key| !key.is_empty()) {
                    return Some(stable_hash(key.as_bytes()));
                }
            }
            "metadata" => user_id = value.last("user_id").ok().flatten().or(user_id),
            "system" | "instructions" => system = Some(value),
            "messages" | "input" => messages = Some(value),
            _ => {}
        }
    }
    let user_id = user_id.as_ref().and_then(Value::as_str);
    if let Some(user_id) = user_id.filter(|id| !id.is_empty()) {
        return Some(stable_hash(user_id.as_bytes()));
    }
    let messages = messages?;
    let mut opening = Hash::default();
    opening.add_text(system.as_ref());
    let mut system = system.is_some();
    if messages.as_str().is_some() {
        opening.add_text(Some(&messages));
        return Some(opening.0);
    }
    for message in items(&messages).take(MAX_OPENING) {
        let role = message.last("role").ok()?;
        let role = role.as_ref().and_then(Value::as_str);
        let content = message.last("content").ok()?;
        match role.as_deref() {
            Some("system" | "developer") if !system => {
                system = true;
                opening.add_text(content.as_ref());
            }
            Some("user") => {
                opening.add_text(content.as_ref());
                return Some(opening.0);
            }
            _ => {}
        }
    }
    None
}

/// How many messages may come before the first of the user.
const MAX_OPENING: usize = 8;

fn items<'a>(array: &Value<'a>) -> impl Iterator<Item = Value<'a>> {
    array.items().map_while(Result::ok)
}

/// Returns a hash that is the same in every version and on every machine.
pub(crate) fn stable_hash(text: &[u8]) -> u64 {
    let mut hash = Hash::default();
    hash.add(text);
    hash.0
}

/// FNV-1a over words of eight bytes, each folded, since a system prompt is long.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        // The offset basis of FNV-1a for 64 bits.
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Adds what a message says; what it is marked with (cache control) changes from call to call.
    fn add_text(&mut self, content: Option<&Value<'_>>) {
        let Some(content) = content else { return };
        if let Some(text) = content.as_str() {
            return self.add(text.as_bytes());
        }
        for part in items(content) {
            let text = part.last("text").ok().flatten();
            if let Some(text) = text.as_ref().and_then(Value::as_str) {
                self.add(text.as_bytes());
            }
        }
    }

    fn add(&mut self, text: &[u8]) {
        let text = text.get(..MAX_HASHED).unwrap_or(text);
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
        self.mix(text.len() as u64);
    }

    fn mix(&mut self, word: u64) {
        // The prime of FNV-1a for 64 bits.
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 32;
    }
}

/// Of one text no more than this is hashed, in bytes: what differs differs before.
const MAX_HASHED: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(body: &str, len: usize) -> Vec<Bytes> {
        let chunks = body.as_bytes().chunks(len);
        chunks.map(Bytes::copy_from_slice).collect()
    }

    fn key(body: &str) -> Option<u64> {
        session_key(&[Bytes::copy_from_slice(body.as_bytes())])
    }

    #[test]
    fn images_are_found_by_the_type_of_a_part_in_any_chunks() {
        for (body, expected) in [
            (
                r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                true,
            ),
            (
                "{\"input\" : [ {\"content\" : [ {\"type\" :\n\t\"input_image\"} ] } ] }",
                true,
            ),
            (
                r#"{"messages":[{"content":[{"source":{},"type":"image"}]}]}"#,
                true,
            ),
            (
                r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image"}]}]}]}"#,
                true,
            ),
            (
                r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"x"}}]}]}"#,
                true,
            ),
            (
                r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"audio/image"}},{"text":"x"}]}]}"#,
                false,
            ),
            (r#"{"messages":[{"content":"x","images":["aGk="]}]}"#, true),
            (
                r#"{"messages":[{"content":[{"image":{"format":"png","source":{"bytes":"x"}}}]}]}"#,
                true,
            ),
            (
                r#"{"messages":[{"content":"{\"type\":\"image\"}"},{"content":"\"type\":\"image_url\""}]}"#,
                false,
            ),
            (
                r#"{"tools":[{"type":"image"}],"messages":[{"content":"an image"}]}"#,
                false,
            ),
            (r#"{"messages":[{"content":"x"}]}"#, false),
            ("nonsense about an image", false),
        ] {
            for len in 1..=body.len() {
                assert_eq!(has_images(&chunked(body, len)), expected, "{body} by {len}");
            }
        }
    }

    #[test]
    fn the_callers_own_key_names_the_session() {
        let cache = key(r#"{"prompt_cache_key":"s1","metadata":{"user_id":"u"},"input":"x"}"#);
        assert_eq!(cache, Some(stable_hash(b"s1")));
        let user =
            key(r#"{"metadata":{"user_id":"u"},"messages":[{"role":"user","content":"x"}]}"#);
        assert_eq!(user, Some(stable_hash(b"u")));
    }

    #[test]
    fn the_opening_names_the_session_whatever_follows() {
        let first =
            key(r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"}]}"#);
        let later = key(
            r#"{"messages":[{"role":"system","content":[{"type":"text","text":"S"}]},
            {"content":[{"cache_control":{},"text":"U","type":"text"}],"role":"user"},
            {"role":"assistant","content":"A"},{"role":"user","content":"V"}]}"#,
        );
        assert!(first.is_some());
        assert_eq!(first, later);
        for other in [
            r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"V"}]}"#,
            r#"{"messages":[{"role":"system","content":"T"},{"role":"user","content":"U"}]}"#,
            r#"{"messages":[{"role":"system","content":"SU"},{"role":"user","content":""}]}"#,
        ] {
            assert_ne!(key(other), first, "{other}");
        }
        assert_eq!(
            key(r#"{"system":"S","messages":[{"role":"user","content":"U"}]}"#),
            first
        );
        assert_eq!(key(r#"{"instructions":"S","input":"U"}"#), first);
        for none in [
            r#"{"messages":[]}"#,
            "{}",
            "[",
            r#"{"messages":[{"role":"assistant"}]}"#,
        ] {
            assert_eq!(key(none), None, "{none}");
        }
    }

    #[test]
    fn the_hash_is_the_same_everywhere_and_forever() {
        assert_eq!(stable_hash(b""), 0x6885_3b6a_3912_cca3);
        assert_eq!(stable_hash(b"session-1"), 0x5e1d_ca5d_9435_c7ed);
        let mut long = vec![b'x'; MAX_HASHED + 9];
        let hash = stable_hash(&long);
        long[MAX_HASHED] = b'y';
        assert_eq!(stable_hash(&long), hash);
        long[MAX_HASHED - 1] = b'y';
        assert_ne!(stable_hash(&long), hash);
    }
}
