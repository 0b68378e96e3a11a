//! What clients and attackers send that a scan must get right.

use std::ops::Range;

use bytes::Bytes;

use super::super::{Error, members};

#[test]
fn members_come_in_order_with_their_places() {
    let body = r#" { "model" : "a" , "n":-1.5e3,"o":{"p":[1]} , "t":true}"#;
    let found = found(body).unwrap();
    let texts: Vec<_> = found
        .iter()
        .map(|(key, range)| (key.as_str(), &body[range.clone()]))
        .collect();
    let expected = [
        ("model", r#""a""#),
        ("n", "-1.5e3"),
        ("o", r#"{"p":[1]}"#),
        ("t", "true"),
    ];
    assert_eq!(texts, expected);
}

#[test]
fn an_empty_object_has_no_members() {
    assert_eq!(found("{}"), Ok(vec![]));
    assert_eq!(found("\r\n\t { \n} "), Ok(vec![]));
}

#[test]
fn a_model_in_a_string_or_nested_object_is_not_the_model() {
    let body = r#"{"tools":[{"model":"x"},{"a":{"model":"y"}}],"s":"\",\"model\":\"z\"","t":"{\"model\":1}"}"#;
    assert_eq!(keys(body), Ok(vec!["tools".into(), "s".into(), "t".into()]));
}

#[test]
fn a_duplicate_comes_twice() {
    assert_eq!(
        found(r#"{"model":1,"model":2}"#),
        Ok(vec![("model".into(), 9..10), ("model".into(), 19..20)])
    );
}

#[test]
fn an_escaped_key_is_unescaped_even_across_chunks() {
    for key in [r"mo\u0064el", r"\u006D\u006f\u0064\u0065\u006C", "model"] {
        let body = format!(r#"{{"{key}":"\"\\"}}"#);
        let whole = found(&body).unwrap();
        assert_eq!(whole[0].0, "model");
        let bytes: Vec<_> = body
            .bytes()
            .map(|byte| Bytes::copy_from_slice(&[byte]))
            .collect();
        assert_eq!(ranges(&bytes), Ok(whole));
    }
}

#[test]
fn empty_chunks_are_stepped_over() {
    let chunks = ["", "{\"a\"", "", "", ":1", "", "}", ""].map(Bytes::from);
    assert_eq!(ranges(&chunks), Ok(vec![("a".into(), 5..6)]));
}

#[test]
fn lone_surrogates_are_no_obstacle() {
    let body = r#"{"\ud800":"\udfff","a":"\ud800\ud800","b":["\ud800"]}"#;
    assert_eq!(keys(body).unwrap()[1..], ["a", "b"]);
    let body = [Bytes::from(body)];
    let text = members(&body).nth(1).unwrap().unwrap().1.as_str().unwrap();
    assert!(!text.is_empty() && text.chars().all(|char| char == char::REPLACEMENT_CHARACTER));
}

#[test]
fn numbers_of_any_size_are_numbers() {
    let digits = "9".repeat(10_000);
    for number in ["1e999", "-0", "0.0", "1E+5", "-1e-400", &digits] {
        assert_eq!(keys(&format!(r#"{{"n":{number}}}"#)), Ok(vec!["n".into()]));
    }
}

#[test]
fn what_is_no_value_is_refused_where_it_starts() {
    for wrong in [
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "1.",
        ".5",
        "+1",
        "-",
        "1e",
        "0x1f",
        "tru",
        "True",
        "nullx",
        "undefined",
        "'a'",
        "",
        "}",
        "]",
        ",",
        "\u{2028}1",
        "\u{feff}1",
        "/**/1",
    ] {
        let body = format!(r#"{{"n": {wrong}}}"#);
        let error = found(&body).expect_err(wrong);
        assert!(!error.is_too_deep());
        assert!(
            (6..=6 + wrong.len() + 1).contains(&error.offset()),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn a_root_that_is_no_object_is_refused() {
    for body in [
        "",
        " ",
        "[]",
        "\"model\"",
        "1",
        "null",
        "\u{2028}{}",
        "model=gpt-4o",
        "\0",
    ] {
        assert!(found(body).is_err(), "{body}");
    }
    assert!(ranges(&[]).is_err());
}

#[test]
fn broken_grammar_at_the_top_is_refused() {
    for body in [
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1"b":2}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        r#"{1:1}"#,
        r#"{"a"::1}"#,
        r#"{"a":1,,"b":2}"#,
        r#"{"a":1 2}"#,
        "{'a':1}",
        r#"{"\q":1}"#,
        r#"{"\u12g4":1}"#,
        "{\"a\nb\":1}",
        r#"{"a":1]"#,
        "{\u{a0}}",
    ] {
        assert!(found(body).is_err(), "{body}");
    }
}

#[test]
fn trailing_garbage_is_refused_where_it_starts() {
    for garbage in ["{}", "x", ",", "}", "\0", "\u{feff}"] {
        let error = found(&format!(r#"{{"model":1}} {garbage}"#)).unwrap_err();
        assert_eq!(error.offset(), 12, "{garbage:?}");
    }
}

#[test]
fn a_byte_order_mark_is_stepped_over_once() {
    assert_eq!(found("\u{feff} {\"a\":1}"), Ok(vec![("a".into(), 9..10)]));
    assert!(found("\u{feff}\u{feff}{}").is_err());
    let split = [&b"\xef"[..], b"\xbb", b"\xbf{}"].map(Bytes::from_static);
    assert_eq!(ranges(&split), Ok(vec![]));
    assert!(ranges(&[Bytes::from_static(b"\xef\xbb{}")]).is_err());
}

#[test]
fn a_key_that_is_not_utf8_is_refused_and_a_value_is_left_alone() {
    assert!(ranges(&[Bytes::from_static(b"{\"\xff\":1}")]).is_err());
    let body = [Bytes::from_static(b"{\"a\":\"\xff\",\"b\":[\"\xc3\"]}")];
    assert_eq!(ranges(&body).map(|found| found.len()), Ok(2));
    assert_eq!(members(&body).next().unwrap().unwrap().1.as_str(), None);
}

#[test]
fn a_raw_line_separator_is_text() {
    assert_eq!(
        keys("{\"a\u{2028}\":\"\u{2028}\"}"),
        Ok(vec!["a\u{2028}".into()])
    );
}

#[test]
fn nesting_ends_at_128_levels() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |levels| {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            found(&format!(r#"{{"deep":{open}1{close}}}"#))
        };
        assert!(nested(127).is_ok());
        let error = nested(128).unwrap_err();
        assert!(error.is_too_deep());
        assert_eq!(error.offset(), 8 + 127 * open.len());
        assert!(nested(100_000).unwrap_err().is_too_deep());
    }
    let flat = format!(r#"{{"flat":[{}0]}}"#, "[[],{}],".repeat(1_000));
    assert!(found(&flat).is_ok());
}

#[test]
fn a_walk_ends_with_its_first_error() {
    let body = [Bytes::from_static(b"{\"a\":1,\"b\":x,\"c\":1}")];
    let walked: Vec<_> = members(&body).map(|member| member.is_ok()).collect();
    assert_eq!(walked, [true, false]);
}

#[test]
fn the_types_of_tools_are_found_without_parsing_them() {
    let body = [Bytes::from_static(
        br#"{"tools":[{"type":"web_search","filters":{"type":"no"}},{"name":"f"},{"type":7}]}"#,
    )];
    let (_, tools) = members(&body).next().unwrap().unwrap();
    let types: Vec<_> = tools
        .items()
        .map(|tool| tool.unwrap().last("type").unwrap()?.as_str())
        .collect();
    assert_eq!(types, [Some("web_search".into()), None, None]);
    assert!(tools.members().next().unwrap().is_err());
}

fn found(body: &str) -> Result<Vec<(String, Range<usize>)>, Error> {
    ranges(&[Bytes::copy_from_slice(body.as_bytes())])
}

fn keys(body: &str) -> Result<Vec<String>, Error> {
    Ok(found(body)?.into_iter().map(|(key, _)| key).collect())
}

fn ranges(body: &[Bytes]) -> Result<Vec<(String, Range<usize>)>, Error> {
    members(body)
        .map(|member| member.map(|(key, value)| (key.into_owned(), value.range())))
        .collect()
}
