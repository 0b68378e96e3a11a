mod answers;
mod refusals;

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
