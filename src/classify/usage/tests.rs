use super::*;

fn usage(body: &str) -> Option<Usage> {
    Usage::of_body(body.as_bytes())
}

#[test]
fn usage_is_read_under_every_name() {
    let of = Usage::new;
    for (body, expected) in [
        (
            r#"{"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
            of(9, 2),
        ),
        (
            r#"{"usage":{"input_tokens":9,"output_tokens":2}}"#,
            of(9, 2),
        ),
        (
            r#"{"usage":{"prompt_tokens":5,"total_tokens":5}}"#,
            of(5, 0),
        ),
        (
            r#"{"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,
                "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":6}}}"#,
            of(9, 8).cached(4).reasoning(6),
        ),
        (
            r#"{"usage":{"prompt_tokens":90,"completion_tokens":8,
                "prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":30}}}"#,
            of(90, 8).cached(40).written(30),
        ),
        (
            r#"{"usage":{"input_tokens":11,"input_tokens_details":{"cached_tokens":10},
                "output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":18}}"#,
            of(11, 7).cached(10).reasoning(5),
        ),
        (
            r#"{"x_groq":{"usage":{"prompt_tokens":5,"completion_tokens":1}}}"#,
            of(5, 1),
        ),
        (
            r#"{"usage":null,"x_groq":{"usage":{"prompt_tokens":5}}}"#,
            of(5, 0),
        ),
        (
            r#"{"usage":{"prompt_tokens":30,"completion_tokens":2,
                "prompt_cache_hit_tokens":20,"prompt_cache_miss_tokens":10}}"#,
            of(30, 2).cached(20),
        ),
        (
            r#"{"usageMetadata":{"promptTokenCount":6,"cachedContentTokenCount":4,
                "candidatesTokenCount":4,"thoughtsTokenCount":20,"toolUsePromptTokenCount":3}}"#,
            of(9, 24).cached(4).reasoning(20),
        ),
        (
            r#"{"usage":{"total_input_tokens":9,"total_output_tokens":779,"total_cached_tokens":2,
                "total_thought_tokens":912,"total_tool_use_tokens":0,"total_tokens":1700}}"#,
            of(9, 1691).cached(2).reasoning(912),
        ),
        (
            r#"{"usage":{"input_tokens":1,"cache_read_input_tokens":7,
                "cache_creation_input_tokens":2,"output_tokens":3,
                "cache_creation":{"ephemeral_5m_input_tokens":2}}}"#,
            of(10, 3).cached(7).written(2),
        ),
        (
            r#"{"usage":{"inputTokens":9,"outputTokens":2,"totalTokens":16,
                "cacheReadInputTokens":4,"cacheWriteInputTokens":1}}"#,
            of(14, 2).cached(4).written(1),
        ),
        (
            r#"{"usage":{"inputTokens":9,"outputTokens":2,"cacheReadInputTokenCount":4,
                "cacheReadInputTokens":4,"cacheWriteInputTokenCount":0}}"#,
            of(13, 2).cached(4),
        ),
        (
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,
                "outputTokenCount":13,"cacheReadInputTokenCount":0,
                "cacheWriteInputTokenCount":25037}}"#,
            of(25_040, 13).written(25_037),
        ),
        (
            r#"{"usage":{"billed_units":{"input_tokens":5,"output_tokens":7},
                "tokens":{"input_tokens":71,"output_tokens":9},"cached_tokens":3}}"#,
            of(5, 7).cached(3),
        ),
        (
            r#"{"type":"message-end","delta":{"finish_reason":"COMPLETE",
                "usage":{"tokens":{"input_tokens":71,"output_tokens":9}}}}"#,
            of(71, 9),
        ),
        (
            r#"{"text":"Hi","meta":{"billed_units":{"input_tokens":5,"output_tokens":7}}}"#,
            of(5, 7),
        ),
        (
            r#"{"model":"llama3.2","done":true,"prompt_eval_count":26,"eval_count":298}"#,
            of(26, 298),
        ),
        (
            r#"{"content":"","stop":true,"tokens_predicted":4,"tokens_evaluated":12}"#,
            of(12, 4),
        ),
    ] {
        assert_eq!(usage(body), Some(expected), "{body}");
    }
    for body in [
        "",
        "[]",
        "{}",
        r#"{"usage":{}}"#,
        r#"{"usage":7}"#,
        r#"{"usage":{"input_tokens":-1}}"#,
        r#"{"usage":{"cached_tokens":5}}"#,
        r#"{"usage":{"tokens":7,"billed_units":{"search_units":1}}}"#,
        r#"{"choices":[],"delta":{"content":"usage"},"meta":null}"#,
        r#"{"input_tokens":7}"#,
    ] {
        assert_eq!(usage(body), None, "{body}");
    }
}

#[test]
fn reasoning_beside_the_completion_is_given_away_by_the_total() {
    for (body, expected) in [
        // xAI names it, Gemini under OpenAI's names does not.
        (
            r#"{"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,
                "completion_tokens_details":{"reasoning_tokens":94}}}"#,
            Usage::new(32, 103).reasoning(94),
        ),
        (
            r#"{"usage":{"completion_tokens":102,"prompt_tokens":758,"total_tokens":1725}}"#,
            Usage::new(758, 967).reasoning(865),
        ),
        // A total that nothing explains is left alone.
        (
            r#"{"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":999,
                "completion_tokens_details":{"reasoning_tokens":4}}}"#,
            Usage::new(32, 9).reasoning(4),
        ),
        (
            r#"{"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":1}}"#,
            Usage::new(32, 9),
        ),
    ] {
        assert_eq!(usage(body), Some(expected), "{body}");
    }
}

#[test]
fn a_translated_answer_counts_its_cache_once() {
    let body = r#"{"usage":{"prompt_tokens":100,"completion_tokens":3,"total_tokens":103,
        "prompt_tokens_details":{"cached_tokens":70},"cache_read_input_tokens":70,
        "cache_creation_input_tokens":20}}"#;
    let expected = Usage::new(100, 3).cached(70).written(20);
    assert_eq!(usage(body), Some(expected));
}

#[test]
fn parts_are_never_more_than_the_whole() {
    let body = r#"{"usage":{"prompt_tokens":5,"completion_tokens":2,
        "prompt_tokens_details":{"cached_tokens":9,"cache_write_tokens":9},
        "completion_tokens_details":{"reasoning_tokens":9}}}"#;
    let expected = Usage::new(5, 2).cached(5).reasoning(2);
    assert_eq!(usage(body), Some(expected));
}

#[test]
fn counts_saturate() {
    let body = r#"{"usage":{"input_tokens":1e300,"cache_read_input_tokens":5,"output_tokens":1}}"#;
    let expected = Usage::new(u64::MAX, 1).cached(5);
    assert_eq!(usage(body), Some(expected));
}

#[test]
fn an_escaped_name_is_a_name() {
    let body = r#"{"us\u0061ge":{"prompt\u005ftokens":5,"\ud800":1}}"#;
    assert_eq!(usage(body), Some(Usage::new(5, 0)));
}

#[test]
fn later_reports_of_an_answer_leave_no_count_behind() {
    let mut usage = Usage::new(25, 1).cached(20).written(3);
    usage.merge(Usage::new(0, 15).reasoning(7));
    let expected = Usage::new(25, 15).cached(20).written(3).reasoning(7);
    assert_eq!(usage, expected);
}

#[test]
fn headers_of_bedrock_are_read() {
    let mut headers = HeaderMap::new();
    assert_eq!(Usage::of_headers(&headers), None);
    for (name, value) in [
        ("x-amzn-bedrock-input-token-count", "12"),
        ("x-amzn-bedrock-output-token-count", "34"),
        ("x-amzn-bedrock-cache-read-input-token-count", "5"),
        ("x-amzn-bedrock-cache-write-input-token-count", "x"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let expected = Usage::new(17, 34).cached(5);
    assert_eq!(Usage::of_headers(&headers), Some(expected));
}
