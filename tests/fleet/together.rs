use std::time::Duration;

use tokio::time::sleep;
use tower_outcome::{Class, Score, store::MemoryStore};

use crate::support::{SECRET, SHARED, ended, fleet, join, join_with, refused, shared};

#[tokio::test(start_paused = true)]
async fn a_wait_that_one_is_asked_for_keeps_the_others_away() {
    let fleet = fleet(3);
    shared().await;
    assert_eq!(fleet[0].call(|_| refused(Duration::from_secs(30))), "large");
    shared().await;
    for instance in &fleet {
        assert_eq!(instance.next(), "small");
        let wait = instance.target("large").rate_limited_s.unwrap();
        assert!((28.0..=30.0).contains(&wait), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_wait_does_not_cut_a_longer_one() {
    let fleet = fleet(2);
    shared().await;
    fleet[0].call(|_| refused(Duration::from_secs(60)));
    fleet[1].call(|_| refused(Duration::from_secs(2)));
    shared().await;
    for instance in &fleet {
        assert!(instance.target("large").rate_limited_s.unwrap() > 55.0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_others_see_opens_the_breaker_here() {
    let fleet = fleet(4);
    shared().await;
    for instance in &fleet[1..] {
        for _ in 0..2 {
            instance.call_only("large", ended(Class::ServerError));
        }
    }
    shared().await;
    assert!(fleet[0].target("large").broken);
    assert_eq!(fleet[0].target("large").of_others, 6);
    assert_eq!(fleet[0].next(), "small");
}

#[tokio::test(start_paused = true)]
async fn who_has_just_had_an_answer_is_not_told_that_there_are_none() {
    let fleet = fleet(2);
    shared().await;
    for _ in 0..40 {
        fleet[0].call(|_| ended(Class::Success));
    }
    for _ in 0..20 {
        fleet[1].call(|target| match target {
            "large" => ended(Class::ServerError),
            _ => ended(Class::Success),
        });
    }
    for _ in 0..8 {
        fleet[0].call(|_| ended(Class::Success));
        sleep(Duration::from_millis(100)).await;
    }
    assert!(!fleet[0].target("large").broken);
}

#[tokio::test(start_paused = true)]
async fn scores_are_shared_by_task_once_the_task_is_known() {
    let fleet = fleet(2);
    shared().await;
    for _ in 0..20 {
        let (_, id) = fleet[0].call_task(Some("sums"), |_| ended(Class::Success));
        fleet[0].router.report(id, Score::WORST).unwrap();
    }
    shared().await;
    assert_eq!(fleet[1].target("large").scores, 0.0);
    assert!(fleet[1].membership.state().unknown > 0);
    // The first that asks for the task makes it known, and what was said of it is still there.
    fleet[1].call_task(Some("sums"), |_| ended(Class::Success));
    shared().await;
    let (ours, theirs) = (fleet[0].target("large"), fleet[1].target("large"));
    assert!(ours.scores > 0.0);
    assert!(
        (ours.scores - theirs.scores).abs() < 0.1,
        "{ours:?} {theirs:?}"
    );
    assert!(
        (ours.quality - theirs.quality).abs() < 0.02,
        "{ours:?} {theirs:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_score_may_come_in_anywhere_and_counts_once() {
    let fleet = fleet(3);
    shared().await;
    let (target, id) = fleet[0].call_task(None, |_| ended(Class::Success));
    // At two others, and one of them twice; then it is corrected at the third.
    fleet[1].router.report(id, Score::BEST).unwrap();
    fleet[1].router.report(id, Score::BEST).unwrap();
    fleet[2].router.report(id, Score::BEST).unwrap();
    shared().await;
    shared().await;
    for instance in &fleet {
        let scores = instance.target(&target).scores;
        assert!((0.99..=1.0).contains(&scores), "{scores}");
    }
    let best = fleet[0].target(&target).quality;
    fleet[2].router.report(id, Score::WORST).unwrap();
    shared().await;
    shared().await;
    for instance in &fleet {
        let target = instance.target(&target);
        assert!((0.98..=1.0).contains(&target.scores), "{}", target.scores);
        assert!(target.quality < best, "{}", target.quality);
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_nobody_has_issued_is_refused_everywhere() {
    let fleet = fleet(2);
    let (_, id) = fleet[0].call_task(None, |_| ended(Class::Success));
    let mut digits = id.to_string().into_bytes();
    let last = digits.last_mut().unwrap();
    *last = if *last == b'0' { b'1' } else { b'0' };
    let forged = String::from_utf8(digits).unwrap().parse().unwrap();
    for instance in &fleet {
        let refused = instance.router.report(forged, Score::BEST).unwrap_err();
        assert!(refused.is_foreign());
    }
}

#[tokio::test(start_paused = true)]
async fn other_secrets_share_nothing() {
    let store = MemoryStore::new();
    let (one, other) = (
        join(store.clone(), 1),
        join_with(store, 2, "another secret"),
    );
    shared().await;
    let id = one.call_task(None, |_| refused(Duration::from_secs(30))).1;
    shared().await;
    assert_eq!(other.next(), "large");
    assert_eq!(other.target("large").of_others, 0);
    assert!(
        other
            .router
            .report(id, Score::BEST)
            .unwrap_err()
            .is_foreign()
    );
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_learns_what_was_before() {
    let store = MemoryStore::new();
    let first = join(store.clone(), 1);
    shared().await;
    for _ in 0..6 {
        first.call_only("large", ended(Class::ServerError));
    }
    first.call(|_| refused(Duration::from_secs(60)));
    shared().await;
    let late = join(store, 2);
    sleep(Duration::from_millis(10)).await;
    assert!(late.target("large").broken);
    assert!(late.target("small").rate_limited_s.unwrap() > 50.0);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_takes_over_goes_on_sharing() {
    let store = MemoryStore::new();
    let other = join(store.clone(), 1);
    let before = crate::support::router(2, SECRET);
    let now = std::sync::Arc::new(std::sync::Mutex::new(before.clone()));
    let of_it = now.clone();
    let sharing = tower_outcome::store::Sharing::new(store);
    let membership = sharing
        .start(move || of_it.lock().unwrap().clone())
        .unwrap();
    shared().await;
    let open = before
        .pick(&tower_outcome::PickRequest::new("chat"))
        .unwrap();
    let builder = tower_outcome::OutcomeRouter::builder().pool(
        tower_outcome::Pool::new("chat")
            .target(
                tower_outcome::Target::new("large")
                    .upstream(tower_outcome::Upstream::new("https://large.example/v1").unwrap()),
            )
            .target(tower_outcome::Target::new("new")),
    );
    *now.lock().unwrap() = builder.succeeding(&before).build().unwrap();
    open.settle(refused(Duration::from_secs(30)));
    sleep(SHARED).await;
    assert_eq!(other.next(), "small");
    membership.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_things_are_told_at_the_end() {
    let mut fleet = fleet(2);
    shared().await;
    let ending = fleet.remove(0);
    ending.call(|_| ended(Class::ServerError));
    ending.membership.stop().await;
    shared().await;
    assert_eq!(fleet[0].target("large").of_others, 1);
}

#[tokio::test(start_paused = true)]
async fn how_it_goes_can_be_told() {
    let fleet = fleet(3);
    shared().await;
    fleet[0].call(|_| ended(Class::Success));
    shared().await;
    let states: Vec<_> = fleet.iter().map(|it| it.membership.state()).collect();
    for state in &states {
        assert_eq!(
            (state.store, state.instances, state.connected),
            ("memory", 3, true)
        );
        assert!(state.trouble.is_none() && state.failures == 0 && state.exchanges >= 4);
        assert!(state.last_exchange_s.unwrap() < 0.5);
        assert!((0.2..=0.3).contains(&state.interval_s));
    }
    // An attempt, its time and a request with its tokens.
    assert!(
        states[0].sent > 3 && states[1].taken == states[0].sent,
        "{states:?}"
    );
    assert_ne!(states[0].instance, states[1].instance);
}

#[tokio::test(start_paused = true)]
async fn a_router_that_is_not_to_share_is_not_shared() {
    let router = tower_outcome::OutcomeRouter::builder()
        .model("m")
        .build()
        .unwrap();
    let sharing = tower_outcome::store::Sharing::new(MemoryStore::new());
    let refused = sharing.start(move || router.clone()).unwrap_err();
    assert!(
        refused.is_lacking() && refused.to_string().contains("secret"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_router_is_shared_once() {
    let one = join(MemoryStore::new(), 1);
    let of_it = one.router.clone();
    let again = tower_outcome::store::Sharing::new(MemoryStore::new());
    let refused = again.start(move || of_it.clone()).unwrap_err();
    assert!(refused.to_string().contains("already"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_does_not_make_the_same_instance() {
    let store = MemoryStore::new();
    let fleet = [join(store.clone(), 7), join(store, 7)];
    shared().await;
    for instance in &fleet {
        instance.call(|_| ended(Class::Success));
    }
    shared().await;
    for instance in &fleet {
        assert_eq!(instance.target("large").of_others, 1);
        assert_eq!(instance.membership.state().instances, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_goes_on_under_the_same_secret_and_does_not_hold_it() {
    let before = crate::support::router(1, SECRET);
    let request = || tower_outcome::PickRequest::new("chat").task("sums");
    for _ in 0..20 {
        let ticket = before.pick(&request()).unwrap();
        let id = ticket.outcome_id();
        ticket.settle(ended(Class::Success));
        before.report(id, Score::WORST).unwrap();
    }
    let kept = serde_json::to_string(&before.learned()).unwrap();
    assert!(kept.contains("\"secret\":null"), "{kept}");
    let tasks = |secret: &str| {
        let kept = serde_json::from_str(&kept).unwrap();
        let pool = tower_outcome::Pool::new("chat")
            .model("large")
            .model("small");
        let router = tower_outcome::OutcomeRouter::builder()
            .pool(pool)
            .shared(secret);
        let kept = router.learned(kept).build().unwrap().learned();
        let kept = serde_json::to_value(kept).unwrap();
        kept["pools"][0]["quality"]["tasks"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((tasks(SECRET), tasks("another")), (2, 1));
}
