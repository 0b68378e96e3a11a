//! Good answers are checked once they have ended, and nothing of them changes by it.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use tower_outcome::{
    OutcomeRouter, OutcomeRoutingLayer, Pool, ResponseBody, Score, Task,
    checks::{Answer, Grade, ValidJson},
};

use crate::support::*;

/// What a check saw: model, task, text, body, whether it is a stream, whether that is all.
type Seen = Arc<Mutex<Vec<(String, String, String, usize, bool, bool)>>>;

/// A router whose pool notes what its check sees, and gives this grade.
fn checked(grade: Option<Grade>) -> (OutcomeRouter, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let pool = Pool::new("pool")
        .model("a")
        .success_when(move |answer: &Answer<'_>| {
            assert_eq!((answer.dialect, answer.target), ("openai", "a"));
            notes.lock().unwrap().push((
                answer.model.to_owned(),
                answer.task.unwrap_or_default().to_owned(),
                answer.text().to_owned(),
                answer.body.len(),
                answer.stream,
                answer.complete,
            ));
            grade
        });
    let router = OutcomeRouter::builder().pool(pool).seed(1).build().unwrap();
    (router, seen)
}

async fn send(
    router: &OutcomeRouter,
    mut reply: impl FnMut() -> Response<Frames> + Send + 'static,
) -> Response<ResponseBody<Frames>> {
    let service =
        OutcomeRoutingLayer::new(router.clone()).layer(Provider::new(move |_, _| reply()));
    let mut request = chat("a");
    request.extensions_mut().insert(Task::new("greet"));
    service.oneshot(request).await.unwrap()
}

fn quality(value: f64) -> Option<Grade> {
    Some(Grade::Quality(Score::new(value).unwrap()))
}

#[tokio::test]
async fn a_whole_answer_is_checked_once_it_has_ended() {
    let (router, seen) = checked(quality(0.0));
    let before = router.snapshot().pools[0].targets[0].quality;
    let answer = send(&router, good).await;
    let expected = ("a", "greet", "Hello", GOOD.len(), false, true);
    {
        let seen = seen.lock().unwrap();
        let [(model, task, text, len, stream, complete)] = &seen[..] else {
            panic!("{seen:?}")
        };
        let seen = (&**model, &**task, &**text, *len, *stream, *complete);
        assert_eq!(seen, expected);
    }
    assert_eq!(text(answer.into_body()).await, GOOD);
    let snapshot = router.snapshot();
    assert_eq!(snapshot.counts.reports, 1);
    assert!(snapshot.pools[0].targets[0].quality < before);
    assert_account(&router, &[("success", 1)]);
}

#[tokio::test]
async fn a_stream_is_checked_at_its_end_and_passes_event_by_event() {
    let (router, seen) = checked(Some(Grade::Form(true)));
    let mut body = send(&router, good_stream).await.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        if frames.len() < 3 {
            assert!(seen.lock().unwrap().is_empty());
        }
        frames.push(frame.unwrap().into_data().unwrap());
    }
    let expected = [ROLE, CONTENT, STOP, "[DONE]"].map(|data| format!("data: {data}\n\n"));
    assert_eq!(frames, expected);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].2, seen[0].4, seen[0].5), ("Hello", true, true));
    assert_eq!(seen[0].3, expected.concat().len());
    assert_eq!(router.snapshot().counts.forms, 1);
}

#[tokio::test]
async fn a_stream_left_after_its_terminal_event_is_checked_and_before_it_is_not() {
    for (steps, checked_times) in [
        (
            vec![event(CONTENT), event(STOP), event("[DONE]"), Step::Hang],
            1,
        ),
        (vec![event(CONTENT), event(ROLE), Step::Hang], 0),
    ] {
        let (router, seen) = checked(quality(1.0));
        let reads = steps.len() - 1;
        let mut body = send(&router, move || stream(steps.clone()))
            .await
            .into_body();
        for _ in 0..reads {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert_eq!(seen.lock().unwrap().len(), checked_times);
    }
}

#[tokio::test(start_paused = true)]
async fn what_did_not_end_well_is_not_checked() {
    let cut = || stream([event(CONTENT), Step::Error("reset")]);
    let failed: [fn() -> Response<Frames>; 6] = [
        || status(500, &[]),
        || json(r#"{"error":{"message":"no"}}"#),
        || json(r#"{"choices":[{"message":{"content":"x"},"finish_reason":"length"}]}"#),
        || json("{"),
        || stream([event(CONTENT)]),
        cut,
    ];
    for reply in failed {
        let (router, seen) = checked(quality(0.0));
        let body = send(&router, reply).await.into_body();
        let _ = body.collect().await;
        assert!(seen.lock().unwrap().is_empty(), "{seen:?}");
        assert_eq!(router.snapshot().counts.reports, 0);
    }
    // What cannot be read, and what was not routed.
    let (router, seen) = checked(quality(0.0));
    let compressed = || {
        let mut answer = good();
        let gzip = "gzip".parse().unwrap();
        answer.headers_mut().insert("content-encoding", gzip);
        answer
    };
    read(send(&router, compressed).await.into_body()).await;
    let service = OutcomeRoutingLayer::new(router.clone()).layer(Provider::good());
    let answer = service.oneshot(chat("unknown")).await.unwrap();
    read(answer.into_body()).await;
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_of_a_check_is_caught_and_counted() {
    let pool = Pool::new("pool")
        .model("a")
        .success_when(|_: &Answer<'_>| -> Option<Grade> { panic!("scripted") })
        .success_when(|_: &Answer<'_>| Some(Grade::Form(true)));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let answer = send(&router, good).await;
    assert_eq!(text(answer.into_body()).await, GOOD);
    let counts = router.snapshot().counts;
    assert_eq!((counts.check_panics, counts.forms), (1, 1));
    assert_account(&router, &[("success", 1)]);
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_checked() {
    const MIB: usize = 1024 * 1024;
    let long = || {
        format!(
            r#"{{"choices":[{{"message":{{"content":"{}"}}}}]}}"#,
            "x".repeat(MIB)
        )
    };
    let (router, seen) = checked(None);
    let answer = send(&router, move || json(&long())).await;
    read(answer.into_body()).await;
    let part = || event(&CONTENT.replace("Hello", &"x".repeat(MIB / 4)));
    let answer = send(&router, move || {
        stream((0..6).map(|_| part()).chain([event(STOP), event("[DONE]")]))
    })
    .await;
    read(answer.into_body()).await;
    let seen = seen.lock().unwrap();
    let of: Vec<_> = seen.iter().map(|seen| (seen.3, seen.4, seen.5)).collect();
    assert_eq!(of, [(MIB, false, false), (MIB, true, false)]);
    assert!(seen[1].2.len() >= 3 * MIB / 4);
}

#[tokio::test]
async fn the_routers_checks_are_for_pools_without_their_own() {
    let own = Pool::new("own")
        .model("b")
        .success_when(|_: &Answer<'_>| quality(1.0));
    let router = OutcomeRouter::builder()
        .model("a")
        .pool(own)
        .success_when(ValidJson::new())
        .build()
        .unwrap();
    let ask = |model: &str| -> Request<Frames> {
        let mode = r#""response_format":{"type":"json_object"}"#;
        post(
            CHAT,
            &format!(r#"{{"model":"{model}",{mode},"messages":[]}}"#),
        )
    };
    let mut service = OutcomeRoutingLayer::new(router.clone()).layer(Provider::good());
    for (request, forms, reports) in [(chat("a"), 0, 0), (ask("a"), 1, 0), (ask("b"), 1, 1)] {
        let ready = ServiceExt::<Request<Frames>>::ready(&mut service).await;
        let answer = ready.unwrap().call(request).await.unwrap();
        read(answer.into_body()).await;
        let counts = router.snapshot().counts;
        assert_eq!((counts.forms, counts.reports), (forms, reports));
    }
}

#[tokio::test]
async fn a_form_is_reported_once_and_only_for_known_attempts() {
    let router = three();
    let answer = send(&router, good).await;
    let routed = answer.extensions().get::<tower_outcome::Routed>().unwrap();
    let id = routed.outcome_id();
    for valid in [true, true, false] {
        router.report_form(id, valid).unwrap();
    }
    assert_eq!(router.snapshot().counts.forms, 2);
    assert!(three().report_form(id, true).unwrap_err().is_foreign());
}
