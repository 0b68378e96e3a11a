use bytes::Bytes;
use http::StatusCode;

use crate::dialect::json::{self, Edit, Value};

/// Returns what makes a request ask for the usage of its stream, or `None` where its caller asks
/// already, or says something of it that is not understood.
pub(in crate::route) fn ask(body: &[Bytes]) -> Option<Edit> {
    let mut last = None;
    let mut options = None;
    for member in json::members(body) {
        let (key, value) = member.ok()?;
        last = Some(value.range().end);
        // Of several, servers differ in which one they read.
        if key == "stream_options" && options.replace(value).is_some() {
            return None;
        }
    }
    match options {
        None => last.map(|end| Edit::new(end..end, r#","stream_options":{"include_usage":true}"#)),
        Some(options) if options.is_null() => {
            Some(Edit::new(options.range(), r#"{"include_usage":true}"#))
        }
        Some(options) => ask_within(&options),
    }
}

fn ask_within(options: &Value<'_>) -> Option<Edit> {
    let mut first = None;
    let mut include = None;
    for member in options.members() {
        let (key, value) = member.ok()?;
        first.get_or_insert(value.range().start);
        if key == "include_usage" && include.replace(value).is_some() {
            return None;
        }
    }
    let Some(include) = include else {
        let start = options.range().start + 1;
        let option = match first {
            Some(_) => r#""include_usage":true,"#,
            None => r#""include_usage":true"#,
        };
        return Some(Edit::new(start..start, option));
    };
    let declined = include.is_null() || include.as_bool() == Some(false);
    declined.then(|| Edit::new(include.range(), "true"))
}

/// Whether a request was refused because it asks for the usage of its stream. That a prompt of this
/// text is quoted does no harm: nobody is asked for a while.
pub(in crate::route) fn refuses_to_tell(status: StatusCode, body: &[u8]) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
    ) && ["stream_options", "include_usage"]
        .into_iter()
        .any(|name| memchr::memmem::find(body, name.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(body: &str, piece: usize) -> Option<String> {
        let chunks = body.as_bytes().chunks(piece);
        let chunks: Vec<_> = chunks.map(Bytes::copy_from_slice).collect();
        let spliced = json::edit(&chunks, &[ask(&chunks)?]);
        let text = Vec::from(spliced.chunks).concat();
        assert_eq!(text.len() as u64, spliced.len);
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_option_goes_where_it_belongs() {
        for (body, expected) in [
            (
                r#"{"model":"m","stream":true}"#,
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                "{\"model\" : \"m\"\n}\n",
                "{\"model\" : \"m\",\"stream_options\":{\"include_usage\":true}\n}\n",
            ),
            (
                r#"{"stream_options":{},"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m"}"#,
            ),
            (
                r#"{"stream_options": { "x":[1] },"model":"m"}"#,
                r#"{"stream_options": {"include_usage":true, "x":[1] },"model":"m"}"#,
            ),
            (
                r#"{"stream_options":{"include_usage":false,"x":1},"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true,"x":1},"model":"m"}"#,
            ),
            (
                r#"{"stream_options":{"include_usage": null }}"#,
                r#"{"stream_options":{"include_usage": true }}"#,
            ),
            (
                r#"{"stream_options":null,"model":"m"}"#,
                r#"{"stream_options":{"include_usage":true},"model":"m"}"#,
            ),
            (
                r#"{"metadata":{"stream_options":{"include_usage":true}}}"#,
                r#"{"metadata":{"stream_options":{"include_usage":true}},"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            for piece in [1, 3, body.len()] {
                assert_eq!(asked(body, piece).as_deref(), Some(expected), "{body}");
            }
        }
    }

    #[test]
    fn what_is_asked_already_or_not_understood_is_left_alone() {
        for body in [
            r#"{"stream_options":{"include_usage":true},"model":"m"}"#,
            r#"{"stream_options":{"include\u005fusage":true},"model":"m"}"#,
            r#"{"stream_options":{"include_usage":1}}"#,
            r#"{"stream_options":{"include_usage":"false"}}"#,
            r#"{"stream_options":{"include_usage":false,"include_usage":true}}"#,
            r#"{"stream_options":{},"stream_options":{"include_usage":true}}"#,
            r#"{"stream_options":[]}"#,
            r#"{"stream_options":true}"#,
            r#"{"stream_options":"{}"}"#,
            "{}",
            "[]",
            r#"{"model":"m""#,
        ] {
            assert_eq!(asked(body, body.len()), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_was_asked_parses_and_says_so_once(
            options in prop::sample::select(vec![
                "", r#""stream_options":null,"#, r#""stream_options":{},"#,
                r#""stream_options":{"include_usage":false},"#,
                r#""stream_options":{"a":{"b":[]},"include_usage":null,"c":"}"},"#,
            ]),
            before in prop::sample::select(vec!["", r#""messages":["{\"stream_options\":1}"],"#]),
            piece in 1..20_usize,
        ) {
            let body = format!(r#"{{{before}{options}"model":"m"}}"#);
            let asked = asked(&body, piece).unwrap();
            let parsed: serde_json::Value = serde_json::from_str(&asked).unwrap();
            prop_assert_eq!(&parsed["stream_options"]["include_usage"], &serde_json::json!(true));
            let mut expected: serde_json::Value = serde_json::from_str(&body).unwrap();
            expected["stream_options"]["include_usage"] = true.into();
            prop_assert_eq!(parsed, expected);
        }
    }
}
