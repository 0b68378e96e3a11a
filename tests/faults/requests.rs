use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_outcome::{
    FailoverLayer, Outcome, OutcomeRouter, OutcomeRoutingLayer, PickRequest, Pool, RequestBody,
    Verdict, router::Passed,
};

use crate::support::*;

/// Sends a request through failover and routing to a provider that answers with this status.
async fn send(router: &OutcomeRouter, request: Request<Frames>, code: u16) -> Provider {
    let provider = Provider::new(move |_, _| match code {
        200 => good(),
        code => status(code, &[]),
    });
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let _ = stack.oneshot(request).await;
    provider
}

fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
    format!(r#"{{"x":{open}{close},"model":"a"}}"#)
}

#[tokio::test]
async fn f15_what_names_no_model_passes_byte_for_byte_and_is_counted() {
    let mut bodies = vec![
        (nested(129), Passed::TooDeep),
        (nested(5000), Passed::TooDeep),
    ];
    for (body, why) in [
        ("", Passed::NotJson),
        (" ", Passed::NotJson),
        ("[]", Passed::NotJson),
        ("\"model\"", Passed::NotJson),
        ("null", Passed::NotJson),
        ("{", Passed::NotJson),
        (r#"{"model":"a""#, Passed::NotJson),
        (r#"{"model":"a"}}"#, Passed::NotJson),
        (r#"{"model":"a",}"#, Passed::NotJson),
        (r#"{"model":"a" "x":1}"#, Passed::NotJson),
        (r#"{'model':'a'}"#, Passed::NotJson),
        ("{}", Passed::NoModel),
        (r#"{"model":null}"#, Passed::NoModel),
        (r#"{"model":["a"]}"#, Passed::NoModel),
        (r#"{"model":""}"#, Passed::NoModel),
        (r#"{"Model":"a","x":{"model":"a"}}"#, Passed::NoModel),
        (r#"{"model":"a","model":1}"#, Passed::NoModel),
        (r#"{"model":"A"}"#, Passed::UnknownModel),
        (r#"{"model":"a "}"#, Passed::UnknownModel),
    ] {
        bodies.push((body.to_owned(), why));
    }
    for (body, why) in bodies {
        let router = three();
        let provider = send(&router, post(CHAT, &body), 503).await;
        assert_eq!(provider.only().body(), body);
        assert_passed(&router, &[(why, 1)]);
        assert_account(&router, &[]);
    }
    let router = three();
    send(&router, post(CHAT, &nested(128)), 200).await;
    assert_account(&router, &[("success", 1)]);
}

#[tokio::test]
async fn f15_every_top_level_model_is_rewritten_and_no_other() {
    let router = three();
    let now = router.now();
    let wall = Verdict::new(tower_outcome::Class::RateLimited);
    let wall = wall.with_retry_after(Some(seconds(60.0)));
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    ticket.settle_at(Outcome::new(wall), now);
    for (body, expected) in [
        (
            r#"{"model":"x","m":{"model":"a"},"\u006dodel":"c", "model" : "\u0061"}"#,
            r#"{"model":"b","m":{"model":"a"},"\u006dodel":"b", "model" : "b"}"#,
        ),
        // Servers differ in which of several they read.
        (
            r#"{"model":"x","model":"b"}"#,
            r#"{"model":"b","model":"b"}"#,
        ),
        (r#"{"model":1,"model":"a"}"#, r#"{"model":"b","model":"b"}"#),
    ] {
        let provider = send(&router, post(CHAT, body), 200).await;
        assert_eq!(provider.only().body(), expected);
    }
}

#[tokio::test]
async fn f16_a_compressed_body_passes_unrewritten_and_is_counted() {
    for encoding in [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "x-unknown",
        "identity, gzip",
    ] {
        let router = three();
        let mut request = post(CHAT, &chat_body("a"));
        let header = encoding.parse().unwrap();
        request.headers_mut().insert("content-encoding", header);
        let provider = send(&router, request, 503).await;
        let seen = provider.only();
        assert_eq!(seen.body(), chat_body("a"));
        assert_eq!(seen.header("content-encoding"), Some(encoding));
        assert_passed(&router, &[(Passed::Encoded, 1)]);
    }
    let router = three();
    let mut request = post(CHAT, &chat_body("a"));
    let header = "identity".parse().unwrap();
    request.headers_mut().insert("content-encoding", header);
    send(&router, request, 200).await;
    assert_account(&router, &[("success", 1)]);
}

fn small() -> OutcomeRouter {
    let builder = OutcomeRouter::builder().model("a").model("b");
    builder.max_body_bytes(1000).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn f17_a_body_over_the_limit_streams_on_unrewritten() {
    let chunk = "x".repeat(100);
    for sized in [true, false] {
        let router = small();
        let mut steps = vec![Step::data(chunk.clone()); 50];
        if !sized {
            // It never ends: it must not be collected.
            steps.push(Step::Hang);
        }
        let body = Frames::new(steps);
        let body = if sized { body } else { body.unsized_() };
        let polled = body.polled();
        let provider = Provider::good();
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone());
        let mut call = tokio_test::task::spawn(stack.oneshot(upload(CHAT, body)));
        while call.poll().is_pending() && call.is_woken() {}
        assert_eq!(provider.heads().len(), 1, "sized: {sized}");
        let polls = polled.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(polls, 51, "once each, sized: {sized}");
        assert_passed(&router, &[(Passed::TooLarge, 1)]);
        if sized {
            let seen = provider.only();
            assert_eq!(seen.body().len(), 5000);
            assert_eq!(seen.chunks.len(), 50);
            assert_eq!(seen.exact, Some(5000));
        }
    }
}

/// A body that comes a byte at a time.
struct Crumbs {
    left: usize,
}

impl Body for Crumbs {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        Poll::Ready(left.map(|_| Ok(Frame::data(Bytes::from_static(b" ")))))
    }
}

#[test]
fn f17_a_body_in_crumbs_is_bounded_by_their_number() {
    const LEN: usize = 1024 * 1024;
    let router = three();
    let inner = service_fn(|request: Request<RequestBody<Crumbs>>| async {
        let mut body = std::pin::pin!(request.into_body());
        let mut len = 0;
        while let Some(Ok(frame)) = body.frame().await {
            len += frame.data_ref().map_or(0, Bytes::len);
        }
        assert_eq!(len, LEN);
        Ok::<_, BoxError>(good())
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(inner);
    let cost = allocation_counter::measure(|| {
        let request = upload(CHAT, Crumbs { left: LEN });
        assert!(block_on(service.oneshot(request)).is_ok());
    });
    assert!(cost.bytes_max < 32 * LEN as u64, "{cost:?}");
    let counts = router.snapshot().counts;
    assert_eq!(counts.passed_through, [(Passed::TooLarge, 1)]);
}

#[tokio::test]
async fn f17_the_limit_is_exact() {
    for (padding, routed) in [(1000, true), (1001, false)] {
        for sized in [true, false] {
            let router = small();
            let body = format!(r#"{{"model":"a","x":"{}"}}"#, "y".repeat(padding - 20));
            assert_eq!(body.len(), padding);
            let (first, second) = body.split_at(500);
            let frames = Frames::of([first.to_owned(), second.to_owned()]);
            let frames = if sized { frames } else { frames.unsized_() };
            let provider = send(&router, upload(CHAT, frames), 200).await;
            assert_eq!(provider.only().body(), body);
            assert_eq!(account(&router).len(), usize::from(routed));
        }
    }
}

#[tokio::test]
async fn f19_what_cannot_be_sent_again_gets_one_attempt() {
    let large = || Frames::new(vec![Step::data("x".repeat(600)); 2]);
    let provider = send(&small(), upload(CHAT, large()), 503).await;
    assert_eq!(provider.heads().len(), 1);
    let provider = send(&small(), upload(CHAT, large().unsized_()), 503).await;
    assert_eq!(provider.heads().len(), 1);
    let broken = Frames::new([Step::data("{"), Step::Error("gone")]);
    let provider = send(&small(), upload(CHAT, broken), 503).await;
    assert_eq!(provider.heads().len(), 1);
    for member in [
        "\"store\":true",
        "\"background\":true",
        "\"tools\":[{\"type\":\"mcp\"}]",
    ] {
        let body = format!(r#"{{"model":"a",{member}}}"#);
        let router = small();
        let provider = send(&router, post(CHAT, &body), 503).await;
        assert_eq!(provider.heads().len(), 1, "{member}");
        assert_account(&router, &[("overloaded", 1)]);
    }
}

/// A name that a configuration takes: no control characters, at most 256 bytes.
fn name() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        &[
            "\"",
            "\\",
            "\\\"",
            "\u{2028}",
            "\u{7f}",
            "../",
            "\u{1f600}",
            "{}",
            "\\u0000",
        ][..],
    );
    let part = prop_oneof![".{0,8}", special.prop_map(str::to_owned)];
    let parts = prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat());
    parts.prop_map(|name| name.chars().filter(|c| !c.is_control()).collect::<String>() + "m")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn f20_any_name_comes_out_as_valid_json_and_exactly_that_name(
        alias in name(),
        served in name(),
        spaces in "[ \n\t]{0,3}",
    ) {
        prop_assume!(alias != served);
        let pool = Pool::new("pool").alias(&alias).model(&served);
        let router = OutcomeRouter::builder().pool(pool).build().unwrap();
        let quoted = serde_json::to_string(&alias).unwrap();
        let body = format!(r#"{{{spaces}"model"{spaces}:{spaces}{quoted}{spaces}, "x": {quoted}}}"#);
        let provider = block_on(send(&router, post(CHAT, &body), 200));
        let seen = provider.only();
        let sent: serde_json::Value = serde_json::from_str(&seen.body()).unwrap();
        prop_assert_eq!(&sent["model"], &served);
        prop_assert_eq!(&sent["x"], &alias);
        let length = seen.body().len().to_string();
        prop_assert_eq!(seen.header("content-length"), Some(length.as_str()));
        assert_account(&router, &[("success", 1)]);
    }

    #[test]
    fn f20_a_hostile_name_just_passes(name in prop_oneof!["\\PC{0,40}", "[\r\n\0\u{1b}a]{1,20}", "\\.\\./{1,9}"], long in any::<bool>()) {
        let name = if long { name.repeat(200) } else { name };
        prop_assume!(!["a", "b", "c", "default"].contains(&&*name));
        let router = three();
        let body = format!(r#"{{"model":{}}}"#, serde_json::to_string(&name).unwrap());
        let provider = block_on(send(&router, post(CHAT, &body), 503));
        prop_assert_eq!(provider.only().body(), body);
        assert_account(&router, &[]);
        prop_assert!(OutcomeRouter::builder().model("a\r\n").build().is_err());
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}
