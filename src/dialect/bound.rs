//! State that only the provider that wrote it can read.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use super::{
    json::{self, Value},
    words::mentions,
};

/// The messages of a request, by the name that they have at the top of its body: the name tells who
/// wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turns {
    /// `messages`, of chat completions and Anthropic's messages.
    Messages,
    /// `input`, of responses.
    Input,
    /// `contents`, of Gemini.
    Contents,
}

/// Returns whether a message of a request holds state that only the provider of its conversation can
/// read. It takes a look at all of the body, for those who have somebody else to send it to.
pub(crate) fn holds_state(body: &[Bytes]) -> bool {
    json::members(body)
        .map_while(Result::ok)
        .any(|(key, value)| {
            let turns = match &*key {
                "messages" => Turns::Messages,
                "input" => Turns::Input,
                "contents" => Turns::Contents,
                _ => return false,
            };
            is_bound(body, turns, &value)
        })
}

/// Returns whether a message holds something that another provider would refuse: signed or
/// encrypted reasoning, or the id of an item that is stored with the provider.
///
/// A look for the words comes first; only where one occurs the messages are read. A word that is
/// written with escapes is not seen: no client writes it so.
fn is_bound(body: &[Bytes], turns: Turns, value: &Value<'_>) -> bool {
    static SIGNATURE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("ignature\""));
    static REDACTED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("redacted_thinking"));
    static ENCRYPTED: LazyLock<Finder<'static>> =
        LazyLock::new(|| Finder::new("encrypted_content"));
    static REFERENCE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("item_reference"));
    match turns {
        Turns::Messages => {
            (mentions(body, &SIGNATURE) || mentions(body, &REDACTED))
                && items(value).any(|message| is_signed_message(&message))
        }
        Turns::Input => {
            (mentions(body, &ENCRYPTED) || mentions(body, &REFERENCE))
                && items(value).any(|item| is_encrypted_item(&item))
        }
        Turns::Contents => {
            mentions(body, &SIGNATURE)
                && items(value).any(|content| {
                    let parts = content.last("parts").ok().flatten();
                    parts.is_some_and(|parts| items(&parts).any(|part| is_signed_part(&part)))
                })
        }
    }
}

/// Anthropic's thinking blocks, and the signatures that Gemini and OpenRouter hand out in the form
/// of chat completions.
fn is_signed_message(message: &Value<'_>) -> bool {
    members(message).any(|(key, value)| match &*key {
        "content" => items(&value).any(|block| is_signed_block(&block)),
        "reasoning_details" => items(&value).any(|detail| has_text(&detail, &["signature"])),
        "tool_calls" => items(&value).any(|call| {
            let extra = call.last("extra_content").ok().flatten();
            let google = extra.and_then(|extra| extra.last("google").ok().flatten());
            google.is_some_and(|google| has_text(&google, &["thought_signature"]))
        }),
        _ => false,
    })
}

fn is_signed_block(block: &Value<'_>) -> bool {
    let kind = block.last("type").ok().flatten();
    match kind.as_ref().and_then(Value::as_str).as_deref() {
        Some("redacted_thinking") => true,
        Some("thinking") => has_text(block, &["signature"]),
        _ => false,
    }
}

fn is_encrypted_item(item: &Value<'_>) -> bool {
    let kind = item.last("type").ok().flatten();
    let kind = kind.as_ref().and_then(Value::as_str);
    kind.is_some_and(|kind| kind == "item_reference") || has_text(item, &["encrypted_content"])
}

fn is_signed_part(part: &Value<'_>) -> bool {
    has_text(part, &["thoughtSignature", "thought_signature"])
}

/// Whether a member of one of these names is a text that says something.
fn has_text(object: &Value<'_>, names: &[&str]) -> bool {
    members(object).any(|(key, value)| {
        // Both quotes, and something between them.
        names.contains(&&*key) && !value.is_null() && value.range().len() > 2
    })
}

fn items<'a>(array: &Value<'a>) -> impl Iterator<Item = Value<'a>> {
    array.items().map_while(Result::ok)
}

fn members<'a>(object: &Value<'a>) -> impl Iterator<Item = (std::borrow::Cow<'a, str>, Value<'a>)> {
    object.members().map_while(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(body: &str) -> bool {
        let by = |len: usize| {
            let chunks: Vec<_> = body
                .as_bytes()
                .chunks(len)
                .map(Bytes::copy_from_slice)
                .collect();
            holds_state(&chunks)
        };
        let whole = by(body.len());
        for len in 1..body.len() {
            assert_eq!(by(len), whole, "{body} by {len}");
        }
        whole
    }

    #[test]
    fn what_only_one_provider_can_read_is_seen() {
        for body in [
            r#"{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"Eq=="}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"data":"E","type":"redacted_thinking"}]}]}"#,
            r#"{"messages":[{"role":"assistant","reasoning_details":[{"type":"reasoning.text","signature":"s"}]}]}"#,
            r#"{"messages":[{"role":"assistant","tool_calls":[{"extra_content":{"google":{"thought_signature":"s"}}}]}]}"#,
            r#"{"input":[{"type":"reasoning","encrypted_content":"gAAA"}]}"#,
            r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#,
            r#"{"contents":[{"parts":[{"functionCall":{},"thoughtSignature":"s"}]}]}"#,
            r#"{"contents":[{"parts":[{"text":"x"},{"thought_signature":"s"}]}]}"#,
        ] {
            assert!(bound(body), "{body}");
        }
    }

    #[test]
    fn words_in_a_prompt_bind_nothing() {
        for body in [
            r#"{"messages":[{"role":"user","content":"a signature\", redacted_thinking and encrypted_content"}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":""}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"text","signature":"x"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"{\"type\":\"redacted_thinking\"}"}]}]}"#,
            r#"{"input":[{"type":"reasoning","encrypted_content":null}]}"#,
            r#"{"input":"encrypted_content"}"#,
            r#"{"input":[{"role":"user","content":"item_reference"}]}"#,
            r#"{"contents":[{"parts":[{"text":"thoughtSignature"}]}]}"#,
            r#"{"tools":[{"name":"signature"}],"messages":[]}"#,
        ] {
            assert!(!bound(body), "{body}");
        }
    }
}
