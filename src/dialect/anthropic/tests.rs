use http::StatusCode;

use super::*;
use crate::{classify::Class, dialect::detect};

/// One event per line, without `event:` fields.
fn events(lines: &str) -> StreamSummary {
    let mut observer = stream::Observer::new(&Anthropic, stream::Framing::Sse);
    for line in lines.lines() {
        observer.feed(format!("data: {}\n\n", line.trim()).as_bytes());
    }
    observer.finish();
    observer.into_summary()
}

#[test]
fn thinking_is_content_but_no_answer() {
    let seen = events(
        r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}
           {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
           {"type":"ping"}
           {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
           {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"abc"}}"#,
    );
    assert_eq!(
        (seen.first_content, seen.answered, seen.keep_alives),
        (Some(3), false, 1)
    );
    let seen = events(
        r#"{"type":"content_block_start","content_block":{"type":"redacted_thinking","data":"x"}}"#,
    );
    assert_eq!((seen.first_content, seen.answered), (Some(0), false));
}

#[test]
fn of_thinking_only_more_of_it_is_skipped() {
    let thinking = StreamSummary {
        first_content: Some(0),
        ..StreamSummary::default()
    };
    let event = |delta| format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#);
    for (plain, delta) in [
        (
            true,
            r#"{"type":"thinking_delta","thinking":"\"type\":\"text_delta\""}"#,
        ),
        (true, r#"{"type":"signature_delta","signature":"x"}"#),
        (false, r#"{"type":"text_delta","text":"x"}"#),
        (false, r#"{"type":"input_json_delta","partial_json":"{"}"#),
        (
            false,
            r#"{"type":"thinking_delta","thinking":"x"},"error":{"type":"x"}"#,
        ),
    ] {
        assert_eq!(
            is_plain_delta(event(delta).as_bytes(), &thinking),
            plain,
            "{delta}"
        );
    }
}

#[test]
fn a_named_tool_is_an_answer_and_its_input_the_content() {
    let seen = events(
        r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}
           {"type":"content_block_start","content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}
           {"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}
           {"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#,
    );
    assert_eq!((seen.first_content, seen.answered), (Some(3), true));
}

#[test]
fn the_end_is_message_stop() {
    let stop = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}
                  {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#;
    let seen = events(stop);
    assert_eq!((seen.finish, seen.terminal), (Some(Finish::Length), false));
    assert_eq!(seen.usage, Some(Usage::new(0, 9)));
    assert!(events(&format!("{stop}\n{{\"type\":\"message_stop\"}}")).terminal);
}

#[test]
fn errors_need_no_event_field() {
    let class = |line: &str| events(line).error.map(|error| error.class);
    assert_eq!(
        class(r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#),
        Some(Class::Overloaded)
    );
    assert_eq!(
        class(r#"{"type":"error","error":{"type":"rate_limit_error"}}"#),
        Some(Class::RateLimited)
    );
    assert_eq!(
        class(r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#),
        Some(Class::ClientError)
    );
}

#[test]
fn legacy_completions_are_read() {
    let seen = events(
        r#"{"type":"completion","completion":" Hi","stop_reason":null}
           {"type":"completion","completion":"","stop_reason":"stop_sequence"}"#,
    );
    assert_eq!((seen.first_content, seen.terminal), (Some(0), true));
}

#[test]
fn endpoints_begin_with_the_version() {
    for (path, suffix, kind) in [
        ("/v1/messages", 0, EndpointKind::Chat),
        ("/anthropic/v1/messages", 10, EndpointKind::Chat),
        ("/v1/messages/count_tokens", 0, EndpointKind::Count),
        ("/v1/complete", 0, EndpointKind::Completion),
    ] {
        let (dialect, endpoint) = detect(path).unwrap();
        assert_eq!(
            (dialect.name(), endpoint.suffix, endpoint.kind),
            ("anthropic", suffix, kind),
            "{path}"
        );
        assert_eq!(path.get(suffix..), Some(endpoint.operation));
    }
    for path in [
        "/v1/threads/x/messages",
        "/v1/messages/",
        "/v1/messages/batches",
        "/messages",
        "/xv1/messages",
        "/v1/v1messages",
        "/a%2F/v1/messages",
        "/../v1/messages",
    ] {
        assert!(detect(path).is_none(), "{path}");
    }
}

#[test]
fn refusals_look_like_the_providers_own() {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let body = Anthropic.refusal(&Refusal {
        status,
        message: "m",
        retry_after: None,
        quota: false,
    });
    assert_eq!(
        body,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#
    );
}

#[test]
fn f40_credentials_are_sensitive_headers() {
    let (name, value) = Anthropic.credential("sk-secret").unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("x-api-key", "sk-secret")
    );
    assert!(value.is_sensitive());
    assert!(Anthropic.credential("a\nb").is_none());
}
