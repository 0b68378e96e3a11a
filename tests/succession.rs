//! A router that takes over from another goes on where that one is.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::time::Duration;

use tokio::time::Instant;
use tower_outcome::{
    Candidates, Class, Credential, Mode, Outcome, OutcomeRouter, PickRequest, Pool, Price, Score,
    Snapshot, Target, Upstream, Verdict,
    router::{Builder, State, TargetSnapshot},
};

fn upstream(key: &str) -> Upstream {
    let upstream = Upstream::new("http://a/v1").unwrap();
    upstream.credential(Credential::new(key).unwrap())
}

fn pool(names: &[&str]) -> Pool {
    let targets = names.iter();
    targets.fold(Pool::new("chat"), |pool, name| {
        pool.target(Target::new(*name).upstream(upstream("key")))
    })
}

fn router(pool: Pool) -> OutcomeRouter {
    OutcomeRouter::builder().pool(pool).build().unwrap()
}

fn next(before: &OutcomeRouter, pool: Pool) -> OutcomeRouter {
    let builder = OutcomeRouter::builder().pool(pool);
    builder.succeeding(before).build().unwrap()
}

fn limited(seconds: u64) -> Outcome {
    let wait = Some(Duration::from_secs(seconds));
    Outcome::new(Verdict::new(Class::RateLimited).with_retry_after(wait))
}

fn outcome(class: Class) -> Outcome {
    Outcome::new(Verdict::new(class))
}

fn settle(router: &OutcomeRouter, outcome: Outcome, now: Instant) {
    let ticket = router.pick_at(&PickRequest::new("chat"), now).unwrap();
    ticket.settle_at(outcome, now);
}

fn target(snapshot: &Snapshot, name: &str) -> TargetSnapshot {
    let mut targets = snapshot.targets();
    targets.find(|it| &*it.name == name).unwrap().clone()
}

#[test]
fn what_is_known_of_unchanged_targets_goes_on() {
    let old = router(pool(&["a", "b"]));
    let now = old.now();
    settle(&old, limited(60), now);
    settle(&old, outcome(Class::ServerError), now);
    assert!(old.set_drained("chat", "b", true));

    let new = next(&old, pool(&["x", "b", "a"]));
    let snapshot = new.snapshot_at(now);
    let [a, b, x] = ["a", "b", "x"].map(|name| target(&snapshot, name));
    assert_eq!((a.state, a.state_s), (State::Walled, Some(60.0)));
    assert!(b.health < 0.9 && b.drained);
    assert_eq!(b.outcomes_of(Class::ServerError), 1);
    assert_eq!((x.state, x.picks), (State::Healthy, 0));
    assert_eq!(snapshot.decisions, 2);
}

#[test]
fn attempts_that_are_open_on_the_old_one_are_taken_in_by_the_new_one() {
    let old = router(pool(&["a", "b"]));
    let now = old.now();
    let open = old.pick_at(&PickRequest::new("chat"), now).unwrap();
    let id = open.outcome_id();
    let new = next(&old, pool(&["a", "b"]));
    assert_eq!(target(&new.snapshot_at(now), "a").in_flight, 1);
    // So that something is posted, which the refusal has to overturn.
    settle(&new, outcome(Class::Success), now);
    open.settle_at(limited(60), now);
    let snapshot = new.snapshot_at(now);
    assert_eq!(target(&snapshot, "a").state, State::Walled);
    assert_eq!(target(&snapshot, "a").in_flight, 0);
    let picked = new.pick_at(&PickRequest::new("chat"), now).unwrap();
    assert_eq!(picked.target(), "b");
    new.report_at(id, Score::WORST, now).unwrap();
    assert!(target(&new.snapshot_at(now), "a").scores > 0.9);
    old.report_at(id, Score::BEST, now).unwrap();
    assert!(target(&new.snapshot_at(now), "a").scores < 1.1, "corrected");
}

#[test]
fn a_target_with_another_credential_starts_afresh_but_for_its_quality() {
    let old = router(pool(&["a"]));
    let now = old.now();
    let open = old.pick_at(&PickRequest::new("chat"), now).unwrap();
    old.report_at(open.outcome_id(), Score::WORST, now).unwrap();
    open.settle_at(limited(60), now);
    let other = Pool::new("chat").target(Target::new("a").upstream(upstream("other")));
    let new = next(&old, other);
    let a = target(&new.snapshot_at(now), "a");
    assert_eq!((a.state, a.picks), (State::Healthy, 0));
    assert!(a.scores > 0.9);
}

#[test]
fn quality_goes_on_where_the_order_changes() {
    let old = router(pool(&["a", "b"]));
    let now = old.now();
    let only = Candidates::one("a");
    for _ in 0..100 {
        let request = PickRequest::new("a").task("t").candidates(&only);
        let ticket = old.pick_at(&request, now).unwrap();
        old.report_at(ticket.outcome_id(), Score::WORST, now)
            .unwrap();
        ticket.settle_at(outcome(Class::Success), now);
    }
    let before = old.snapshot_at(now);
    let new = next(&old, pool(&["b", "c", "a"])).snapshot_at(now);
    for name in ["a", "b"] {
        let (before, after) = (target(&before, name), target(&new, name));
        let (before, after) = (before.scores, after.scores);
        assert!((before - after).abs() < 1e-3, "{name}: {before} {after}");
    }
    assert!(target(&new, "a").quality < 0.5);
    assert_eq!(target(&new, "c").scores, 0.0);
}

#[test]
fn what_was_switched_by_hand_stays_until_the_file_says_otherwise() {
    let old = router(pool(&["a"]));
    assert!(old.set_mode("chat", Mode::Off));
    let new = next(&old, pool(&["a"]));
    assert_eq!(new.mode("chat"), Some(Mode::Off));
    let new = next(&new, pool(&["a"]).mode(Mode::Observe));
    assert_eq!(new.mode("chat"), Some(Mode::Observe));
}

#[test]
fn prices_are_the_new_ones() {
    let priced = |input| {
        let target = Target::new("a").price(Price::per_million(input, 0.0));
        Pool::new("chat").target(target)
    };
    let old = router(priced(1.0));
    let new = next(&old, priced(3.0));
    let mut usage = tower_outcome::classify::Usage::default();
    usage.input = 1_000_000;
    let ticket = new.pick(&PickRequest::new("a")).unwrap();
    let cost = ticket.settle(outcome(Class::Success).usage(Some(usage)));
    assert_eq!(cost, Some(3.0));
}

#[test]
fn what_cannot_be_built_leaves_the_old_one_as_it_is() {
    let old = router(pool(&["a"]));
    let now = old.now();
    let twice = |builder: Builder| builder.pool(pool(&["a"])).pool(pool(&["b"]));
    let failed = twice(OutcomeRouter::builder()).succeeding(&old).build();
    assert!(failed.is_err());
    settle(&old, limited(60), now);
    assert_eq!(target(&old.snapshot_at(now), "a").state, State::Walled);
}

#[test]
fn a_broken_target_that_is_gone_makes_its_siblings_suspected_no_more() {
    let old = router(pool(&["a", "b"]));
    let now = old.now();
    let open = old.pick_at(&PickRequest::new("a"), now).unwrap();
    let only = Candidates::one("a");
    for _ in 0..10 {
        let request = PickRequest::new("a").candidates(&only);
        let ticket = old.pick_at(&request, now).unwrap();
        ticket.settle_at(outcome(Class::ServerError), now);
    }
    assert_eq!(target(&old.snapshot_at(now), "a").state, State::Out);
    let sound = router(pool(&["b"]));
    let new = next(&old, pool(&["b"]));
    open.settle_at(outcome(Class::ServerError), now);
    let health = |router: &OutcomeRouter| target(&router.snapshot_at(now), "b").health;
    assert!(
        health(&new) >= health(&sound) - 0.02,
        "{} {}",
        health(&new),
        health(&sound)
    );
}

#[test]
fn a_hundred_reloads_keep_what_is_known_and_lose_no_attempt() {
    let mut current = router(pool(&["a", "b"]));
    let now = current.now();
    let mut open = Vec::new();
    for n in 0..100_u32 {
        open.push(current.pick_at(&PickRequest::new("chat"), now).unwrap());
        let names: &[&str] = if n % 2 == 0 {
            &["a", "c", "b"]
        } else {
            &["a", "b"]
        };
        current = next(&current, pool(names));
    }
    for ticket in open {
        ticket.settle_at(outcome(Class::Success), now);
    }
    let snapshot = current.snapshot_at(now);
    let a = target(&snapshot, "a");
    assert_eq!((a.picks, a.in_flight, a.settled()), (100, 0, 100));
}
