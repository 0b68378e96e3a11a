//! The body of a failure is read, a little, and replayed unchanged.

use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_outcome::{Call, Class, OutcomeRouter, OutcomeRoutingLayer, ResponseBody};

use crate::support::*;

async fn send(
    router: &OutcomeRouter,
    code: u16,
    steps: Vec<Step>,
    request: Request<Frames>,
) -> (Response<ResponseBody<Frames>>, f64) {
    let steps = std::sync::Mutex::new(Some(steps));
    let provider = Provider::new(move |_, _| {
        let steps = steps.lock().unwrap().take().unwrap();
        status(code, &[("x-request-id", "7")]).map(|_| Frames::new(steps))
    });
    let start = Instant::now();
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    let answer = service.oneshot(request).await.unwrap();
    (answer, start.elapsed().as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_judged_by_its_body_before_its_head_is_released() {
    let router = three();
    let body =
        r#"{"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let (first, second) = body.split_at(30);
    let steps = vec![
        Step::data(first),
        Step::Wait(seconds(0.5)),
        Step::data(second),
        Step::trailer("x-end", "1"),
    ];
    let mut request = chat("a");
    let call = Call::new();
    request.extensions_mut().insert(call.clone());
    let (answer, held) = send(&router, 429, steps, request).await;
    assert!((held - 0.5).abs() < 0.01, "{held}");
    assert_eq!(call.verdict().unwrap().class, Class::QuotaExhausted);
    assert_account(&router, &[("quota_exhausted", 1)]);
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["x-request-id"], "7");
    let mut replayed = answer.into_body();
    for part in [first, second] {
        let left = replayed.size_hint();
        assert!(left.lower() >= part.len() as u64, "{left:?}");
        let frame = replayed.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    let trailers = replayed.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["x-end"], "1");
    assert!(replayed.frame().await.is_none());
    assert!(replayed.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_with_a_slow_body_is_released_after_a_second() {
    let router = three();
    let steps = vec![Step::data("{"), Step::Wait(seconds(30.0)), Step::data("}")];
    let (answer, held) = send(&router, 503, steps, chat("a")).await;
    assert!((held - 1.0).abs() < 0.01, "{held}");
    assert_eq!(text(answer.into_body()).await, "{}");
    assert_account(&router, &[("overloaded", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_with_a_long_body_is_released_after_64_kib() {
    let router = three();
    let chunk = "x".repeat(16 * 1024);
    let mut steps = vec![Step::data(chunk); 5];
    steps.extend([Step::Wait(seconds(30.0)), Step::data("end")]);
    let (answer, held) = send(&router, 500, steps, chat("a")).await;
    assert!(held < 0.01, "{held}");
    let (body, _) = read(answer.into_body()).await;
    assert_eq!(body.len(), 5 * 16 * 1024 + 3);
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_body_of_a_failure_comes_after_what_came_before() {
    let router = three();
    let steps = vec![Step::data("{"), Step::Error("reset")];
    let (answer, _) = send(&router, 500, steps, chat("a")).await;
    let mut body = answer.into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "{"
    );
    assert!(!body.is_end_stream());
    assert_eq!(
        body.frame().await.unwrap().unwrap_err().to_string(),
        "reset"
    );
    assert!(body.frame().await.is_none());
    assert_account(&router, &[("server_error", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_held_to_its_end_and_a_long_one_is_not() {
    let (first, second) = GOOD.split_at(20);
    for (steps, holds) in [
        (
            vec![
                Step::data(first),
                Step::Wait(seconds(3.0)),
                Step::data(second),
            ],
            3.0,
        ),
        (
            vec![
                Step::data(first),
                Step::Wait(seconds(30.0)),
                Step::data(second),
            ],
            5.0,
        ),
        (
            vec![
                Step::data(" ".repeat(65 * 1024)),
                Step::Wait(seconds(3.0)),
                Step::data(GOOD),
            ],
            0.0,
        ),
    ] {
        let router = three();
        let (answer, held) = send(&router, 200, steps, chat("a")).await;
        assert!((held - holds).abs() < 0.01, "{held}");
        assert!(text(answer.into_body()).await.trim_start() == GOOD);
        assert_account(&router, &[("success", 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_acts_at_its_head() {
    let router = three();
    let provider = Provider::new(|_, _| {
        status(429, &[("retry-after", "30")]).map(|_| Frames::new([Step::Hang]))
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    let first = service.clone().oneshot(chat("a"));
    let second = async {
        tokio::time::sleep(seconds(0.5)).await;
        service.clone().oneshot(chat("a")).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(provider.models(), ["a", "b"]);
    drop((first, second));
    assert_account(&router, &[("rate_limited", 2)]);
}
