use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::classify::{Processed, Scope, Usage};

fn headers(list: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    list.iter().map(header).collect()
}

fn judge_with(
    status: u16,
    list: &[(&str, &str)],
    body: BodySeen<'_>,
    transport: Option<Transport>,
) -> Verdict {
    let headers = headers(list);
    let status = StatusCode::from_u16(status).unwrap();
    let seen = Seen::head(
        "/v1/chat/completions",
        status,
        &headers,
        SystemTime::UNIX_EPOCH,
    )
    .with_body(body)
    .with_transport(transport);
    DefaultClassifier.classify(&seen)
}

fn judge(status: u16, body: &str) -> Verdict {
    judge_with(
        status,
        &[("content-type", "application/json")],
        BodySeen::Whole(body.as_bytes().into()),
        None,
    )
}

fn class(status: u16, body: &str) -> Class {
    judge(status, body).class
}

#[test]
fn a_head_alone_is_judged_by_status_and_headers() {
    let wait = [("retry-after", "7"), ("x-ratelimit-remaining-tokens", "0")];
    let verdict = judge_with(429, &wait, BodySeen::Unread, None);
    assert_eq!(
        (verdict.class, verdict.scope),
        (Class::RateLimited, Some(Scope::Tokens))
    );
    assert_eq!(verdict.retry_after, Some(Duration::from_secs(7)));
    let aws = [("x-amzn-errortype", "ModelNotReadyException:http://internal")];
    assert_eq!(
        judge_with(429, &aws, BodySeen::Unread, None).class,
        Class::Overloaded
    );
    let ok = judge_with(200, &wait, BodySeen::Unread, None);
    assert_eq!((ok.class, ok.retry_after), (Class::Success, None));
    assert_eq!(
        judge_with(503, &[], BodySeen::Opaque, None).class,
        Class::Overloaded
    );
    assert_eq!(
        judge_with(200, &[], BodySeen::Opaque, None).class,
        Class::Success
    );
}

#[test]
fn a_broken_body_leaves_a_bad_status_and_spoils_a_good_one() {
    let reset = Some(Transport::Reset);
    let part = || BodySeen::Whole(b"{\"choices\":[{"[..].into());
    let cut = judge_with(200, &[], part(), reset);
    assert_eq!(
        (cut.class, cut.processed, cut.transport),
        (Class::Truncated, Processed::Yes, reset)
    );
    assert_eq!(
        judge_with(200, &[], BodySeen::Unread, Some(Transport::Timeout)).class,
        Class::Timeout
    );
    let refused = judge_with(429, &[("retry-after", "3")], part(), reset);
    assert_eq!(
        (refused.class, refused.retry_after),
        (Class::RateLimited, Some(Duration::from_secs(3)))
    );
}

#[test]
fn without_a_head_the_transport_tells() {
    let none = HeaderMap::new();
    let mut seen = Seen::head("/", StatusCode::OK, &none, SystemTime::UNIX_EPOCH);
    seen.status = None;
    assert_eq!(DefaultClassifier.classify(&seen).class, Class::Abandoned);
    for transport in Transport::ALL {
        let verdict = DefaultClassifier.classify(&seen.clone().with_transport(Some(transport)));
        assert_eq!(
            (verdict.class, verdict.transport),
            (transport.class(), Some(transport))
        );
    }
}

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
fn an_echoed_prompt_never_decides() {
    let echo = "429 rate limit exceeded, try again in 20s. Your credit balance is too low. \
                This model's maximum context length is 5. content_filter";
    for body in [
        format!(
            r#"{{"error":{{"message":"Invalid 'messages[0]': {echo}","type":"invalid_request_error","code":"invalid_value"}}}}"#
        ),
        format!(
            r#"{{"error":{{"message":"{echo}","type":"invalid_request_error","code":"invalid_type"}}}}"#
        ),
        format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"messages.0.content: '{}' {echo}"}}}}"#,
            "x".repeat(300)
        ),
    ] {
        let verdict = judge(400, &body);
        assert_eq!(
            (verdict.class, verdict.retry_after),
            (Class::ClientError, None),
            "{body}"
        );
    }
}

#[test]
fn limits_per_day_are_quotas_that_time_lifts() {
    let day = judge(
        429,
        r#"{"error":{"message":"Rate limit reached on tokens per day (TPD): Limit 100000. Please try again in 7m12s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
    );
    assert_eq!(
        (day.class, day.scope),
        (Class::QuotaExhausted, Some(Scope::Quota))
    );
    assert_eq!(day.retry_after, Some(Duration::from_secs(432)));
    let gemini = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}"#;
    assert_eq!(class(429, gemini), Class::QuotaExhausted);
    let bill = r#"{"error":{"type":"insufficient_quota","code":"insufficient_quota","message":"try again in 5s"}}"#;
    let verdict = judge_with(
        429,
        &[("retry-after", "9")],
        BodySeen::Whole(bill.as_bytes().into()),
        None,
    );
    assert_eq!(
        (verdict.class, verdict.retry_after),
        (Class::QuotaExhausted, None)
    );
}

#[test]
fn openrouter_says_more_in_its_metadata() {
    let budget = r#"{"error":{"code":402,"message":"m","metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#;
    let verdict = judge_with(
        402,
        &[("retry-after", "2")],
        BodySeen::Whole(budget.as_bytes().into()),
        None,
    );
    assert_eq!(
        (verdict.class, verdict.retry_after),
        (Class::RateLimited, Some(Duration::from_secs(2)))
    );
    let budget = r#"{"error":{"code":403,"message":"m","metadata":{"limit_source":"key_budget","resets_at":"x"}}}"#;
    assert_eq!(class(403, budget), Class::QuotaExhausted);
    let minute = r#"{"error":{"code":429,"message":"Rate limit exceeded: free-models-per-min.","metadata":{"headers":{"X-RateLimit-Reset":"1741305600000"}}}}"#;
    let verdict = judge(429, minute);
    assert_eq!(
        (verdict.class, verdict.retry_after),
        (Class::RateLimited, Some(Duration::from_secs(1_741_305_600)))
    );
    let day = minute.replace("per-min", "per-day");
    assert_eq!(class(429, &day), Class::QuotaExhausted);
}

#[test]
fn one_status_can_mean_several_things() {
    for (status, body, expected) in [
        (
            413,
            r#"{"error":{"message":"Request too large for model","type":"tokens","code":"rate_limit_exceeded"}}"#,
            Class::ModelError,
        ),
        (
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"m"}}"#,
            Class::ClientError,
        ),
        (498, r#"{"message":"invalid api token"}"#, Class::AuthError),
        (498, "", Class::Overloaded),
        (
            403,
            r#"{"message":"You don't have access to the model with the specified model ID."}"#,
            Class::ModelError,
        ),
        (
            403,
            r#"{"error":{"code":"unsupported_country_region_territory","message":"m"}}"#,
            Class::AuthError,
        ),
        (
            404,
            r#"{"error":{"message":"No such response","type":"invalid_request_error","param":"id","code":null}}"#,
            Class::ClientError,
        ),
        (404, "<html>not found</html>", Class::ModelError),
        (
            503,
            r#"{"error":{"type":"server_error","code":"slow_down","message":"m"}}"#,
            Class::RateLimited,
        ),
        (
            429,
            r#"{"error":{"type":"engine_overloaded_error","message":"m"}}"#,
            Class::Overloaded,
        ),
        (
            500,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            Class::Overloaded,
        ),
        (
            504,
            r#"{"error":{"code":504,"status":"DEADLINE_EXCEEDED","message":"m"}}"#,
            Class::Timeout,
        ),
        (
            400,
            r#"{"error":{"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","code":400,"status":"INVALID_ARGUMENT"}}"#,
            Class::ModelError,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"m","type":"exceed_context_size_error"}}"#,
            Class::ModelError,
        ),
        (
            401,
            r#"{"error":{"type":"server_error","message":"m"}}"#,
            Class::AuthError,
        ),
        (409, "", Class::ServerError),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
            Class::ClientError,
        ),
        (
            501,
            r#"{"error":{"type":"not_supported_error","message":"m"}}"#,
            Class::ModelError,
        ),
        (529, "", Class::Overloaded),
        (599, "", Class::ServerError),
    ] {
        assert_eq!(class(status, body), expected, "{status} {body}");
    }
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

#[test]
fn streams_need_a_finish_and_an_end() {
    let judge = |change: &dyn Fn(&mut StreamSummary), transport| {
        let mut summary = StreamSummary {
            answered: true,
            first_content: Some(0),
            ..Default::default()
        };
        change(&mut summary);
        judge_with(
            200,
            &[("retry-after", "4")],
            BodySeen::Stream(&summary),
            transport,
        )
    };
    let reset = Some(Transport::Reset);
    let end = |finish| {
        move |seen: &mut StreamSummary| (seen.finish, seen.terminal) = (Some(finish), true)
    };
    assert_eq!(judge(&end(Finish::Done), None).class, Class::Success);
    assert_eq!(judge(&end(Finish::Done), reset).class, Class::Success);
    assert_eq!(judge(&|_| {}, None).class, Class::Truncated);
    assert_eq!(
        judge(&|seen| seen.terminal = true, None).class,
        Class::Truncated
    );
    assert_eq!(
        judge(&|seen| seen.finish = Some(Finish::Done), None).class,
        Class::Truncated
    );
    assert_eq!(
        judge(&|_| {}, Some(Transport::Timeout)).class,
        Class::Timeout
    );
    assert!(judge(&end(Finish::Length), None).neutral);
    assert_eq!(
        judge(&end(Finish::Filtered), None).class,
        Class::ContentFilter
    );
    let empty = |finish| {
        move |seen: &mut StreamSummary| {
            end(finish)(seen);
            seen.answered = false;
        }
    };
    for finish in [Finish::Done, Finish::Length] {
        let verdict = judge(&empty(finish), None);
        assert_eq!((verdict.class, verdict.neutral), (Class::Degraded, false));
    }
    let error = |seen: &mut StreamSummary| {
        end(Finish::Done)(seen);
        seen.error = Some(Verdict::new(Class::RateLimited));
    };
    let verdict = judge(&error, reset);
    assert_eq!(
        (verdict.class, verdict.retry_after),
        (Class::RateLimited, Some(Duration::from_secs(4)))
    );
}

#[test]
fn content_types_are_json_by_their_essence() {
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/problem+json",
    ] {
        assert!(is_json(kind), "{kind}");
    }
    for kind in [
        "",
        "json",
        "text/json",
        "application/jsonl",
        "application/x-ndjson",
        "multipart/form-data; x=application/json",
    ] {
        assert!(!is_json(kind), "{kind}");
    }
}

proptest! {
    #[test]
    fn f11_no_answer_panics(
        status in 100_u16..600,
        body in prop_oneof![
            any::<Vec<u8>>(),
            r#"\{"(choices|content|output|data|candidates|error|type)":[\[\]{}a-z0-9":,]{0,40}\}"#.prop_map(String::into_bytes),
        ],
        kind in prop_oneof!["application/json", "text/html", "[ -~]{0,10}"],
    ) {
        let _ = judge_with(status, &[("content-type", &kind)], BodySeen::Whole(body.as_slice().into()), None);
        let _ = Usage::of_body(&body);
    }
}
