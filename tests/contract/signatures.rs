//! AWS's signatures cover path and body. A signed request passes as it is, or loses its signature
//! before it is routed.

use http::Request;
use tower::{ServiceBuilder, ServiceExt};
use tower_outcome::{
    Credential, FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, Pool, ShadowLayer, Target,
    Upstream, router::Passed,
};

use crate::support::*;

const CONVERSE: &str = "http://bedrock.example/model/a%3A0/converse";
const BODY: &str = r#"{"messages":[]}"#;
const CONVERSED: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn"}"#;
const SIGNATURE: [(&str, &str); 4] = [
    ("authorization", "AWS4-HMAC-SHA256 Credential=canary"),
    ("x-amz-content-sha256", "canary"),
    ("x-amz-date", "20260101T000000Z"),
    ("x-amz-security-token", "canary"),
];

fn signed() -> Request<Frames> {
    let mut request = post(CONVERSE, BODY);
    for (name, value) in SIGNATURE {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn is_signed(seen: &Seen) -> bool {
    SIGNATURE
        .iter()
        .any(|(name, _)| seen.parts.headers.contains_key(*name))
}

fn router(pool: Pool) -> OutcomeRouter {
    let builder = OutcomeRouter::builder().pool(pool).seed(1);
    builder.replace_signatures(true).build().unwrap()
}

fn upstream(host: &str) -> Upstream {
    Upstream::new(&format!("http://{host}")).unwrap()
}

/// Sends through every layer of ours: they have to agree on what is routed.
async fn send(router: &OutcomeRouter, provider: &Provider, request: Request<Frames>) {
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(ShadowLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    stack.oneshot(request).await.unwrap();
}

#[tokio::test]
async fn a_signature_gives_way_to_the_credential_of_each_target() {
    let provider = Provider::new(|parts, _| match parts.uri.host() {
        Some("first.example") => status(503, &[]),
        _ => json(CONVERSED),
    });
    let own = Credential::new("own").unwrap();
    let pool = Pool::new("chat")
        .target(Target::new("a:0").upstream(upstream("first.example").credential(own)))
        .target(Target::new("b").upstream(upstream("second.example")));
    let router = router(pool);
    send(&router, &provider, signed()).await;
    let seen = provider.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0].parts.uri,
        "http://first.example/model/a%3A0/converse"
    );
    assert_eq!(seen[0].header("authorization"), Some("Bearer own"));
    assert_eq!(seen[1].parts.uri, "http://second.example/model/b/converse");
    assert!(!is_signed(&seen[1]), "{seen:?}");
    assert!(!format!("{seen:?}").contains("canary"));
    assert_passed(&router, &[]);
}

#[tokio::test]
async fn without_an_upstream_the_request_is_left_to_a_signer_below() {
    let provider = Provider::new(|_, _| json(CONVERSED));
    let router = router(Pool::new("chat").model("a:0"));
    send(&router, &provider, signed()).await;
    assert!(!is_signed(&provider.only()));
    assert_eq!(provider.only().parts.uri, CONVERSE);
}

#[tokio::test]
async fn nothing_is_taken_off_a_request_that_is_only_watched() {
    for mode in [Mode::Observe, Mode::Off] {
        let provider = Provider::new(|_, _| json(CONVERSED));
        let router = router(Pool::new("chat").model("b").model("a:0").mode(mode));
        send(&router, &provider, signed()).await;
        for (name, value) in SIGNATURE {
            assert_eq!(provider.only().header(name), Some(value), "{mode:?}");
        }
        assert_eq!(provider.only().body(), BODY);
    }
}

#[tokio::test]
async fn other_signatures_and_digests_pass_unrouted() {
    let router = router(Pool::new("chat").model("b").model("a:0"));
    for (count, header) in ["content-digest", "signature", "signature-input"]
        .into_iter()
        .enumerate()
    {
        let provider = Provider::new(|_, _| json(CONVERSED));
        let mut request = signed();
        request.headers_mut().insert(header, "x".parse().unwrap());
        send(&router, &provider, request).await;
        assert!(is_signed(&provider.only()), "{header}");
        assert_passed(&router, &[(Passed::Signed, count as u64 + 1)]);
    }
    let provider = Provider::new(|_, _| json(CONVERSED));
    let link = format!("{CONVERSE}?X-Amz-Signature=x");
    send(&router, &provider, post(&link, BODY)).await;
    assert_eq!(provider.only().parts.uri, link.as_str());
    assert_passed(&router, &[(Passed::Signed, 4)]);
}
