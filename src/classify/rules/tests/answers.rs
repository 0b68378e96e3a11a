//! Whole answers with a good status.

use super::*;

#[test]
fn f11_a_200_that_is_no_answer() {
    assert_eq!(class(200, ""), Class::Degraded);
    assert_eq!(class(200, " \n "), Class::Degraded);
    assert_eq!(class(204, ""), Class::Success);
    assert_eq!(class(200, "{\"choices\":[{\"mess"), Class::Truncated);
    assert_eq!(class(200, "{\"choices\":oops}"), Class::Degraded);
    assert_eq!(class(200, "oops"), Class::Degraded);
    assert_eq!(
        class(200, "<!DOCTYPE html><html>login</html>"),
        Class::ServerError
    );
    assert_eq!(class(200, "<HTML>"), Class::ServerError);
    let body = || BodySeen::Whole(b"ID3 audio"[..].into());
    assert_eq!(
        judge_with(200, &[("content-type", "audio/mpeg")], body(), None).class,
        Class::Success
    );
    let lines = || BodySeen::Whole(b"{\"a\":1}\n{\"a\":2}"[..].into());
    let kind = [("content-type", "application/x-ndjson")];
    assert_eq!(judge_with(200, &kind, lines(), None).class, Class::Success);
    assert_eq!(class(302, "<html>"), Class::ServerError);
}

#[test]
fn empty_answers_count_against_the_model() {
    for body in [
        r#"{"choices":[]}"#,
        r#"{"object":"chat.completion","choices":null}"#,
        r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":null},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"message":{"content":"","reasoning_content":"hm"},"finish_reason":"length"}]}"#,
        r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#,
        r#"{"type":"message","content":[{"type":"thinking","thinking":"hm"}],"stop_reason":"max_tokens"}"#,
        r#"{"object":"response","status":"completed","output":[]}"#,
        r#"{"object":"list","data":[]}"#,
        r#"{"candidates":[{"finishReason":"STOP"}]}"#,
        r#"{"output":{"message":{"content":[]}},"stopReason":"end_turn"}"#,
    ] {
        let verdict = judge(200, body);
        assert_eq!(
            (verdict.class, verdict.neutral),
            (Class::Degraded, false),
            "{body}"
        );
    }
}

#[test]
fn answers_of_every_shape_succeed() {
    for body in [
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":null}]}"#,
        r#"{"choices":[{"message":{"content":"a"},"finish_reason":7}],"error":null}"#,
        r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"x"}]},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"a"}]},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#,
        r#"{"type":"message","content":[{"type":"tool_use","id":"t","input":{}}],"stop_reason":"tool_use"}"#,
        r#"{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"pause_turn"}"#,
        r#"{"object":"response","status":"completed","error":null,"output":[{"type":"function_call"}]}"#,
        r#"{"object":"response","status":"queued","output":[]}"#,
        r#"{"object":"response.input_tokens","input_tokens":11}"#,
        r#"{"input_tokens":11}"#,
        r#"{"id":"m","results":[{"flagged":true}]}"#,
        r#"{"created":1,"data":[{"b64_json":"AA=="}]}"#,
        r#"{"type":"completion","completion":"a","stop_reason":"stop_sequence"}"#,
        r#"{"model":"m","message":{"role":"assistant","content":"a"},"done":true,"done_reason":"stop"}"#,
        r#"{"finish_reason":"COMPLETE","message":{"content":[{"type":"text","text":"a"}]}}"#,
        r#"{"some":"thing"}"#,
        r#"[1,2]"#,
    ] {
        assert_eq!(class(200, body), Class::Success, "{body}");
    }
}

#[test]
fn finish_reasons_of_whole_answers_are_judged() {
    let verdict = judge(
        200,
        r#"{"choices":[{"message":{"refusal":"I can't"},"finish_reason":"stop"}]}"#,
    );
    assert_eq!(
        (verdict.class, verdict.neutral),
        (Class::ContentFilter, false)
    );
    let refused = r#"{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}"#;
    assert_eq!(class(200, refused), Class::ContentFilter);
    let cut = r#"{"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}"#;
    assert!(judge(200, cut).neutral);
    let window = r#"{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"model_context_window_exceeded"}"#;
    assert!(!judge(200, window).neutral);
    let failed = r#"{"object":"response","status":"failed","error":{"code":"server_error","message":"m"},"output":[]}"#;
    assert_eq!(class(200, failed), Class::ServerError);
    let two = r#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"},{"message":{"content":"b"},"finish_reason":"content_filter"}]}"#;
    assert_eq!(class(200, two), Class::ContentFilter);
}

#[test]
fn errors_inside_a_200_are_judged_like_others() {
    for (body, expected) in [
        (
            r#"{"error":{"code":502,"message":"m"}}"#,
            Class::ServerError,
        ),
        (
            r#"{"error":{"code":"429","message":"m"}}"#,
            Class::RateLimited,
        ),
        (
            r#"{"error":{"code":402,"message":"m"}}"#,
            Class::QuotaExhausted,
        ),
        (
            r#"{"error":{"code":400,"message":"This model's maximum context length is 5 tokens"}}"#,
            Class::ModelError,
        ),
        (
            r#"{"error":{"type":"overloaded_error"}}"#,
            Class::Overloaded,
        ),
        (
            r#"{"error":{"type":"invalid_request_error","message":"m"}}"#,
            Class::ClientError,
        ),
        (
            r#"{"error":"model runner has stopped"}"#,
            Class::ServerError,
        ),
        (
            r#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#,
            Class::Overloaded,
        ),
        (
            r#"{"object":"error","message":"m","code":404}"#,
            Class::ModelError,
        ),
    ] {
        let verdict = judge(200, body);
        assert_eq!(
            (verdict.class, verdict.processed),
            (expected, Processed::Maybe),
            "{body}"
        );
    }
}
