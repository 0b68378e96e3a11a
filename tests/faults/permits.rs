use std::sync::Arc;

use tokio::{sync::Semaphore, time::timeout};
use tower::{ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};
use tower_outcome::{FailoverLayer, OutcomeRoutingLayer, policy::Rng};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn f14_no_permit_leaks_wherever_a_call_is_left() {
    let router = models(&["a", "b"]);
    let permits = Arc::new(Semaphore::new(3));
    let provider = Provider::new(|_, number| -> Reply {
        let steps = [
            event(ROLE),
            Step::Wait(seconds(0.2)),
            event(CONTENT),
            Step::Hang,
        ];
        match number % 6 {
            0 => Reply::after(seconds(0.1), stream(steps)),
            1 => Reply::Hang,
            2 => Reply::Error("reset".into()),
            3 => status(503, &[]).map(|_| Frames::new([Step::Hang])).into(),
            4 => status(429, &[("retry-after", "0.3")]).into(),
            _ => good().into(),
        }
    });
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(permits.clone()))
        .service(provider);
    let mut calls = Vec::new();
    for number in 0..400 {
        let mut rng = Rng::new(3, number);
        let patience = seconds(rng.next_f64());
        let slow = [
            Step::Wait(seconds(rng.next_f64() * 0.3)),
            Step::data(chat_body("a")),
        ];
        let request = upload(CHAT, Frames::new(slow));
        let stack = stack.clone();
        calls.push(tokio::spawn(async move {
            let _ = timeout(patience, stack.oneshot(request)).await;
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    drop(stack);
    assert_eq!(permits.available_permits(), 3);
    assert!(account(&router).len() >= 3);
}
