//! Who watches a router is told everything once, and can break nothing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic
)]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use tower_outcome::{
    Class, Decision, Mode, Outcome, OutcomeRouter, PickRequest, Pool, Price, Routed, Target,
    Verdict,
    classify::Usage,
    router::{Observe, Refused, Settled, State},
};

/// Writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observe for Notes {
    fn picked(&self, routed: &Routed, _: Instant) {
        let (asked, served) = (routed.requested_model(), routed.target());
        self.note(format!("picked {served} for {asked}"));
    }

    fn wants_decision(&self, routed: &Routed) -> bool {
        routed.model() != routed.requested_model()
    }

    fn decided(&self, routed: &Routed, decision: &Arc<Decision>) {
        assert_eq!(decision.target(), Some(routed.target()));
        self.note(format!("because {}", routed.reason()));
    }

    fn settled(&self, routed: &Routed, settled: &Settled<'_>) {
        let class = settled.outcome().verdict().class.as_str();
        let (took, cost) = (settled.took().as_secs(), settled.cost());
        self.note(format!(
            "{} {class} after {took} s for {cost:?}",
            routed.target()
        ));
    }

    fn refused(&self, refused: &Refused<'_>) {
        self.note(format!("refused {}", refused.requested_model()));
    }
}

struct Panics;

impl Observe for Panics {
    fn picked(&self, _: &Routed, _: Instant) {
        panic!("scripted")
    }

    fn wants_decision(&self, _: &Routed) -> bool {
        panic!("scripted")
    }

    fn settled(&self, _: &Routed, _: &Settled<'_>) {
        panic!("scripted")
    }
}

fn router(notes: &Arc<Notes>) -> OutcomeRouter {
    let pool = Pool::new("chat")
        .target(Target::new("a").price(Price::per_million(1.0, 2.0)))
        .target(Target::new("b"));
    let builder = OutcomeRouter::builder().pool(pool).observer(notes.clone());
    builder.build().unwrap()
}

fn outcome(class: Class) -> Outcome {
    Outcome::new(Verdict::new(class))
}

#[test]
fn an_observer_is_told_of_every_pick_and_every_end_once() {
    let notes = Arc::new(Notes::default());
    let (router, now) = (router(&notes), Instant::now());
    let request = PickRequest::new("a");

    let ticket = router.pick_at(&request, now).unwrap();
    assert_eq!(notes.take(), ["picked a for a"]);
    let mut usage = Usage::default();
    usage.input = 1_000_000;
    let done = outcome(Class::Success).usage(Some(usage));
    ticket.settle_at(done, now + Duration::from_secs(2));
    assert_eq!(notes.take(), ["a success after 2 s for Some(1.0)"]);

    let wait = Some(Duration::from_secs(9));
    let ticket = router.pick_at(&request, now).unwrap();
    let refused = Verdict::new(Class::RateLimited).with_retry_after(wait);
    ticket.settle_at(Outcome::new(refused), now);
    notes.take();
    let ticket = router.pick_at(&request, now).unwrap();
    assert!(
        ticket.decision().is_none(),
        "the caller did not ask for the decision"
    );
    assert_eq!(
        notes.take(),
        ["picked b for a", "because a: rate limited for 9.0 s"]
    );
    drop(ticket);
    let ended = notes.take();
    assert!(
        matches!(&ended[..], [one] if one.starts_with("b abandoned")),
        "{ended:?}"
    );

    assert!(router.set_mode("chat", Mode::Observe));
    drop(router.pick_at(&request, now).unwrap());
    let observed = notes.take();
    assert_eq!(observed.first().map(String::as_str), Some("picked a for a"));
    assert_eq!(observed.len(), 2, "{observed:?}");
}

#[test]
fn f26_a_panicking_observer_is_caught_and_counted() {
    let notes = Arc::new(Notes::default());
    let builder = OutcomeRouter::builder().model("a");
    let builder = builder.observer(Arc::new(Panics)).observer(notes.clone());
    let router = builder.build().unwrap();
    let now = Instant::now();
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    ticket.settle_at(outcome(Class::Success), now);
    assert_eq!(router.snapshot_at(now).counts.observer_panics, 3);
    assert_eq!(notes.take().len(), 2);
}

fn states(router: &OutcomeRouter, now: Instant) -> Vec<(State, Option<f64>)> {
    let snapshot = router.snapshot_at(now);
    let targets = snapshot.targets();
    targets.map(|it| (it.state, it.state_s)).collect()
}

#[test]
fn a_snapshot_says_how_every_target_is_doing() {
    let (router, now) = (router(&Arc::default()), Instant::now());
    let request = PickRequest::new("a");
    let settle = |class, wait: Option<u64>, at| {
        let wait = wait.map(Duration::from_secs);
        let verdict = Verdict::new(class).with_retry_after(wait);
        let ticket = router.pick_at(&request, at).unwrap();
        ticket.settle_at(Outcome::new(verdict), at);
    };
    let at = |seconds| now + Duration::from_secs(seconds);
    let well = (State::Healthy, None);
    assert_eq!(states(&router, now), [well, well]);
    settle(Class::RateLimited, Some(9), now);
    assert_eq!(states(&router, now), [(State::Walled, Some(9.0)), well]);
    assert_eq!(states(&router, at(9)), [(State::Probing, None), well]);
    settle(Class::Success, None, at(9));
    assert_eq!(
        states(&router, at(9)),
        [(State::Probing, None), well],
        "the probe"
    );
    assert_eq!(
        states(&router, at(11)),
        [(State::Probing, None), well],
        "a share"
    );
    assert_eq!(states(&router, at(60)), [well, well]);

    for _ in 0..20 {
        settle(Class::ServerError, None, at(60));
    }
    let (state, lasts) = *states(&router, at(60)).first().unwrap();
    assert_eq!(state, State::Out, "its breaker is open");
    assert!(lasts.is_some_and(|lasts| lasts > 0.0));
    assert!(router.set_drained("chat", "b", true));
    assert_eq!(states(&router, at(60)).get(1), Some(&(State::Out, None)));
}
