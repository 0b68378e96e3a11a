//! A request that asks for it is told the whole decision, whatever becomes of it.

use std::sync::Arc;

use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_outcome::{
    Call, Candidates, Decision, Explain, FailoverLayer, Mode, NobodyFree, OutcomeRouter,
    OutcomeRoutingLayer, PickRequest, Pool, Reason, Task, Tenant, router::Obstacle,
};

use crate::support::*;

fn explained(model: &str) -> Request<Frames> {
    let mut request = chat(model);
    request.extensions_mut().insert(Explain);
    request
}

fn decision<B>(response: &Response<B>) -> Arc<Decision> {
    let decision = response.extensions().get::<Arc<Decision>>();
    decision.unwrap().clone()
}

/// A pool whose targets answer by themselves, and never wait.
fn answering(models: &[&str]) -> OutcomeRouter {
    let pool = Pool::new("p").nobody_free(NobodyFree::Answer);
    let pool = models.iter().fold(pool, |pool, model| pool.model(*model));
    OutcomeRouter::builder().pool(pool).seed(1).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_decision_behind_an_answer_is_that_of_a_dry_run() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => status(429, &[("retry-after", "30")]),
        _ => good(),
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    service.clone().oneshot(chat("a")).await.unwrap();
    let dry_run = PickRequest::new("a")
        .task("t")
        .tenant("n")
        .dialect("openai")
        .prompt_tokens(chat_body("a").len() as u64 / 4);
    let expected = router.decide(&dry_run, router.now()).unwrap();
    assert_eq!(expected.target(), Some("b"));

    let mut request = explained("a");
    request.extensions_mut().insert(Task::new("t"));
    request.extensions_mut().insert(Tenant::new("n"));
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(*decision(&response), expected);
    let response = service.oneshot(chat("a")).await.unwrap();
    assert!(response.extensions().get::<Arc<Decision>>().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_decision_is_known_when_the_attempt_fails() {
    let router = three();
    let broken = Provider::new(|_, _| Reply::Error("broken".into()));
    let service = OutcomeRoutingLayer::new(router).layer(broken);
    let call = Call::new();
    assert!(call.decision().is_none());
    let mut request = explained("b");
    request.extensions_mut().insert(call.clone());
    assert!(service.oneshot(request).await.is_err());
    assert_eq!(call.decision().unwrap().target(), Some("b"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_tells_what_stands_against_everybody() {
    let router = answering(&["a", "b"]);
    let walled = Provider::new(|_, _| status(429, &[("retry-after", "30")]));
    let service = OutcomeRoutingLayer::new(router).layer(walled);
    for model in ["a", "b"] {
        service.clone().oneshot(chat(model)).await.unwrap();
    }
    let call = Call::new();
    let mut request = explained("a");
    request.extensions_mut().insert(call.clone());
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 429);
    let told = decision(&response);
    assert_eq!((told.target(), told.retry_in), (None, Some(seconds(30.0))));
    for candidate in &told.candidates {
        let expected = Obstacle::RateLimited(seconds(30.0));
        assert_eq!(candidate.obstacle, Some(expected));
        assert!(candidate.terms.is_some());
    }
    assert_eq!(call.decision(), Some(told));

    let mut request = explained("a");
    request.extensions_mut().insert(Candidates::one("c"));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 400);
    for candidate in &decision(&response).candidates {
        assert_eq!(candidate.obstacle, Some(Obstacle::Excluded));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_over_is_told_the_decision_behind_its_answer() {
    let router = three();
    let provider = Provider::new(|_, number| match number {
        0 => status(503, &[]),
        _ => good(),
    });
    let routing = OutcomeRoutingLayer::new(router.clone()).layer(provider);
    let service = FailoverLayer::new(router).layer(routing);
    let response = service.oneshot(explained("a")).await.unwrap();
    let told = decision(&response);
    assert_eq!(told.target(), Some("b"));
    assert_eq!(told.candidates[0].obstacle, Some(Obstacle::Tried));
}

#[tokio::test(start_paused = true)]
async fn an_observed_pool_tells_what_it_would_have_done() {
    let router = answering(&["a", "b"]);
    let provider = Provider::new(|_, number| match number {
        0 => status(429, &[("retry-after", "30")]),
        _ => good(),
    });
    let service = OutcomeRoutingLayer::new(router.clone()).layer(provider.clone());
    service.clone().oneshot(chat("a")).await.unwrap();
    assert!(router.set_mode("p", Mode::Observe));
    let response = service.oneshot(explained("a")).await.unwrap();
    let told = decision(&response);
    assert_eq!(told.target(), Some("b"));
    assert!(matches!(told.reason, Some(Reason::Instead { .. })));
    assert_eq!(provider.models(), ["a", "a"]);
}
