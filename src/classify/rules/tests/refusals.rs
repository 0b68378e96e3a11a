//! Answers with a bad status.

use super::*;

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
            r#"{"__type":"AccessDeniedException","message":"You don't have access to the model with the specified model ID."}"#,
            Class::ModelError,
        ),
        (
            403,
            r#"{"__type":"AccessDeniedException","message":"not authorized"}"#,
            Class::AuthError,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#,
            Class::AuthError,
        ),
        (
            429,
            r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month."}"#,
            Class::QuotaExhausted,
        ),
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
