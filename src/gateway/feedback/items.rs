use std::fmt;

use serde_json::{Map, Value};

use crate::router::Score;

/// What a body says.
#[derive(Debug)]
pub(super) enum Feedback {
    One(Item),
    Many(Vec<Item>),
}

/// How good one answer was.
pub(super) struct Item {
    pub(super) id: String,
    pub(super) score: Score,
    pub(super) reason: Option<String>,
}

impl fmt::Debug for Item {
    /// Shows nothing that somebody has written about an answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("score", &self.score)
            .finish_non_exhaustive()
    }
}

/// Reads a body, or says what is wrong with it and where.
pub(super) fn read(body: &[u8]) -> Result<Feedback, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("The body is no JSON: {error}."))?;
    match body {
        Value::Array(items) if items.is_empty() => Err("The list is empty.".to_owned()),
        Value::Array(items) if items.len() > MOST => Err(format!(
            "The list has {} items: at most {MOST} are taken at once.",
            items.len()
        )),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let items = items.map(|(index, item)| {
                item_of(item).map_err(|Wrong { field, what }| match field {
                    "" => format!("[{index}] {what}."),
                    field => format!("[{index}].{field} {what}."),
                })
            });
            items.collect::<Result<_, _>>().map(Feedback::Many)
        }
        one => item_of(&one)
            .map(Feedback::One)
            .map_err(|Wrong { field, what }| match field {
                "" => format!("The body {what}."),
                field => format!("\"{field}\" {what}."),
            }),
    }
}

/// What is wrong with an item, and in which of its fields.
struct Wrong {
    field: &'static str,
    what: String,
}

fn wrong<T>(field: &'static str, what: impl Into<String>) -> Result<T, Wrong> {
    let what = what.into();
    Err(Wrong { field, what })
}

fn item_of(item: &Value) -> Result<Item, Wrong> {
    let Value::Object(item) = item else {
        let what = r#"must be an object such as {"id": "chatcmpl-...", "score": 0.9}"#;
        return wrong("", what);
    };
    if let Some(name) = item.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let name: String = name.chars().take(SHOWN).collect();
        let fields = FIELDS.join(", ");
        return wrong(
            "",
            format!("has the unknown field {name:?}: it may have {fields}"),
        );
    }
    Ok(Item {
        id: text(item, "id", LONGEST_ID)?.map_or_else(|| wrong("id", "is missing"), Ok)?,
        score: score(item)?,
        reason: text(item, "reason", LONGEST_REASON)?,
    })
}

fn score(item: &Map<String, Value>) -> Result<Score, Wrong> {
    match (present(item, "score"), present(item, "success")) {
        (Some(score), None) => {
            let score = score.as_f64().and_then(|score| Score::new(score).ok());
            score.map_or_else(|| wrong("score", "must be a number from 0 to 1"), Ok)
        }
        (None, Some(Value::Bool(true))) => Ok(Score::BEST),
        (None, Some(Value::Bool(false))) => Ok(Score::WORST),
        (None, Some(_)) => wrong("success", "must be true or false"),
        (Some(_), Some(_)) => wrong("success", "says the same as \"score\": give one of them"),
        (None, None) => wrong(
            "score",
            "is missing, and so is \"success\": give one of them",
        ),
    }
}

fn text(
    item: &Map<String, Value>,
    field: &'static str,
    longest: usize,
) -> Result<Option<String>, Wrong> {
    match present(item, field) {
        None => Ok(None),
        Some(Value::String(text)) if text.is_empty() => wrong(field, "is empty"),
        Some(Value::String(text)) if text.len() <= longest => Ok(Some(text.clone())),
        Some(Value::String(_)) => wrong(field, format!("is longer than {longest} bytes")),
        Some(_) => wrong(field, "must be a text"),
    }
}

fn present<'a>(item: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    item.get(field).filter(|value| !value.is_null())
}

const FIELDS: [&str; 4] = ["id", "score", "success", "reason"];
/// Items taken at once.
const MOST: usize = 100;
/// As long as an id is that is remembered.
const LONGEST_ID: usize = 256;
const LONGEST_REASON: usize = 1024;
/// Enough of a field's name to recognise it by.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scores_come_as_numbers_and_as_success() {
        for (body, score) in [
            (r#"{"id":"a","score":0.25}"#, 0.25),
            (
                r#"{"id":"a","score":1,"reason":"why not","success":null}"#,
                1.0,
            ),
            (r#"{"id":"a","success":true}"#, 1.0),
            (r#"{"id":"a","success":false}"#, 0.0),
        ] {
            let Ok(Feedback::One(item)) = read(body.as_bytes()) else {
                panic!("{body}");
            };
            assert_eq!((item.id.as_str(), item.score.value()), ("a", score));
        }
        let many = read(br#"[{"id":"a","score":0},{"id":"b","score":1}]"#);
        assert!(matches!(many, Ok(Feedback::Many(items)) if items.len() == 2));
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let long = format!(r#"{{"id":"{}","score":1}}"#, "x".repeat(257));
        let reason = format!(r#"{{"id":"a","score":1,"reason":"{}"}}"#, "x".repeat(1025));
        let many = format!("[{}]", vec![r#"{"id":"a","score":1}"#; 101].join(","));
        for (body, told) in [
            ("", "The body is no JSON: EOF"),
            ("3", "The body must be an object"),
            ("[]", "The list is empty."),
            (&many, "The list has 101 items: at most 100"),
            ("[{\"id\":\"a\",\"score\":1},7]", "[1] must be an object"),
            (r#"{"score":1}"#, "\"id\" is missing."),
            (r#"{"id":7,"score":1}"#, "\"id\" must be a text."),
            (r#"{"id":"","score":1}"#, "\"id\" is empty."),
            (&long, "\"id\" is longer than 256 bytes."),
            (&reason, "\"reason\" is longer than 1024 bytes."),
            (r#"{"id":"a"}"#, "\"score\" is missing"),
            (
                r#"{"id":"a","score":1,"success":true}"#,
                "\"success\" says the same",
            ),
            (
                r#"{"id":"a","success":"yes"}"#,
                "\"success\" must be true or false.",
            ),
            (r#"{"id":"a","score":1,"mark":2}"#, "unknown field \"mark\""),
            (
                r#"[{"id":"a","score":1.01}]"#,
                "[0].score must be a number from 0 to 1.",
            ),
            (
                r#"[{"id":"a","score":-0.5}]"#,
                "[0].score must be a number from 0 to 1.",
            ),
            (
                r#"{"id":"a","score":"1"}"#,
                "\"score\" must be a number from 0 to 1.",
            ),
            (
                r#"{"id":"a","score":1e999}"#,
                "The body is no JSON: number out of range",
            ),
        ] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{body}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).is_err());
    }

    #[test]
    fn f40_reasons_are_not_shown() {
        let read = read(br#"{"id":"canary-1","score":1,"reason":"canary-2"}"#).unwrap();
        assert!(!format!("{read:?}").contains("canary"));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_taken_or_refused(parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"id\"", "\"score\"", "\"success\"", "\"reason\"",
                "\"a\"", "true", "null", "0.5", "1e999", "-1", "{\"id\":\"a\",\"score\":1}", "\u{e9}",
            ]),
            0..12,
        )) {
            match read(parts.concat().as_bytes()) {
                Ok(Feedback::One(item)) => prop_assert!((1..=LONGEST_ID).contains(&item.id.len())),
                Ok(Feedback::Many(items)) => prop_assert!((1..=MOST).contains(&items.len())),
                Err(message) => prop_assert!(message.ends_with('.'), "{}", message),
            }
        }
    }
}
