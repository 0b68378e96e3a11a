//! As much of JSON Schema as the schema of the file uses. What else a schema says fails the test that
//! uses it: this checker must not be blind.

use serde_json::{Map, Value};

/// Says what a schema has against a value: the place, and the word of the schema that it is against.
pub(super) fn against(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(schema) = schema else {
        assert_eq!(schema, &Value::Bool(true), "at {at}");
        return;
    };
    if schema
        .get("type")
        .is_some_and(|kind| !is_of(kind.as_str().unwrap(), value))
    {
        // What has the wrong type fits no other word either.
        found.push(format!("{at} type"));
        return;
    }
    for (word, rule) in schema {
        let good = match word.as_str() {
            "$schema" | "title" | "description" | "default" | "type" => true,
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => number(value) >= number(rule),
            "maximum" => number(value) <= number(rule),
            "exclusiveMinimum" => number(value) > number(rule),
            "minItems" => value.as_array().unwrap().len() as u64 >= rule.as_u64().unwrap(),
            "pattern" => matches(rule.as_str().unwrap(), value.as_str().unwrap()),
            "oneOf" => {
                let mut kinds = rule.as_array().unwrap().iter();
                kinds.any(|kind| against(kind, value).is_empty())
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, item, &format!("{at}/{index}"), found);
                }
                true
            }
            "required" => {
                let mut names = rule.as_array().unwrap().iter();
                names.all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(rule, value, &format!("{at}/{name}"), found);
                    }
                }
                true
            }
            "additionalProperties" => others(schema, rule, value, at, found),
            other => panic!("the checker does not know {other:?}, at {at}"),
        };
        if !good {
            found.push(format!("{at} {word}"));
        }
    }
}

fn others(
    schema: &Map<String, Value>,
    rule: &Value,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) -> bool {
    let known = schema.get("properties").and_then(Value::as_object);
    let members = value.as_object().into_iter().flatten();
    let mut others =
        members.filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)));
    if *rule == Value::Bool(false) {
        return others.next().is_none();
    }
    for (name, value) in others {
        check(rule, value, &format!("{at}/{name}"), found);
    }
    true
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the checker does not know the type {other:?}"),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The patterns that there are.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^[0-9a-fA-F]{64}$" => text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()),
        "^[hH][tT][tT][pP][sS]?://[^@?#]+$" => {
            let text = text.to_ascii_lowercase();
            let rest = text.strip_prefix("http://");
            let rest = rest.or_else(|| text.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#']))
        }
        "^rediss?://[^@?#]+$" => {
            let rest = text.strip_prefix("redis://");
            let rest = rest.or_else(|| text.strip_prefix("rediss://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#']))
        }
        "^[a-z0-9-]{1,32}$" => {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=32).contains(&text.len()) && text.chars().all(plain)
        }
        other => panic!("the checker does not know the pattern {other:?}"),
    }
}
