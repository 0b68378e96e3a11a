//! A good answer that fails its checks is asked for again, and never lost.

use http::{Request, Response};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};
use tower_outcome::{
    FailoverLayer, Mode, OutcomeRouter, OutcomeRoutingLayer, Pool, Routed, Score,
    checks::{Answer, Grade, ValidJson},
};

use crate::support::*;

fn pool() -> Pool {
    ["a", "b", "c"]
        .into_iter()
        .fold(Pool::new("pool"), Pool::model)
        .success_when(ValidJson::always())
        .cascade(true)
}

fn built(pool: Pool) -> OutcomeRouter {
    OutcomeRouter::builder().pool(pool).seed(1).build().unwrap()
}

fn says(text: &str) -> Response<Frames> {
    json(&GOOD.replace("Hello", text))
}

/// Answers with these texts, one after the other.
fn provider(texts: &'static [&'static str]) -> Provider {
    Provider::new(move |_, number| says(texts[number]))
}

/// Sends a request and returns who served it with what.
async fn send(
    router: &OutcomeRouter,
    provider: &Provider,
    request: Request<Frames>,
    layer: impl FnOnce(FailoverLayer) -> FailoverLayer,
) -> (String, String) {
    let stack = ServiceBuilder::new()
        .layer(layer(FailoverLayer::new(router.clone())))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(provider.clone());
    let answer = stack.oneshot(request).await.unwrap();
    let target = answer
        .extensions()
        .get::<Routed>()
        .unwrap()
        .target()
        .to_owned();
    let body: serde_json::Value = serde_json::from_str(&text(answer.into_body()).await).unwrap();
    let content = &body["choices"][0]["message"]["content"];
    (target, content.as_str().unwrap_or_default().to_owned())
}

fn of(target: &str, text: &str) -> (String, String) {
    (target.to_owned(), text.to_owned())
}

#[tokio::test]
async fn an_answer_that_fails_its_check_is_asked_for_again() {
    let (router, provider) = (built(pool()), provider(&["no", "{}"]));
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("b", "{}"));
    assert_eq!(provider.models(), ["a", "b"]);
    assert_account(&router, &[("success", 2)]);
    let counts = router.snapshot().counts;
    assert_eq!((counts.cascades, counts.forms, counts.repeats), (1, 2, 0));
}

#[tokio::test]
async fn of_answers_that_all_fail_the_last_is_delivered() {
    let (router, provider) = (built(pool()), provider(&["no", "nor", "neither"]));
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("c", "neither"));
    let two = built(pool());
    let provider = self::provider(&["no", "nor"]);
    let served = send(&two, &provider, chat("a"), |layer| layer.attempts(2)).await;
    assert_eq!(served, of("b", "nor"));
    assert_account(&two, &[("success", 2)]);
}

#[tokio::test(start_paused = true)]
async fn where_the_next_attempt_comes_to_nothing_the_first_answer_is_delivered() {
    let replies: [fn() -> Reply; 4] = [
        || status(500, &[]).into(),
        || status(400, &[]).into(),
        || Reply::Error("reset".into()),
        || json(r#"{"choices":[]}"#).into(),
    ];
    for reply in replies {
        let router = built(pool());
        let provider = Provider::new(move |_, number| match number {
            0 => says("no").into(),
            _ => reply(),
        });
        let start = Instant::now();
        let served = send(&router, &provider, chat("b"), |layer| layer).await;
        assert_eq!(served, of("b", "no"));
        assert_eq!(provider.models(), ["b", "c"]);
        assert_eq!(start.elapsed().as_secs(), 0, "and no pause");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_failed_check_goes_on_to_the_third() {
    let router = built(pool());
    let provider = Provider::new(|_, number| match number {
        0 => says("no"),
        1 => status(500, &[]),
        _ => says("{}"),
    });
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("c", "{}"));
    assert_account(&router, &[("server_error", 1), ("success", 2)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_at_the_deadline() {
    let router = built(pool());
    let provider = Provider::new(|_, number| match number {
        0 => Reply::after(seconds(2.0), says("no")),
        _ => Reply::Hang,
    });
    let start = Instant::now();
    let deadline = seconds(10.0);
    let served = send(&router, &provider, chat("a"), |layer| {
        layer.deadline(deadline)
    })
    .await;
    assert_eq!(served, of("a", "no"));
    assert_eq!(start.elapsed(), deadline);
    assert_account(&router, &[("abandoned", 1), ("success", 1)]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for() {
    let router = built(pool());
    let provider = Provider::new(|_, number| match number {
        0 | 1 => status(429, &[("retry-after", "5")]),
        _ => says("no"),
    });
    // The targets before the last have no room for a while.
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("c", "no"));
    let start = Instant::now();
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("c", "no"));
    assert_eq!(start.elapsed().as_secs(), 0);
    assert_eq!(router.snapshot().counts.cascades, 0);
}

#[tokio::test]
async fn an_inner_service_that_breaks_does_not_cost_the_answer() {
    let router = built(pool());
    let provider = provider(&["no"]);
    let breaks = provider.clone();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .map_response(move |response| {
            breaks.set_broken();
            response
        })
        .service(provider);
    let answer = stack.oneshot(chat("a")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(text(answer.into_body()).await.contains("\"no\""));
}

#[tokio::test]
async fn quality_below_the_threshold_fails() {
    for (threshold, models) in [(0.4, vec!["a"]), (0.6, vec!["a", "b"])] {
        let graded = |answer: &Answer<'_>| {
            let score = if answer.model == "a" { 0.5 } else { 0.9 };
            Some(Grade::Quality(Score::new(score).unwrap()))
        };
        let pool = ["a", "b"].into_iter().fold(Pool::new("pool"), Pool::model);
        let threshold = Score::new(threshold).unwrap();
        let pool = pool
            .success_when(graded)
            .cascade(true)
            .cascade_below(threshold);
        let (router, provider) = (built(pool), provider(&["x", "y"]));
        send(&router, &provider, chat("a"), |layer| layer).await;
        assert_eq!(provider.models(), models);
    }
}

#[tokio::test]
async fn nothing_is_asked_for_again_unless_that_is_wanted() {
    // By default.
    let (router, provider) = (built(pool().cascade(false)), provider(&["no"]));
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("a", "no"));
    // In observation.
    let (router, provider) = (built(pool().mode(Mode::Observe)), self::provider(&["no"]));
    let served = send(&router, &provider, chat("a"), |layer| layer).await;
    assert_eq!(served, of("a", "no"));
    // What does more than answer.
    let stored = || post(CHAT, r#"{"model":"a","store":true,"messages":[]}"#);
    let (router, provider) = (built(pool()), self::provider(&["no"]));
    let served = send(&router, &provider, stored(), |layer| layer).await;
    assert_eq!(served, of("a", "no"));
    let (router, provider) = (built(pool()), self::provider(&["no", "{}"]));
    let allowed = |layer: FailoverLayer| layer.repeat_side_effects(true);
    let served = send(&router, &provider, stored(), allowed).await;
    assert_eq!(served, of("b", "{}"));
}

#[tokio::test(start_paused = true)]
async fn what_was_released_is_not_asked_for_again() {
    let long = format!("{}no", " ".repeat(70 * 1024));
    let slow = [GOOD.split_at(20).0, GOOD.split_at(20).1];
    let replies: [Box<dyn Fn() -> Response<Frames> + Send>; 3] = [
        Box::new(good_stream),
        Box::new(move || {
            let body = GOOD.replace("Hello", &long);
            let body = Frames::of([body[..69 * 1024].to_owned(), body[69 * 1024..].to_owned()]);
            good().map(|_| body.unsized_())
        }),
        Box::new(move || {
            let [first, second] = slow;
            let steps = [
                Step::data(first),
                Step::Wait(seconds(9.0)),
                Step::data(second),
            ];
            good().map(|_| Frames::new(steps))
        }),
    ];
    for reply in replies {
        let (router, provider) = (built(pool()), Provider::new(move |_, _| reply()));
        let stack = ServiceBuilder::new()
            .layer(FailoverLayer::new(router.clone()))
            .layer(OutcomeRoutingLayer::new(router.clone()))
            .service(provider.clone());
        read(stack.oneshot(chat("a")).await.unwrap().into_body()).await;
        assert_eq!(provider.models(), ["a"]);
        let counts = router.snapshot().counts;
        assert_eq!(
            (counts.cascades, counts.forms),
            (0, 1),
            "checked all the same"
        );
    }
}
