use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::*;

fn rules(rules: &[(&str, Option<&str>, Option<Value>)]) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, to, value) in rules {
        match (to, value) {
            (Some(to), _) => parameters.rename((*name).into(), (*to).into()),
            (None, Some(value)) => parameters.set((*name).into(), value),
            (None, None) => parameters.drop((*name).into()),
        }
    }
    parameters
}

fn apply(parameters: &Parameters, body: &str) -> String {
    let mut last = None;
    for len in 1..=body.len().max(1) {
        let chunks: Vec<_> = body
            .as_bytes()
            .chunks(len)
            .map(Bytes::copy_from_slice)
            .collect();
        let edits = parameters.edits(&chunks).unwrap_or_default();
        let edited = Vec::from(json::edit(&chunks, &edits).chunks).concat();
        let edited = String::from_utf8(edited).unwrap();
        assert_eq!(*last.get_or_insert_with(|| edited.clone()), edited);
    }
    last.unwrap_or_default()
}

#[test]
fn a_parameter_is_renamed_where_it_stands() {
    let rules = rules(&[("max_tokens", Some("max_completion_tokens"), None)]);
    for (body, expected) in [
        (
            r#"{"model":"m", "max_tokens" : 5 , "n":1}"#,
            r#"{"model":"m", "max_completion_tokens" : 5 , "n":1}"#,
        ),
        (r#"{"max\u005ftokens":5}"#, r#"{"max_completion_tokens":5}"#),
        (
            r#"{"x":{"max_tokens":1},"y":"max_tokens"}"#,
            r#"{"x":{"max_tokens":1},"y":"max_tokens"}"#,
        ),
        (
            r#"{"max_tokens":5,"a":1,"max_completion_tokens":7}"#,
            r#"{"a":1,"max_completion_tokens":7}"#,
        ),
        (
            r#"{"max_completion_tokens":7, "max_tokens":5}"#,
            r#"{"max_completion_tokens":7}"#,
        ),
    ] {
        assert_eq!(apply(&rules, body), expected);
    }
}

#[test]
fn a_parameter_is_dropped_with_one_comma() {
    let rules = rules(&[("d", None, None)]);
    for (body, expected) in [
        (r#"{"d":1}"#, "{}"),
        (r#"{ "d" : [1,2] }"#, "{  }"),
        (r#"{"d":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{ "d":1 , "a":2 }"#, r#"{ "a":2 }"#),
        (r#"{"a":2,"d":1}"#, r#"{"a":2}"#),
        (r#"{"a":2 , "d":1 }"#, r#"{"a":2 }"#),
        (r#"{"a":1,"d":{"d":2},"b":3}"#, r#"{"a":1,"b":3}"#),
        (
            r#"{"d":1,"d":2,"a":1,"d":3,"d":4,"b":2,"d":5}"#,
            r#"{"a":1,"b":2}"#,
        ),
        (r#"{"d":1,"d":2}"#, "{}"),
        ("\u{feff}{\"d\":1}", "\u{feff}{}"),
        ("{}", "{}"),
        ("[1]", "[1]"),
        (r#"{"d":1"#, r#"{"d":1"#),
    ] {
        assert_eq!(apply(&rules, body), expected, "{body}");
    }
}

#[test]
fn a_parameter_is_set_where_it_stands_or_at_the_end() {
    let one = rules(&[("s", None, Some(json!({"a": [1]})))]);
    for (body, expected) in [
        (r#"{"s" : 1 ,"b":2}"#, r#"{"s" : {"a":[1]} ,"b":2}"#),
        (r#"{"s":1,"s":2}"#, r#"{"s":{"a":[1]},"s":{"a":[1]}}"#),
        (r#"{"b":2 }"#, r#"{"b":2,"s":{"a":[1]} }"#),
        (" { } ", r#" {"s":{"a":[1]} } "#),
    ] {
        assert_eq!(apply(&one, body), expected);
    }
    let all = rules(&[
        ("d", None, None),
        ("s", None, Some(json!(1))),
        ("t", None, Some(json!("x\"y"))),
    ]);
    for (body, expected) in [
        (r#"{"d":1}"#, r#"{"s":1,"t":"x\"y"}"#),
        (r#"{"a":0,"d":1}"#, r#"{"a":0,"s":1,"t":"x\"y"}"#),
        (r#"{"d":1,"t":0}"#, r#"{"t":"x\"y","s":1}"#),
    ] {
        assert_eq!(apply(&all, body), expected);
    }
}

#[test]
fn rules_that_contradict_each_other_or_routing_are_refused() {
    let check = |parameters: Parameters| {
        let error = parameters.check("target \"a\"").unwrap_err().to_string();
        assert!(error.starts_with("target \"a\": "), "{error}");
        error
    };
    let two = "two rules name the parameter \"a\"";
    assert!(check(rules(&[("a", None, None), ("a", Some("b"), None)])).contains(two));
    assert!(check(rules(&[("b", Some("a"), None), ("a", None, None)])).contains(two));
    assert!(check(rules(&[("a", Some("a"), None)])).contains(two));
    assert!(check(rules(&[("", None, None)])).contains("is no name"));
    assert!(check(rules(&[("x", Some(&"x".repeat(65)), None)])).contains("is no name"));
    for name in ["model", "stream"] {
        assert!(check(rules(&[(name, None, None)])).contains("must stay as it is"));
        assert!(check(rules(&[("x", Some(name), None)])).contains("must stay as it is"));
    }
    let mut unsaid = Parameters::default();
    unsaid.set("x".into(), &std::collections::HashMap::from([((), 1)]));
    assert!(check(unsaid).contains("is not JSON"));
    assert!(
        rules(&[("a", Some("b"), None), ("c", None, None)])
            .check("")
            .is_ok()
    );
}

#[test]
fn what_reaches_the_target_is_known_by_name() {
    let rules = rules(&[
        ("max_tokens", Some("max_completion_tokens"), None),
        ("seed", None, None),
    ]);
    let fields: Fields = ["max_tokens", "seed", "n"].into_iter().collect();
    let leaves = |name| rules.leave(&fields, field_hash(name));
    assert!(leaves("max_completion_tokens") && leaves("n"));
    assert!(!leaves("max_tokens") && !leaves("seed") && !leaves("top_p"));
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

proptest! {
    #[test]
    fn the_result_is_as_a_parser_would_have_made_it(
        document in document(),
        rename in any::<bool>(),
        drop in any::<bool>(),
        set in any::<bool>(),
        value in select(vec![json!(null), json!(1.5), json!("\n\u{e9}"), json!({"a": []})]),
    ) {
        let mut chosen = Vec::new();
        chosen.extend(rename.then_some(("a", Some("b"), None)));
        chosen.extend(drop.then_some(("c", None, None)));
        chosen.extend(set.then_some(("d", None, Some(value.clone()))));
        let parameters = rules(&chosen);
        prop_assert!(parameters.check("").is_ok());
        let edited = apply(&parameters, &document);

        let mut expected: Map<String, Value> = serde_json::from_str(&document).expect("is valid");
        if rename && let Some(renamed) = expected.remove("a") {
            expected.entry("b").or_insert(renamed);
        }
        if drop {
            expected.remove("c");
        }
        if set {
            expected.insert("d".into(), value);
        }
        let found: Map<String, Value> = serde_json::from_str(&edited).expect("stays valid");
        prop_assert_eq!(found, expected, "{}", document);
        if chosen.is_empty() {
            prop_assert_eq!(edited, document);
        }
    }

    #[test]
    fn members_that_no_rule_names_are_left_byte_by_byte(document in document()) {
        let parameters = rules(&[
            ("a", Some("b"), None),
            ("c", None, None),
            ("d", None, Some(json!(0))),
        ]);
        let edited = apply(&parameters, &document);
        // Members that stay, each from the quote before its key to the end of its value.
        let raw = |text: &str| {
            let body = [Bytes::copy_from_slice(text.as_bytes())];
            let mut members = json::members(&body);
            let entries = std::iter::from_fn(|| members.next_entry());
            let entries = entries.map(|entry| entry.expect("is valid"));
            let entries = entries.filter(|entry| entry.name == "e");
            entries.map(|entry| text[entry.range()].to_owned()).collect::<Vec<_>>()
        };
        prop_assert_eq!(raw(&edited), raw(&document));
        for end in [&document[document.rfind('}').unwrap_or(0)..], &document[..document.find('{').unwrap_or(0)]] {
            prop_assert!(edited.starts_with(end) || edited.ends_with(end));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(select(b"\"\\{}[],: abcd1\xef\xbb\xbf".as_slice()), 0..60)) {
        let parameters = rules(&[("a", Some("b"), None), ("c", None, None), ("d", None, Some(json!(0)))]);
        let body = [Bytes::from(bytes)];
        if let Some(edits) = parameters.edits(&body) {
            let _ = json::edit(&body, &edits);
        }
    }
}

fn document() -> impl Strategy<Value = String> {
    let space = || select(["", "", " ", "\n "].as_slice());
    let value = select(
        [
            "1",
            "null",
            "\"a\"",
            "\"\\\"},\"",
            "{\"a\":{\"c\":1}}",
            "[{\"d\":[]},\"c\"]",
            "{ }",
            "-1.5e3",
        ]
        .as_slice(),
    );
    let member = (select(NAMES.as_slice()), space(), space(), value, space()).prop_map(
        |(name, before, middle, value, after)| {
            format!("{before}\"{name}\"{middle}:{before}{value}{after}")
        },
    );
    (space(), vec(member, 0..8), space()).prop_map(|(before, members, after)| {
        format!("{before}{{{before}{}}}{after}", members.join(","))
    })
}
