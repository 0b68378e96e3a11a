use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    classify::{Class, Usage, Verdict},
    router::{Mode, Outcome, PickRequest, Pool, Price, Target, Ticket},
};

fn pool(targets: &[&str]) -> Pool {
    let target = |name: &&str| Target::new(*name).price(Price::per_million(1.0, 0.0));
    targets
        .iter()
        .map(target)
        .fold(Pool::new("chat"), Pool::target)
}

fn router(watch: &Watch, targets: &[&str]) -> OutcomeRouter {
    let builder = OutcomeRouter::builder().pool(pool(targets)).seed(1);
    let router = builder.observer(watch.observer()).build().unwrap();
    watch.follow(&router);
    router
}

fn pick(router: &OutcomeRouter, model: &str) -> Ticket {
    router.pick(&PickRequest::new(model)).unwrap()
}

fn settle(ticket: Ticket, class: Class) {
    let usage = Some(Usage::new(1_000_000, 0));
    ticket.settle(Outcome::new(Verdict::new(class)).usage(usage));
}

fn view(watch: &Watch) -> Value {
    serde_json::to_value(watch.view()).unwrap()
}

#[test]
fn what_is_known_outlives_the_router_and_is_kept_by_name() {
    let watch = Watch::new();
    let before = router(&watch, &["a", "b"]);
    assert!(before.set_drained("chat", "a", true));
    for _ in 0..3 {
        settle(pick(&before, "a"), Class::Success);
    }
    let open = pick(&before, "a");

    let builder = OutcomeRouter::builder().pool(pool(&["new", "b", "a"]));
    let builder = builder.succeeding(&before).observer(watch.observer());
    let after = builder.build().unwrap();
    watch.follow(&after);
    // Of the old router, and told by name.
    settle(open, Class::Success);
    settle(pick(&after, "b"), Class::Success);
    let view = view(&watch);
    let pool = &view["pools"][0];
    assert_eq!(
        (&pool["requests"], &pool["substituted"]),
        (&json!(5), &json!(4))
    );
    let [new, b] = [&pool["targets"][0], &pool["targets"][1]];
    assert_eq!((&new["name"], &new["attempts"]), (&json!("new"), &json!(0)));
    assert_eq!(
        (&b["name"], &b["attempts"], &b["dollars"]),
        (&json!("b"), &json!(5), &json!(5.0))
    );
    let moves = view["moves"].as_array().unwrap();
    assert_eq!(moves.len(), 1, "{moves:?}");
    assert_eq!(
        (
            &moves[0]["from"],
            &moves[0]["count"],
            &moves[0]["dollars_instead"]
        ),
        (&json!("a"), &json!(4), &json!(4.0))
    );
}

#[test]
fn what_would_have_been_picked_is_told_apart_from_who_served() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b", "c"]);
    assert!(router.set_drained("chat", "a", true));
    settle(pick(&router, "chat"), Class::Success);
    settle(pick(&router, "chat"), Class::ServerError);
    settle(pick(&router, "c"), Class::Success);
    let view = view(&watch);
    let of = |name: &str| {
        let targets = view["pools"][0]["targets"].as_array().unwrap();
        let shares = targets.iter().map(|it| it[name].as_f64().unwrap());
        shares
            .map(|share| (share * 100.0).round())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("intended"), [67.0, 0.0, 33.0]);
    assert_eq!(of("share"), [0.0, 50.0, 50.0]);
    assert_eq!(view["totals"]["wasted"], 1);
    let b = &view["pools"][0]["targets"][1];
    assert_eq!((&b["failed"], &b["success"]), (&json!(1), &json!(0.5)));
}

#[test]
fn refusals_count_as_requests_and_copies_as_nothing_but_cost() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b"]);
    let follows = pick(&router, "a");
    let shadow = PickRequest::new("a")
        .follows(follows.target_id())
        .shadow(true);
    let shadow = shadow.tried(&[]);
    if let Ok(copy) = router.pick(&shadow) {
        settle(copy, Class::ServerError);
    }
    settle(follows, Class::Success);
    let nobody = router.pick(&PickRequest::new("unknown")).unwrap_err();
    router.refused("a", &nobody, router.now());
    let view = view(&watch);
    assert_eq!(view["totals"]["requests"], 2);
    assert_eq!(
        (&view["totals"]["refused"], &view["totals"]["wasted"]),
        (&json!(1), &json!(0))
    );
    let attempts = |at: usize| view["pools"][0]["targets"][at]["attempts"].clone();
    assert_eq!((attempts(0), attempts(1)), (json!(1), json!(0)));
}

#[test]
fn an_observed_pool_tells_who_would_have_served() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b"]);
    assert!(router.set_drained("chat", "a", true));
    assert!(router.set_mode("chat", Mode::Observe));
    settle(pick(&router, "a"), Class::Success);
    let kept = watch.decisions();
    assert_eq!(kept.len(), 1);
    let left = serde_json::to_value(&kept[0].left).unwrap();
    assert_eq!(left["text"], "a -> b (only observed): taken out by hand");
    assert_eq!(
        (&left["kind"], &left["to"]),
        (&json!("drained"), &json!("b"))
    );
    assert_eq!(view(&watch)["totals"]["substituted"], 0);
}

#[test]
fn a_call_that_moves_on_after_a_failure_says_so() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b"]);
    let first = pick(&router, "a");
    let tried = [first.target_id()];
    settle(first, Class::ServerError);
    let second = router.pick(&PickRequest::new("a").tried(&tried)).unwrap();
    settle(second, Class::Success);
    let kept = watch.decisions();
    let left = serde_json::to_value(&kept[0].left).unwrap();
    assert_eq!(left["text"], "a -> b: has just failed this request");
    assert_eq!(
        (&left["attempt"], &left["kind"]),
        (&json!(2), &json!("tried"))
    );
    assert_eq!(view(&watch)["totals"]["requests"], 1);
}

#[test]
fn only_the_last_two_hundred_decisions_are_kept_and_twenty_a_second_told() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b"]);
    assert!(router.set_drained("chat", "a", true));
    for _ in 0..1000 {
        settle(pick(&router, "a"), Class::Success);
    }
    let kept = watch.decisions();
    // Twenty of each second that this took, and the first of its kind.
    assert!((21..=200).contains(&kept.len()), "{}", kept.len());
    let id = serde_json::to_value(&kept[0].left).unwrap()["id"].clone();
    assert!(watch.decision(id.as_str().unwrap()).is_some());
    assert!(watch.decision("").is_none());
}

#[tokio::test(start_paused = true)]
async fn samples_make_a_history_that_is_bounded() {
    let watch = Watch::new();
    let router = router(&watch, &["a", "b"]);
    watch.start();
    watch.start();
    settle(pick(&router, "a"), Class::Success);
    tokio::time::sleep(Duration::from_secs(2000)).await;
    let history = serde_json::to_value(watch.history()).unwrap();
    assert_eq!(history["at"].as_array().unwrap().len(), 450);
    let states = history["series"]["chat"]["a"]["state"].as_array().unwrap();
    assert!(states.len() == 450 && states.iter().all(|state| state == "healthy"));
}
