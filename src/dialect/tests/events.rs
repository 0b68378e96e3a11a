//! What the streams of each wire say.

use crate::{
    classify::{Class, Finish, StreamSummary},
    dialect::{
        named,
        stream::{Framing, Observer},
    },
};

fn watch(dialect: &str, framing: Framing, stream: &str) -> StreamSummary {
    let summary = |len: usize| {
        let mut observer = Observer::new(named(dialect).unwrap(), framing);
        for chunk in stream.as_bytes().chunks(len) {
            observer.feed(chunk);
        }
        observer.finish();
        observer.into_summary()
    };
    let whole = summary(stream.len().max(1));
    assert_eq!(summary(1), whole, "{stream}");
    whole
}

fn sse(dialect: &str, events: &[&str]) -> StreamSummary {
    let stream: String = events
        .iter()
        .map(|data| format!("data: {data}\n\n"))
        .collect();
    watch(dialect, Framing::Sse, &stream)
}

fn usage(summary: &StreamSummary) -> Option<(u64, u64)> {
    summary.usage.map(|usage| (usage.input, usage.output))
}

#[test]
fn gemini_thinks_answers_and_ends() {
    let events = [
        r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"s"}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Hm","thought":true}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":6,"candidatesTokenCount":1}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"!"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":6,"candidatesTokenCount":2,"thoughtsTokenCount":3}}"#,
    ];
    for (dialect, framing, stream) in [
        (
            "gemini",
            Framing::Array,
            format!("[{}]", events.join(",\n")),
        ),
        (
            "vertex",
            Framing::Array,
            format!("[{}\n]", events.join("\n,")),
        ),
    ] {
        let summary = watch(dialect, framing, &stream);
        assert_eq!(summary, sse(dialect, &events));
        assert_eq!((summary.first_content, summary.answered), (Some(1), true));
        assert_eq!(
            (summary.finish, summary.terminal),
            (Some(Finish::Done), true)
        );
        assert_eq!(usage(&summary), Some((6, 5)));
    }
    let cut = sse("gemini", &events[..3]);
    assert!(!cut.terminal);
}

#[test]
fn gemini_errors_and_blocks_are_seen_in_the_stream() {
    let answer = r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}"#;
    let error = r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
    for events in [&[error][..], &[answer, error]] {
        assert_eq!(
            sse("gemini", events).error.unwrap().class,
            Class::Overloaded
        );
    }
    // After a 200 it has been seen as bare lines, too.
    let bare = format!("data: {answer}\n\n{error}\n\n");
    let error = watch("gemini", Framing::Sse, &bare).error;
    assert_eq!(error.unwrap().class, Class::Overloaded);

    let blocked = sse(
        "gemini",
        &[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#],
    );
    let verdict = blocked.error.unwrap();
    assert_eq!(
        (verdict.class, verdict.neutral),
        (Class::ContentFilter, true)
    );

    let called = sse(
        "gemini",
        &[
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"},"thoughtSignature":"s"}]},"finishReason":"STOP"}]}"#,
        ],
    );
    assert!(called.answered && called.terminal);
    let malformed = sse(
        "gemini",
        &[r#"{"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#],
    );
    assert_eq!(malformed.finish, Some(Finish::Malformed));
}

#[test]
fn gemini_interactions_have_events_of_their_own() {
    let start = r#"{"event_type":"interaction.created","interaction":{"id":"i"}}"#;
    let delta = r#"{"event_type":"step.delta","index":0,"delta":{"type":"text","text":"Hi"}}"#;
    let thought =
        r#"{"event_type":"step.delta","delta":{"type":"thought_signature","signature":"s"}}"#;
    let end = r#"{"event_type":"interaction.completed","interaction":{"status":"completed","usage":{"total_input_tokens":4,"total_output_tokens":2}}}"#;
    let summary = sse("gemini", &[start, delta, thought, delta, end]);
    assert_eq!((summary.first_content, summary.terminal), (Some(1), true));
    assert_eq!(usage(&summary), Some((4, 2)));
    let error = r#"{"event_type":"error","error":{"code":"rate_limit_exceeded","message":"x"}}"#;
    let summary = sse("gemini", &[start, error]);
    assert_eq!(summary.error.unwrap().class, Class::RateLimited);
}

#[test]
fn claude_on_vertex_speaks_as_claude() {
    let summary = sse(
        "vertex-anthropic",
        &[
            r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    );
    assert_eq!((summary.first_content, summary.terminal), (Some(1), true));
    assert_eq!(usage(&summary), Some((3, 2)));
}

#[test]
fn cohere_speaks_in_two_versions() {
    let second = [
        r#"{"type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
        r#"{"type":"content-start","delta":{"message":{"content":{"type":"text","text":""}}}}"#,
        r#"{"type":"content-delta","delta":{"message":{"content":{"text":"Hi"}}}}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":5,"output_tokens":2}}}}"#,
    ];
    let summary = sse("cohere", &second);
    assert_eq!((summary.first_content, summary.terminal), (Some(2), true));
    assert_eq!(
        (summary.finish, usage(&summary)),
        (Some(Finish::Done), Some((5, 2)))
    );

    let first = [
        r#"{"is_finished":false,"event_type":"stream-start"}"#,
        r#"{"is_finished":false,"event_type":"text-generation","text":"Hi"}"#,
        r#"{"is_finished":true,"event_type":"stream-end","finish_reason":"ERROR","response":{"meta":{"billed_units":{"input_tokens":5,"output_tokens":2}}}}"#,
    ];
    let summary = watch("cohere", Framing::Lines, &(first.join("\n") + "\n"));
    assert_eq!((summary.first_content, summary.terminal), (Some(1), true));
    assert_eq!(
        (summary.finish, usage(&summary)),
        (Some(Finish::Failed), Some((5, 2)))
    );

    let call = r#"{"type":"tool-call-start","delta":{"message":{"tool_calls":{"id":"1","function":{"name":"f"}}}}}"#;
    assert!(sse("cohere", &[call]).answered);
}

#[test]
fn ollama_speaks_in_lines() {
    let lines = [
        r#"{"message":{"role":"assistant","content":""},"done":false}"#,
        r#"{"message":{"content":"","thinking":"Hm"},"done":false}"#,
        r#"{"message":{"content":"Hi"},"done":false}"#,
        r#"{"message":{"content":""},"done":true,"done_reason":"length","prompt_eval_count":7,"eval_count":3}"#,
    ];
    let summary = watch("ollama", Framing::Lines, &(lines.join("\n") + "\n"));
    assert_eq!((summary.first_content, summary.terminal), (Some(1), true));
    assert_eq!(
        (summary.finish, usage(&summary)),
        (Some(Finish::Length), Some((7, 3)))
    );
    let cut = watch("ollama", Framing::Lines, &lines[..3].join("\n"));
    assert!(cut.answered && !cut.terminal);
    let failed = watch(
        "ollama",
        Framing::Lines,
        "{\"error\":\"model runner has stopped\"}\n",
    );
    assert_eq!(failed.error.unwrap().class, Class::ServerError);
    let generated = watch(
        "ollama",
        Framing::Lines,
        "{\"response\":\"Hi\",\"done\":false}\n{\"response\":\"\",\"done\":true,\"done_reason\":\"stop\"}",
    );
    assert!(generated.answered && generated.terminal);
}

/// The payloads of a stream of frames, each with the name of its event, as if they were events.
fn bedrock(events: &[(&str, &str)]) -> StreamSummary {
    let stream: String = events
        .iter()
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"))
        .collect();
    watch("bedrock", Framing::Sse, &stream)
}

#[test]
fn bedrock_converses() {
    let summary = bedrock(&[
        ("messageStart", r#"{"role":"assistant"}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#,
        ),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolUse":{"name":"f"}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        (
            "metadata",
            r#"{"usage":{"inputTokens":9,"outputTokens":4,"cacheReadInputTokens":1}}"#,
        ),
    ]);
    assert_eq!((summary.first_content, summary.answered), (Some(1), true));
    assert_eq!(
        (summary.finish, summary.terminal),
        (Some(Finish::Done), true)
    );
    assert_eq!(usage(&summary), Some((10, 4)));
    let filtered = bedrock(&[("messageStop", r#"{"stopReason":"guardrail_intervened"}"#)]);
    assert_eq!(filtered.finish, Some(Finish::Filtered));
}

#[test]
fn what_bedrock_invokes_speaks_in_its_own_words() {
    for events in [
        &[
            r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":2}}"#,
        ][..],
        &[
            r#"{"contentBlockDelta":{"delta":{"text":"Hi"}}}"#,
            r#"{"messageStop":{"stopReason":"end_turn"}}"#,
        ],
        &[
            r#"{"generation":"Hi","stop_reason":null}"#,
            r#"{"generation":"","stop_reason":"stop"}"#,
        ],
        &[r#"{"outputText":"Hi","completionReason":"FINISH"}"#],
        &[r#"{"outputs":[{"text":"Hi","stop_reason":"stop"}]}"#],
        &[
            r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ],
    ] {
        let chunks: Vec<_> = events.iter().map(|data| ("chunk", *data)).collect();
        let summary = bedrock(&chunks);
        assert_eq!(summary.first_content, Some(0), "{events:?}");
        assert!(summary.answered, "{events:?}");
        assert_eq!(
            (summary.finish, summary.terminal),
            (Some(Finish::Done), true),
            "{events:?}"
        );
    }
}
