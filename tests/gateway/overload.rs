//! More than may be under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower::ServiceExt;
use tower_outcome::{
    Upstream,
    gateway::{
        Gateway,
        scripted::{Script, Scripted},
    },
};

use crate::support::*;

/// What the callers of a while came to.
struct Tally {
    served: usize,
    refusals: Vec<Duration>,
}

/// Lets so many callers ask again and again, each as soon as it has its answer; one that is refused
/// pauses, for half of what it was told.
async fn crowd(address: std::net::SocketAddr, callers: usize, time: Duration) -> Tally {
    let served = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    let end = Instant::now() + time;
    for _ in 0..callers {
        let served = served.clone();
        tasks.spawn(async move {
            let (client, mut refusals) = (client(), Vec::new());
            while Instant::now() < end {
                let request = Request::post(format!("http://{address}{CHAT}"))
                    .header("content-type", "application/json")
                    .body(Full::new(ask("first").into()))
                    .unwrap();
                let begin = Instant::now();
                let (parts, body) = client.request(request).await.unwrap().into_parts();
                body.collect().await.unwrap();
                if parts.status == StatusCode::OK {
                    served.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                assert_eq!(parts.status, StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(text(&parts.headers, "retry-after"), "1");
                refusals.push(begin.elapsed());
                sleep(Duration::from_millis(500)).await;
            }
            refusals
        });
    }
    let refusals = tasks.join_all().await.concat();
    Tally {
        served: served.load(Ordering::Relaxed),
        refusals,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f37_over_capacity_some_are_refused_at_once_and_the_rest_are_served_as_before() {
    const PLACES: usize = 10;
    let slow = Scripted::start(Script::new().latency(Duration::from_millis(400)));
    let slow = slow.await.unwrap();
    let router = pool([Upstream::new(&slow.base_url()).unwrap()]);
    let gateway = Gateway::builder(router).max_requests(PLACES);
    let address = start(gateway.build().unwrap()).await;
    let time = Duration::from_secs(4);
    crowd(address, PLACES, time / 8).await;
    // A machine that turns to other things in one of the two halves says nothing about the gateway.
    let mut told = Vec::new();
    for _ in 0..3 {
        let peak = crowd(address, PLACES, time).await;
        assert!(peak.refusals.is_empty());
        let mut over = crowd(address, 5 * PLACES, time).await;
        over.refusals.sort();
        let median = over.refusals[over.refusals.len() / 2];
        // The promise is 10 ms for 99 of 100, where the machine does nothing else.
        let at_once = median < Duration::from_millis(100);
        if peak.served > 20 && over.served * 10 >= peak.served * 9 && at_once {
            return;
        }
        told.push((peak.served, over.served, median));
    }
    panic!("served at the peak and over it, and how long a refusal took: {told:?}");
}

#[tokio::test]
async fn f37_a_place_is_taken_until_the_last_byte_and_refusals_speak_the_callers_dialect() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let provider = Raw::events(&[event; 40]).await;
    let gateway = Gateway::builder(pool([provider.upstream()])).max_requests(1);
    let gateway = gateway.build().unwrap();
    let request = |path: &str| {
        Request::post(path)
            .header("content-type", "application/json")
            .body(axum::body::Body::from(ask("first")))
            .unwrap()
    };
    let streamed = gateway.clone().oneshot(request(CHAT)).await.unwrap();
    assert_eq!(streamed.status(), StatusCode::OK);
    for path in [CHAT, MESSAGES] {
        let refused = gateway.clone().oneshot(request(path)).await.unwrap();
        let (parts, body) = refused.into_parts();
        assert_eq!(text(&parts.headers, "retry-after"), "1");
        let body = body.collect().await.unwrap().to_bytes();
        let (status, _) = error(path, &http::Response::from_parts(parts, body));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // Whoever looks after it is always answered.
    for path in ["/healthz", "/readyz"] {
        let asked = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let answer = gateway.clone().oneshot(asked).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    drop(streamed);
    let again = gateway.oneshot(request(CHAT));
    let again = timeout(Duration::from_secs(5), again).await.unwrap();
    assert_eq!(again.unwrap().status(), StatusCode::OK);
}
