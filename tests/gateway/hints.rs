//! What callers say in headers, and what they are told in them.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower_outcome::{
    Mode,
    gateway::{Gateway, Headers, Hint, Trust},
};

use crate::support::*;

const OK: &str = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";

async fn hinted(address: SocketAddr, hints: &[(&str, &str)]) -> Response<Bytes> {
    let mut request =
        Request::post(format!("http://{address}{CHAT}")).header("content-type", "application/json");
    for (name, value) in hints {
        request = request.header(*name, *value);
    }
    send(request.body(Full::new(ask("first").into())).unwrap()).await
}

async fn trusting(providers: &[&Raw], trust: Trust) -> SocketAddr {
    let router = pool(providers.iter().map(|provider| provider.upstream()));
    let gateway = Gateway::builder(router).headers(Headers::new().trust(trust));
    start(gateway.build().unwrap()).await
}

async fn walled(retry_after: u32) -> Raw {
    let wait = format!("retry-after: {retry_after}\r\n");
    Raw::start(vec![Step::Send(answer(
        429,
        &wait,
        "application/json",
        "{}",
    ))])
    .await
}

#[tokio::test]
async fn the_time_that_an_upstream_takes_is_not_the_gateways() {
    let slow = vec![
        Step::Pause(1_500),
        Step::Send(answer(200, "", "application/json", OK)),
    ];
    let (address, _) = gateway(&[&Raw::start(slow).await]).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let overhead = text(response.headers(), "x-outcome-overhead-us");
    let overhead: u64 = overhead.parse().unwrap();
    assert!((1..1_000_000).contains(&overhead), "{overhead}");
    // Refusals tell it, too.
    let response = post(address, CHAT, "{}").await;
    assert!(response.headers().contains_key("x-outcome-overhead-us"));
}

#[tokio::test]
async fn a_pin_is_heard_where_it_is_trusted() {
    let (first, second) = (Raw::json(200, OK).await, Raw::json(200, OK).await);
    let address = trusting(&[&first, &second], Trust::NONE.pin()).await;
    let response = hinted(address, &[("x-outcome-pin", "second")]).await;
    assert_eq!(text(response.headers(), "x-outcome-target"), "second");

    let response = hinted(address, &[("x-outcome-pin", "fourth")]).await;
    let (status, message) = error(CHAT, &response);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let told = "x-outcome-pin names \"fourth\", which is no target of the pool \"chat\": that has \
                first, second.";
    assert_eq!(message, told);

    let (untrusting, _) = gateway(&[&first, &second]).await;
    for pin in ["second", "fourth"] {
        let response = hinted(untrusting, &[("x-outcome-pin", pin)]).await;
        assert_eq!(text(response.headers(), "x-outcome-target"), "first");
    }
    for seen in first.seen().iter().chain(&second.seen()) {
        assert!(!seen.contains("x-outcome"), "{seen}");
    }
}

#[tokio::test]
async fn exclusions_are_heard_where_they_are_trusted() {
    let (first, second) = (Raw::json(200, OK).await, Raw::json(200, OK).await);
    let address = trusting(&[&first, &second], Trust::NONE.exclude()).await;
    let excluded = hinted(address, &[("x-outcome-exclude", "third, first")]).await;
    assert_eq!(text(excluded.headers(), "x-outcome-target"), "second");
    // A pin is not trusted with that.
    let pinned = hinted(address, &[("x-outcome-pin", "second")]).await;
    assert_eq!(text(pinned.headers(), "x-outcome-target"), "first");
    let nobody = hinted(address, &[("x-outcome-exclude", "first,second")]).await;
    let (status, message) = error(CHAT, &nobody);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        message.contains("first: excluded by the caller"),
        "{message}"
    );
}

#[tokio::test]
async fn nobody_waits_beyond_the_callers_deadline() {
    let first = walled(5).await;
    let (address, _) = gateway(&[&first]).await;
    let started = Instant::now();
    for _ in 0..2 {
        let response = hinted(address, &[("x-outcome-deadline-ms", "100")]).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(started.elapsed() < Duration::from_secs(4));
    assert_eq!(first.seen().len(), 1);
}

#[tokio::test]
async fn a_strict_request_takes_no_other_model() {
    let (first, second) = (walled(30).await, Raw::json(200, OK).await);
    let (address, _) = gateway(&[&first, &second]).await;
    let response = hinted(address, &[("x-outcome-strict", "1")]).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let response = hinted(address, &[("x-outcome-strict", "0")]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(second.seen().len(), 1);
}

#[tokio::test]
async fn headers_have_the_names_that_they_are_given() {
    let forged = "x-acme-model: forged\r\nx-acme-new: forged\r\nx-outcome-model: inner\r\n";
    let provider = answer(200, forged, "application/json", OK);
    let provider = Raw::start(vec![Step::Send(provider)]).await;
    let headers = Headers::new()
        .prefix("x-acme-")
        .name(Hint::Tenant, "x-team")
        .name(Hint::Explain, "x-why");
    let gateway = Gateway::builder(pool([provider.upstream()])).headers(headers);
    let address = start(gateway.build().unwrap()).await;

    let hints = [
        ("x-acme-task", "greeting"),
        ("x-acme-of-tomorrow", "1"),
        ("x-team", "blue"),
        ("x-why", "1"),
        ("x-outcome-task", "of the gateway behind"),
    ];
    let response = hinted(address, &hints).await;

    let headers = response.headers();
    assert_eq!(text(headers, "x-acme-model"), "first");
    assert!(text(headers, "x-acme-explanation").contains("first is picked"));
    assert!(!headers.contains_key("x-acme-new"));
    // That of a gateway behind this one.
    assert_eq!(text(headers, "x-outcome-model"), "inner");
    let seen = &provider.seen()[0];
    assert!(seen.contains("x-outcome-task: of the gateway behind"));
    for taken in ["x-acme", "x-team", "x-why"] {
        assert!(!seen.contains(taken), "{seen}");
    }
}

#[tokio::test]
async fn a_switch_of_the_mode_holds_from_the_next_request_on() {
    let (first, second) = (walled(30).await, Raw::json(200, OK).await);
    let (address, router) = gateway(&[&first, &second]).await;
    for (mode, status, reason) in [
        (Mode::Route, 200, "first: rate limited"),
        (Mode::Observe, 429, "observed only"),
        (Mode::Off, 429, ""),
        (Mode::Route, 200, "first: rate limited"),
    ] {
        assert!(router.set_mode("chat", mode));
        let response = hinted(address, &[]).await;
        assert_eq!(response.status(), status, "{mode:?}");
        let told = text(response.headers(), "x-outcome-reason");
        assert!(told.starts_with(reason), "{mode:?}: {told}");
        assert_eq!(told.is_empty(), reason.is_empty(), "{mode:?}: {told}");
    }
}
