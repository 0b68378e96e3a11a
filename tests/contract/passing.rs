//! What is no inference passes at once, untouched.

use http::{Request, Version};
use tokio_test::task;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_outcome::{
    FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, Pool, Routed, router::Passed,
};

use crate::support::*;

#[derive(Clone, Debug, PartialEq)]
struct Mark(u8);

fn foreign() -> Vec<(&'static str, Request<()>)> {
    let json = |builder: http::request::Builder| builder.header("content-type", "application/json");
    vec![
        ("a GET", json(Request::get(CHAT)).body(()).unwrap()),
        (
            "a CONNECT",
            Request::connect("provider.example:443").body(()).unwrap(),
        ),
        (
            "an upgrade",
            json(Request::post(CHAT).header("upgrade", "websocket"))
                .body(())
                .unwrap(),
        ),
        (
            "another path",
            json(Request::post("http://h/v1/files")).body(()).unwrap(),
        ),
        (
            "gRPC",
            Request::post(CHAT)
                .header("content-type", "application/grpc")
                .body(())
                .unwrap(),
        ),
        (
            "a form where there is none",
            Request::post("http://h/v1/files")
                .header("content-type", "multipart/form-data; boundary=x")
                .body(())
                .unwrap(),
        ),
        ("no type", Request::post(CHAT).body(()).unwrap()),
        (
            "compressed",
            json(Request::post(CHAT).header("content-encoding", "gzip"))
                .body(())
                .unwrap(),
        ),
        (
            "with a digest",
            json(Request::post(CHAT).header("content-digest", "sha-256=:x:"))
                .body(())
                .unwrap(),
        ),
        (
            "signed",
            json(Request::post(CHAT).header("authorization", "AWS4-HMAC-SHA256 Credential=x"))
                .body(())
                .unwrap(),
        ),
    ]
}

/// Sends what is no inference with a body that never ends, and expects the inner service to be
/// called before that body has produced anything.
async fn passes_at_once<S>(service: impl Fn(Provider) -> S)
where
    S: Service<Request<Frames>, Error = BoxError>,
{
    for (what, request) in foreign() {
        let provider = Provider::good();
        let body = Frames::new([Step::Hang]);
        let polled = body.polled();
        let mut service = service(provider.clone());
        service.ready().await.unwrap();
        let mut call = task::spawn(service.call(request.map(|()| body)));
        assert!(call.poll().is_pending(), "{what}");
        assert_eq!(provider.heads().len(), 1, "{what}");
        let polled = polled.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(polled, 1, "{what}: by the provider alone");
    }
}

#[tokio::test]
async fn what_is_no_inference_reaches_the_inner_service_before_its_body() {
    let router = three();
    passes_at_once(|inner| OutcomeRoutingLayer::new(router.clone()).layer(inner)).await;
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()));
    passes_at_once(|inner| stack.service(inner)).await;
    assert_passed(
        &router,
        &[
            (Passed::NotInference, 10),
            (Passed::ContentType, 4),
            (Passed::Encoded, 2),
            (Passed::Signed, 4),
        ],
    );
    assert_account(&router, &[]);
}

#[tokio::test]
async fn extensions_and_versions_are_kept_both_ways() {
    for (model, uri) in [("a", CHAT), ("unknown", CHAT), ("a", "http://h/other")] {
        let provider = Provider::new(|parts, _| {
            assert_eq!(parts.extensions.get(), Some(&Mark(1)));
            assert_eq!(parts.version, Version::HTTP_2);
            let mut answer = good();
            *answer.version_mut() = Version::HTTP_3;
            answer.extensions_mut().insert(Mark(2));
            answer
        });
        let router = three();
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router))
            .service(provider.clone());
        let mut request = post(uri, &chat_body(model));
        *request.version_mut() = Version::HTTP_2;
        request.extensions_mut().insert(Mark(1));
        let answer = stack.oneshot(request).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_3);
        assert_eq!(answer.extensions().get(), Some(&Mark(2)));
        let routed = answer.extensions().get::<Routed>();
        assert_eq!(routed.is_some(), model == "a" && uri == CHAT);
        assert_eq!(provider.only().body(), chat_body(model));
    }
}

#[tokio::test]
async fn what_passes_keeps_every_header_and_byte() {
    let router = three();
    let provider = Provider::good();
    let service = OutcomeRoutingLayer::new(router).layer(provider.clone());
    let body = Frames::new([
        Step::data("{ \"model\" :"),
        Step::data("\"unknown\"}"),
        Step::trailer("x-sum", "1"),
    ]);
    let mut request = upload(CHAT, body);
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("x", "y"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let headers = request.headers().clone();
    service.oneshot(request).await.unwrap();
    let seen = provider.only();
    assert_eq!(seen.parts.headers, headers);
    assert_eq!(seen.body(), "{ \"model\" :\"unknown\"}");
    assert_eq!(seen.chunks.len(), 2);
    assert_eq!(seen.trailers.unwrap()["x-sum"], "1");
}

#[tokio::test]
async fn expect_is_removed_once_the_body_is_there() {
    for failover in [false, true] {
        for (body, uri, kept) in [
            (chat_body("a"), CHAT, false),
            (chat_body("unknown"), CHAT, false),
            ("nonsense".to_owned(), CHAT, false),
            (chat_body("a"), "http://h/other", true),
        ] {
            let router = three();
            let provider = Provider::good();
            let routed = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
            let mut request = post(uri, &body);
            let expect = "100-continue".parse().unwrap();
            request.headers_mut().insert("expect", expect);
            if failover {
                FailoverLayer::new(router)
                    .layer(routed)
                    .oneshot(request)
                    .await
                    .unwrap();
            } else {
                routed.oneshot(request).await.unwrap();
            }
            assert_eq!(
                provider.only().header("expect").is_some(),
                kept,
                "{body} {uri}"
            );
        }
    }
}

#[tokio::test]
async fn an_upload_that_fails_is_no_pick_and_its_error_reaches_the_inner_service() {
    for failover in [false, true] {
        let router = three();
        let provider = Provider::good();
        let routed = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
        let body = Frames::new([Step::data(r#"{"model":"a","#), Step::Error("gone")]);
        let request = upload(CHAT, body);
        let error = if failover {
            let stack = FailoverLayer::new(router.clone()).layer(routed);
            stack.oneshot(request).await.unwrap_err()
        } else {
            routed.oneshot(request).await.unwrap_err()
        };
        assert_eq!(error.to_string(), "gone");
        assert_eq!(provider.heads().len(), 1, "the inner service saw it fail");
        assert_passed(&router, &[(Passed::UploadFailed, 1)]);
        assert_account(&router, &[]);
    }
}

#[tokio::test]
async fn plain_answers_are_asked_for_where_they_are_looked_into() {
    for (compressed, mode, asked) in [
        (false, Mode::Route, "identity"),
        (true, Mode::Route, "gzip, br"),
        (false, Mode::Observe, "gzip, br"),
        (false, Mode::Off, "gzip, br"),
    ] {
        let pool = Pool::new("p").model("a").model("b");
        let pool = pool.compressed_answers(compressed).mode(mode);
        let router = OutcomeRouter::builder().pool(pool).build().unwrap();
        let provider = Provider::good();
        let routed = OutcomeRoutingLayer::new(router).layer(provider.clone());
        let mut request = chat("a");
        let accepted = "gzip, br".parse().unwrap();
        request.headers_mut().insert("accept-encoding", accepted);
        routed.oneshot(request).await.unwrap();
        let seen = provider.only();
        assert_eq!(seen.header("accept-encoding"), Some(asked), "{mode:?}");
    }
    let provider = Provider::good();
    let routed = OutcomeRoutingLayer::new(three()).layer(provider.clone());
    routed.oneshot(chat("a")).await.unwrap();
    assert_eq!(provider.only().header("accept-encoding"), None);
}
