use super::{Answer, Check, Grade};
use crate::dialect::EndpointKind;

/// Checks that an answer in words has some: more than white space, unless it calls a tool.
///
/// A grade of form, for chat and completions. An answer with nothing in it at all is no success to
/// begin with, and needs no check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotBlank;

impl Check for NotBlank {
    fn check(&self, answer: &Answer<'_>) -> Option<Grade> {
        let in_words = matches!(
            answer.endpoint,
            EndpointKind::Chat | EndpointKind::Completion
        );
        // No text at all is media, a tool call or a format that we do not know.
        if !in_words || !answer.complete || answer.text().is_empty() || answer.calls_tools() {
            return None;
        }
        Some(Grade::Form(!answer.text().trim().is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_is_no_answer() {
        let grade = |endpoint, message: &str| {
            let body = format!(r#"{{"choices":[{{"message":{{{message}}}}}]}}"#);
            NotBlank.check(&Answer::new(endpoint, body.as_bytes()))
        };
        let chat = |message| grade(EndpointKind::Chat, message);
        assert_eq!(chat(r#""content":" \n""#), Some(Grade::Form(false)));
        assert_eq!(chat(r#""content":" x""#), Some(Grade::Form(true)));
        assert_eq!(
            chat(r#""content":" ","tool_calls":[]"#),
            Some(Grade::Form(false))
        );
        assert_eq!(chat(r#""content":" ","tool_calls":[{"id":"1"}]"#), None);
        assert_eq!(chat(r#""content":"""#), None);
        assert_eq!(grade(EndpointKind::Audio, r#""content":" ""#), None);
    }
}
