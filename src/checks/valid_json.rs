use serde::de::IgnoredAny;

use super::{Answer, Check, Grade};

/// Checks that an answer is one JSON document, where the request asked for JSON.
///
/// A grade of form. The whole text must be JSON: a code fence around it, or a word before it, makes
/// it invalid, as it would the caller's parser. Whether it follows a schema is not checked. An
/// answer without text (a tool call), and one of which only the beginning is known, get no grade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ValidJson {
    always: bool,
}

impl ValidJson {
    /// Checks the answers to requests in JSON mode: `response_format`, `text.format`,
    /// `output_format` or `output_config.format` of a type that begins with `json`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every answer: for callers who ask for JSON in their prompt.
    #[must_use]
    pub fn always() -> Self {
        Self { always: true }
    }
}

impl Check for ValidJson {
    fn check(&self, answer: &Answer<'_>) -> Option<Grade> {
        if !(self.always || answer.json_mode) || !answer.complete || answer.text().is_empty() {
            return None;
        }
        let valid = serde_json::from_str::<IgnoredAny>(answer.text()).is_ok();
        Some(Grade::Form(valid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::EndpointKind;

    fn grade(text: &str, check: ValidJson, json_mode: bool, complete: bool) -> Option<Grade> {
        let body = serde_json::json!({"choices": [{"message": {"content": text}}]}).to_string();
        let mut answer = Answer::new(EndpointKind::Chat, body.as_bytes());
        answer.json_mode = json_mode;
        answer.complete = complete;
        check.check(&answer)
    }

    #[test]
    fn the_whole_text_must_be_one_document() {
        for (text, valid) in [
            (r#" {"a": [1, "x"]} "#, true),
            ("7", true),
            ("```json\n{}\n```", false),
            (r#"{"a": 1"#, false),
            ("{} {}", false),
            ("Sure! {}", false),
            ("  ", false),
        ] {
            let graded = grade(text, ValidJson::new(), true, true);
            assert_eq!(graded, Some(Grade::Form(valid)), "{text}");
        }
    }

    #[test]
    fn what_was_not_asked_for_or_is_not_known_gets_no_grade() {
        assert_eq!(grade("no", ValidJson::new(), false, true), None);
        assert_eq!(
            grade("no", ValidJson::always(), false, true),
            Some(Grade::Form(false))
        );
        assert_eq!(grade("no", ValidJson::always(), true, false), None);
        assert_eq!(grade("", ValidJson::always(), true, true), None);
    }
}
