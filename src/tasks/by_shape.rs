use std::borrow::Cow;

use super::{ClassifyTask, RequestFacts};
use crate::dialect::EndpointKind;

/// Tells requests apart by their shape: the endpoint, the size of the prompt, and whether there are
/// tools, images or JSON mode.
///
/// The names are `embeddings`, `images`, `audio`, `moderation`, `count`, `completion` and `chat`;
/// the last two with `.long` from 4,000 tokens of prompt and `.huge` from 32,000; `chat` also with
/// `+tools`, `+images` and `+json`, in this order: `chat.long+tools`. A request with images has no
/// size, since what they take up in the body says nothing about the text. 24 names in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByShape;

impl ClassifyTask for ByShape {
    fn classify(&self, request: &RequestFacts<'_>) -> Option<Cow<'static, str>> {
        name(request).map(Cow::Borrowed)
    }
}

fn name(request: &RequestFacts<'_>) -> Option<&'static str> {
    let size = match request.prompt_tokens {
        0..LONG => 0,
        LONG..HUGE => 1,
        HUGE.. => 2,
    };
    match request.endpoint {
        EndpointKind::Chat if request.images => IMAGES.get(flags(request)).copied(),
        EndpointKind::Chat => CHAT.get(size)?.get(flags(request)).copied(),
        EndpointKind::Completion => COMPLETION.get(size).copied(),
        EndpointKind::Embedding => Some("embeddings"),
        EndpointKind::Image => Some("images"),
        EndpointKind::Audio => Some("audio"),
        EndpointKind::Moderation => Some("moderation"),
        EndpointKind::Video => Some("video"),
        EndpointKind::Rerank => Some("rerank"),
        EndpointKind::Document => Some("document"),
        EndpointKind::Count => Some("count"),
    }
}

/// A question with some context ends about here; what is longer is documents or a history.
const LONG: u64 = 4_000;
/// From about here models begin to lose the middle.
const HUGE: u64 = 32_000;

/// By what else is asked for.
const CHAT: [[&str; 4]; 3] = [
    ["chat", "chat+tools", "chat+json", "chat+tools+json"],
    [
        "chat.long",
        "chat.long+tools",
        "chat.long+json",
        "chat.long+tools+json",
    ],
    [
        "chat.huge",
        "chat.huge+tools",
        "chat.huge+json",
        "chat.huge+tools+json",
    ],
];
const IMAGES: [&str; 4] = [
    "chat+images",
    "chat+tools+images",
    "chat+images+json",
    "chat+tools+images+json",
];
const COMPLETION: [&str; 3] = ["completion", "completion.long", "completion.huge"];

fn flags(request: &RequestFacts<'_>) -> usize {
    usize::from(request.tools) + 2 * usize::from(request.json_mode)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::{Extensions, HeaderMap};

    use super::*;

    fn of(endpoint: EndpointKind, tokens: u64, flags: u8) -> &'static str {
        let (headers, extensions) = (HeaderMap::new(), Extensions::new());
        let mut facts = RequestFacts::new(endpoint, "m", &headers, &extensions);
        facts.prompt_tokens = tokens;
        facts.tools = flags & 1 != 0;
        facts.images = flags & 2 != 0;
        facts.json_mode = flags & 4 != 0;
        match ByShape.classify(&facts) {
            Some(Cow::Borrowed(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_says_what_a_request_brings() {
        use EndpointKind::{Chat, Completion, Embedding};
        for (endpoint, tokens, flags, expected) in [
            (Chat, 0, 0, "chat"),
            (Chat, 3_999, 1, "chat+tools"),
            (Chat, 4_000, 1, "chat.long+tools"),
            (Chat, 32_000, 5, "chat.huge+tools+json"),
            (Chat, 900_000, 2, "chat+images"),
            (Chat, 1, 7, "chat+tools+images+json"),
            (Completion, u64::MAX, 7, "completion.huge"),
            (Embedding, 50_000, 0, "embeddings"),
        ] {
            assert_eq!(of(endpoint, tokens, flags), expected);
        }
    }

    #[test]
    fn there_are_as_many_names_as_documented_and_none_allocates() {
        use EndpointKind::{Audio, Chat, Completion, Count, Embedding, Image, Moderation};
        let mut names = BTreeSet::new();
        for endpoint in [Audio, Chat, Completion, Count, Embedding, Image, Moderation] {
            for tokens in [0, LONG, HUGE] {
                names.extend((0..8).map(|flags| of(endpoint, tokens, flags)));
            }
        }
        assert_eq!(names.len(), 24, "{names:?}");
    }
}
