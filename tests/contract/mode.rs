//! Observing changes nothing, and off looks no further.

use http::Request;
use tower::{Layer, ServiceExt};
use tower_outcome::{
    FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, PickRequest, Reason, Routed,
    router::Passed,
};

use crate::support::*;

fn requests() -> Vec<Request<Frames>> {
    let chunked = Frames::new([Step::data(" { \"model\":"), Step::data("\"a\" }")]);
    let mut chunked = upload(CHAT, chunked.unsized_());
    let te = "chunked".parse().unwrap();
    chunked.headers_mut().insert("transfer-encoding", te);
    let trailers = Frames::new([Step::data(r#"{"model":"a"}"#), Step::trailer("x-sum", "1")]);
    let mut sized = post(CHAT, r#"{"model":"a","model":"\u0061"}"#);
    sized
        .headers_mut()
        .insert("content-length", "30".parse().unwrap());
    sized
        .headers_mut()
        .insert("authorization", "Bearer own".parse().unwrap());
    vec![chunked, upload(CHAT, trailers), sized]
}

/// Sends what would be rewritten in mode `route`, and expects it to arrive as it was sent.
async fn arrives_as_sent(router: &OutcomeRouter, code: u16) -> Vec<Option<Routed>> {
    let mut served = Vec::new();
    for (request, original) in requests().into_iter().zip(requests()) {
        let (head, body) = original.into_parts();
        let sent = http_body_util::BodyExt::collect(body).await.unwrap();
        let trailers = sent.trailers().cloned();
        let provider = Provider::new(move |_, _| match code {
            200 => good(),
            code => status(code, &[("retry-after", "9")]),
        });
        let routed = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
        let answer = FailoverLayer::new(router.clone())
            .layer(routed)
            .oneshot(request);
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), code);
        let seen = provider.only();
        assert_eq!(seen.parts.headers, head.headers);
        assert_eq!(seen.parts.uri, head.uri);
        assert_eq!(seen.chunks.concat(), sent.to_bytes());
        assert_eq!(seen.trailers, trailers);
        served.push(answer.extensions().get::<Routed>().cloned());
    }
    served
}

/// A router whose first model is behind a wall.
fn walled(mode: Mode) -> OutcomeRouter {
    let router = three();
    let now = router.now();
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    let verdict = tower_outcome::Verdict::new(tower_outcome::Class::RateLimited);
    let verdict = verdict.with_retry_after(Some(seconds(60.0)));
    ticket.settle_at(tower_outcome::Outcome::new(verdict), now);
    assert!(router.set_mode("default", mode));
    router
}

#[tokio::test(start_paused = true)]
async fn observing_changes_no_byte_and_records() {
    let router = walled(Mode::Observe);
    for routed in arrives_as_sent(&router, 200).await {
        let routed = routed.unwrap();
        assert_eq!(routed.model(), "a");
        assert_eq!(*routed.reason(), Reason::Observed);
        assert_eq!(routed.would_have_been(), Some("b"));
    }
    assert_account(&router, &[("rate_limited", 1), ("success", 3)]);
}

#[tokio::test(start_paused = true)]
async fn observing_repeats_nothing() {
    let router = walled(Mode::Observe);
    arrives_as_sent(&router, 503).await;
    assert_account(&router, &[("overloaded", 3), ("rate_limited", 1)]);
}

#[tokio::test(start_paused = true)]
async fn off_looks_no_further() {
    let router = walled(Mode::Off);
    for code in [200, 503] {
        for routed in arrives_as_sent(&router, code).await {
            assert!(routed.is_none());
        }
    }
    assert_passed(&router, &[(Passed::Off, 6)]);
    assert_account(&router, &[("rate_limited", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_observed_request_is_booked_once() {
    let router = models(&["a"]);
    assert!(router.set_mode("default", Mode::Observe));
    let limits = [
        ("x-ratelimit-limit-requests", "100"),
        ("x-ratelimit-remaining-requests", "50"),
        ("x-ratelimit-reset-requests", "60s"),
    ];
    let provider = Provider::new(move |_, number| match number {
        0 => {
            let mut answer = good();
            for (name, value) in limits {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            answer
        }
        _ => good(),
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    for left in [50.0, 49.0, 48.0] {
        service.clone().oneshot(chat("a")).await.unwrap();
        let snapshot = router.snapshot();
        assert_eq!(snapshot.targets().next().unwrap().requests_left, Some(left));
    }
}

#[tokio::test]
async fn the_mode_can_be_switched_while_running() {
    let router = walled(Mode::Route);
    let provider = Provider::good();
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    for mode in [Mode::Route, Mode::Observe, Mode::Off, Mode::Route] {
        assert!(router.set_mode("default", mode));
        service.clone().oneshot(chat("a")).await.unwrap();
    }
    assert_eq!(provider.models(), ["b", "a", "a", "b"]);
    assert_eq!(router.mode("default"), Some(Mode::Route));
    assert!(!router.set_mode("nonsense", Mode::Off));
}
