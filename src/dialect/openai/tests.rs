use http::StatusCode;
use proptest::prelude::*;

use super::*;
use crate::dialect::detect;

fn summary(stream: &str) -> StreamSummary {
    let mut observer = stream::Observer::new(&OpenAi, stream::Framing::Sse);
    observer.feed(stream.as_bytes());
    observer.finish();
    observer.into_summary()
}

/// One event per line.
fn events(lines: &str) -> StreamSummary {
    let stream: String = lines
        .lines()
        .map(|line| format!("data: {}\n\n", line.trim()))
        .collect();
    summary(&stream)
}

#[test]
fn plain_deltas_are_skipped_and_nothing_else() {
    let begun = StreamSummary {
        first_content: Some(0),
        answered: true,
        ..StreamSummary::default()
    };
    let is_plain_delta = |data: &[u8]| is_plain_delta(data, &begun);
    for data in [
        r#"{"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}"#,
        r#"{"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason" : null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"say \"error\": \"usage\":{} now","refusal":null}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"type":"function","function":{}}]}}]}"#,
        r#"{"type":"response.output_text.delta","delta":"say \"error\":{}"}"#,
    ] {
        assert!(is_plain_delta(data.as_bytes()), "{data}");
    }
    for data in [
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason" : "stop"}]}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"x"},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"delta":{"refusal":"I"},"finish_reason":null}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1}}"#,
        r#"{"error": {"code":1}}"#,
        r#"{"a":"error","error":{}}"#,
        r#"{"type":"response.completed"}"#,
        r#"{"type":"response.refusal.delta","delta":"I"}"#,
        r#"{"sequence_number":1,"type":"response.completed"}"#,
        r#"{"type":"error","code":"x"}"#,
    ] {
        assert!(!is_plain_delta(data.as_bytes()), "{data}");
    }
}

/// Values that a key may have, those that tell something and those that do not.
fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "null",
        " null",
        "\"\"",
        "\"stop\"",
        "\"x\"",
        "0",
        "1",
        "{}",
        "[]",
        "{\"code\":1}",
        "\"say \\\"error\\\": {}\"",
        "{\"total_tokens\":1,\"prompt_tokens\":2}",
        "\"function\"",
    ])
}

proptest! {
    #[test]
    fn what_is_skipped_would_have_told_nothing(
        outer in prop::collection::vec((prop::sample::select(vec!["id", "error", "usage", "x_groq", "type", "object"]), value()), 0..4),
        inner in prop::collection::vec((prop::sample::select(vec!["finish_reason", "logprobs", "error", "text", "refusal"]), value()), 0..3),
        delta in prop::collection::vec((prop::sample::select(vec!["content", "refusal", "role", "tool_calls", "type"]), value()), 0..3),
        index in prop::sample::select(vec!["0", "0 ", "1", "10", "null"]),
        colon in prop::sample::select(vec![":", ": ", " : "]),
    ) {
        let begun = StreamSummary {
            first_content: Some(0),
            answered: true,
            open_choices: 1,
            ..StreamSummary::default()
        };
        let members = |members: Vec<(&str, &str)>| -> String {
            members.iter().map(|(key, value)| format!(",\"{key}\"{colon}{value}")).collect()
        };
        let data = format!(
            r#"{{"object"{colon}"chunk","choices"{colon}[{{"index"{colon}{index},"delta"{colon}{{"a"{colon}0{}}}{}}}]{}}}"#,
            members(delta),
            members(inner),
            members(outer),
        );
        if is_plain_delta(data.as_bytes(), &begun) {
            let mut read_too = begun.clone();
            read(None, &Object::parse(data.as_bytes()).unwrap(), &mut read_too);
            prop_assert_eq!(read_too, begun, "{}", data);
        }
    }
}

proptest! {
    #[test]
    fn every_colon_is_asked_about(data in prop::collection::vec(
        prop::sample::select(vec![b':', b';', b'9', b'"', 0xba, 0, 0xff]),
        0..40,
    )) {
        let mut found = vec![];
        let any = any_colon(&data, |at| {
            found.push(at);
            false
        });
        let colons: Vec<_> = (0..data.len()).filter(|at| data[*at] == b':').collect();
        prop_assert_eq!((any, &found), (false, &colons));
        prop_assert_eq!(any_colon(&data, |at| Some(&at) == colons.last()), !colons.is_empty());
    }
}

#[test]
fn of_reasoning_only_more_of_it_is_skipped() {
    let reasoning = StreamSummary {
        first_content: Some(0),
        open_choices: 1,
        ..StreamSummary::default()
    };
    let chunk = |delta: &str| format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#);
    for data in [
        chunk(r#"{"reasoning_content":"say \"content\":\"x\""}"#),
        chunk(r#"{"role":"assistant","content":"","reasoning":"x"}"#),
        chunk(r#" { "content" : null , "reasoning":"x","tool_calls":[]}"#),
        r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#.to_owned(),
    ] {
        assert!(is_plain_delta(data.as_bytes(), &reasoning), "{data}");
        let silent = StreamSummary::default();
        assert!(!is_plain_delta(data.as_bytes(), &silent), "{data}");
    }
    for data in [
        chunk(r#"{"reasoning_content":null,"content":"x"}"#),
        chunk(r#"{"reasoning":"x","content":[{"text":"x"}]}"#),
        chunk(r#"{"tool_calls":[{"index":0}]}"#),
        chunk(r#"{"reasoning":"x"},"delta":{"content":"x"}"#),
        chunk("\n\u{c}"),
        r#"{"choices":[{"index":0,"text":"x"}]}"#.to_owned(),
        r#"{"type":"response.output_text.delta","delta":"x"}"#.to_owned(),
        r#"{"type":"response.reasoning_text.delta","error":{"code":1}}"#.to_owned(),
    ] {
        assert!(!is_plain_delta(data.as_bytes(), &reasoning), "{data}");
    }
}

#[test]
fn an_error_that_is_null_is_none() {
    let seen = events(
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"error": null}
           {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"error":null}"#,
    );
    assert_eq!(
        (seen.error, seen.terminal, seen.finish),
        (None, true, Some(Finish::Done))
    );
}

#[test]
fn reasoning_is_content_but_no_answer() {
    for field in ["reasoning_content", "reasoning"] {
        let seen = events(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"role":"assistant","content":""}}}}]}}
               {{"choices":[{{"index":0,"delta":{{"{field}":"hm","content":null}}}}]}}"#
        ));
        assert_eq!((seen.first_content, seen.answered), (Some(1), false));
    }
}

#[test]
fn tool_calls_are_content() {
    let seen = events(
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}
           {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}
           {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
    );
    assert_eq!(
        (seen.first_content, seen.answered, seen.terminal),
        (Some(1), true, true)
    );
}

#[test]
fn a_refusal_in_words_is_filtered() {
    let seen = events(
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null}}]}
           {"choices":[{"index":0,"delta":{"refusal":"I'm"}}]}
           {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    );
    assert_eq!((seen.finish, seen.terminal), (Some(Finish::Filtered), true));
}

#[test]
fn with_several_choices_the_last_one_ends_the_stream() {
    let first = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}
                   {"choices":[{"index":1,"delta":{"content":"b"}}]}
                   {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#;
    let seen = events(first);
    assert_eq!((seen.finish, seen.terminal), (Some(Finish::Length), false));
    let last = r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;
    let seen = events(&format!("{first}\n{last}"));
    assert_eq!((seen.finish, seen.terminal), (Some(Finish::Length), true));
}

#[test]
fn legacy_completions_are_read() {
    let seen = events(
        r#"{"object":"text_completion","choices":[{"index":0,"text":"","finish_reason":null}]}
           {"object":"text_completion","choices":[{"index":0,"text":"a","finish_reason":null}]}
           {"object":"text_completion","choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#,
    );
    assert_eq!((seen.first_content, seen.terminal), (Some(1), true));
}

#[test]
fn responses_end_in_four_ways() {
    let text = r#"{"type":"response.output_text.delta","delta":"a"}"#;
    let end = |kind: &str, response: &str| {
        events(&format!(
            "{text}\n{{\"type\":\"response.{kind}\",\"response\":{response}}}"
        ))
    };
    let done = end(
        "completed",
        r#"{"status":"completed","usage":{"input_tokens":3,"output_tokens":1}}"#,
    );
    assert_eq!((done.finish, done.terminal), (Some(Finish::Done), true));
    assert_eq!(done.usage, Some(Usage::new(3, 1)));
    let cut = end(
        "incomplete",
        r#"{"incomplete_details":{"reason":"max_output_tokens"}}"#,
    );
    assert_eq!(cut.finish, Some(Finish::Length));
    let filtered = end(
        "incomplete",
        r#"{"incomplete_details":{"reason":"content_filter"}}"#,
    );
    assert_eq!(filtered.finish, Some(Finish::Filtered));
    let failed = end(
        "failed",
        r#"{"status":"failed","error":{"code":"rate_limit_exceeded"}}"#,
    );
    assert_eq!(failed.error.unwrap().class, Class::RateLimited);
    let failed = end("failed", r#"{"status":"failed","error":null}"#);
    assert_eq!(failed.error.unwrap().class, Class::ServerError);
    let cancelled = end("cancelled", r#"{"status":"cancelled"}"#);
    assert_eq!(cancelled.error.unwrap().class, Class::Abandoned);
}

#[test]
fn responses_without_deltas_have_their_content_at_the_end() {
    let seen = events(
        r#"{"type":"response.created","response":{"error":null}}
           {"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#,
    );
    assert_eq!((seen.first_content, seen.answered), (Some(1), true));
    let refused = events(
        r#"{"type":"response.refusal.delta","delta":"I"}
           {"type":"response.completed","response":{"output":[]}}"#,
    );
    assert_eq!(refused.finish, Some(Finish::Filtered));
}

#[test]
fn errors_come_in_odd_places() {
    let class = |stream: &str| summary(stream).error.map(|error| error.class);
    assert_eq!(
        class("error: {\"code\":503,\"type\":\"unavailable_error\"}\n\n"),
        Some(Class::Overloaded)
    );
    assert_eq!(
        class("{\n\"error\": {\"code\": 429}\n}\n"),
        Some(Class::RateLimited)
    );
    assert_eq!(
        class("event: error\ndata: oops\n\n"),
        Some(Class::ServerError)
    );
    assert_eq!(
        class("data: {\"choices\":[],\"x_groq\":{\"error\":\"over capacity\"}}\n\n"),
        Some(Class::ServerError)
    );
    assert_eq!(
        class("data: {\"object\":\"error\",\"code\":400,\"message\":\"m\"}\n\n"),
        Some(Class::ClientError)
    );
    assert_eq!(
        class("data: {\"choices\":[{\"index\":0,\"delta\":{},\"error\":{\"code\":502}}]}\n\n"),
        Some(Class::ServerError)
    );
    let answered = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    assert_eq!(
        class(&format!(
            "{answered}event: error\ndata: {{\"message\":\"gone\"}}\n\n"
        )),
        Some(Class::ServerError)
    );
    assert_eq!(class("data: not json\n\n"), None);
}

#[test]
fn endpoints_are_whole_segments_behind_any_base() {
    for (path, suffix, kind) in [
        ("/v1/chat/completions", 3, EndpointKind::Chat),
        ("/openai/v1/chat/completions", 10, EndpointKind::Chat),
        ("/chat/completions", 0, EndpointKind::Chat),
        ("/beta/completions", 5, EndpointKind::Completion),
        ("/v1/responses", 3, EndpointKind::Chat),
        ("/v1/responses/compact", 3, EndpointKind::Chat),
        ("/v1/responses/input_tokens", 3, EndpointKind::Count),
        ("/v1/embeddings", 3, EndpointKind::Embedding),
        ("/v1/moderations", 3, EndpointKind::Moderation),
        ("/v1/images/generations", 3, EndpointKind::Image),
        ("/v1/audio/speech", 3, EndpointKind::Audio),
    ] {
        let (dialect, endpoint) = detect(path).unwrap();
        assert_eq!(
            (dialect.name(), endpoint.suffix, endpoint.kind),
            ("openai", suffix, kind),
            "{path}"
        );
        assert_eq!(path.get(suffix..), Some(endpoint.operation));
    }
    for path in [
        "",
        "/",
        "chat/completions",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//chat/completions",
        "/v1/xchat/completions/x",
        "/v1/my-completions",
        "/v1/chat%2Fcompletions",
        "/v1%2F/chat/completions",
        "/v1/../chat/completions",
        "/v1/chat/completions/chatcmpl-1",
        "/v1/x?y=/chat/completions",
        "/v1/x#/chat/completions",
        "/v1/x;/chat/completions",
        "/openai/deployments/d/chat/completions",
        "/v1/engines/davinci/completions",
        "/v1/fim/completions",
        "/api/embeddings",
        "/v1/models",
    ] {
        assert!(OpenAi.endpoint(path).is_none(), "{path}");
    }
}

#[test]
fn refusals_look_like_the_providers_own() {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let body = OpenAi.refusal(&crate::dialect::Refusal {
        status,
        message: "a \"b\"",
        retry_after: None,
        quota: false,
    });
    assert_eq!(
        body,
        r#"{"error":{"message":"a \"b\"","type":"rate_limit_exceeded","param":null,"code":"rate_limit_exceeded"}}"#
    );
    let status = StatusCode::NOT_FOUND;
    let body = OpenAi.refusal(&crate::dialect::Refusal {
        status,
        message: "m",
        retry_after: None,
        quota: false,
    });
    assert!(body.ends_with(br#""param":"model","code":"model_not_found"}}"#));
    for status in [400, 401, 402, 403, 409, 413, 415, 429, 500, 502, 503, 504] {
        let status = StatusCode::from_u16(status).unwrap();
        let body = OpenAi.refusal(&crate::dialect::Refusal {
            status,
            message: "m",
            retry_after: None,
            quota: false,
        });
        assert_eq!(
            ErrorView::parse(&body).unwrap().message(),
            Some("m"),
            "{status}"
        );
    }
}

#[test]
fn f40_credentials_are_sensitive_headers() {
    let (name, value) = OpenAi.credential("sk-secret").unwrap();
    assert_eq!(
        (name.as_str(), value.to_str().unwrap()),
        ("authorization", "Bearer sk-secret")
    );
    assert!(value.is_sensitive());
    assert!(!format!("{value:?}").contains("secret"));
    for secret in ["", "a\r\nb", "a\0b"] {
        assert!(OpenAi.credential(secret).is_none(), "{secret:?}");
    }
}
