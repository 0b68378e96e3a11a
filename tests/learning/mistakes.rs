//! What routers of the simplest kind get wrong.

use std::time::Duration;

use tower_outcome::{
    Candidates, Class, Outcome, PickRequest, Pool, Verdict,
    classify::{LimitWindow, Limits},
};

use super::{
    provider::Model,
    world::{World, everything},
};

const MINUTE: f64 = 60.0;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn success() -> Outcome {
    Outcome::new(Verdict::new(Class::Success))
}

fn limited(wait: f64) -> Outcome {
    Outcome::new(Verdict::new(Class::RateLimited).with_retry_after(Some(seconds(wait))))
}

fn two() -> World {
    let pool = Pool::new("pool").model("a").model("b");
    let models = [("a", Model::right(0.9)), ("b", Model::right(0.9))];
    World::new(pool, models, 1)
}

#[test]
fn between_equals_the_faster_is_picked_where_the_user_has_no_preference() {
    let fast = Model::default();
    let slow = Model {
        start: 1.0,
        per_token: 0.02,
        ..Model::default()
    };
    for scored in [false, true] {
        for (a, b, faster) in [(&slow, &fast, "b"), (&fast, &slow, "a")] {
            let pool = Pool::new("pool").preference(0.0).model("a").model("b");
            let mut world = World::new(pool, [("a", a.clone()), ("b", b.clone())], 1);
            if scored {
                world.score = everything;
            }
            world.run(60.0 * MINUTE);
            let share = world.share(faster, 30.0 * MINUTE, 60.0 * MINUTE);
            assert!(share > 0.95, "{faster}, scored {scored}: {share}");
        }
    }
}

#[test]
fn an_early_failure_does_not_kill_a_target() {
    for hangs in [false, true] {
        let mut world = two();
        world.rate = 0.2;
        let broken = world.model("a");
        (broken.fails, broken.hangs) = if hangs { (0.0, 1.0) } else { (1.0, 0.0) };
        while world.attempts.is_empty() {
            world.run(1.0);
        }
        let well = world.model("a");
        (well.fails, well.hangs) = (0.0, 0.0);
        world.run(20.0 * MINUTE);
        let share = world.share("a", 5.0 * MINUTE, 20.0 * MINUTE);
        assert!(share > 0.95, "{share}");
    }
}

#[test]
fn ten_thousand_successes_do_not_hide_an_outage() {
    let mut world = two().per_hour(36_000.0);
    world.run(1000.0);
    world.model("a").fails = 1.0;
    // Shorter than the pause before the first probe.
    world.run(2.0);
    let met = world.on("a", 1000.0, 1002.0);
    assert!(met <= 5, "{met}");
}

#[test]
fn timeouts_and_server_errors_count() {
    for (fails, hangs) in [(1.0, 0.0), (0.0, 1.0)] {
        let mut world = two();
        world.run(5.0 * MINUTE);
        (world.model("a").fails, world.model("a").hangs) = (fails, hangs);
        world.run(5.0 * MINUTE);
        let health = world.router().snapshot_at(world.instant());
        let health = health.targets().next().unwrap().health;
        let share = world.share("a", 6.0 * MINUTE, 10.0 * MINUTE);
        assert!(health < 0.7 && share < 0.05, "{health} {share}");
    }
}

#[test]
fn the_time_of_a_fallback_excludes_the_failed_attempt() {
    let mut world = two();
    world.model("a").hangs = 1.0;
    world.run(10.0 * MINUTE);
    let snapshot = world.router().snapshot_at(world.instant());
    let usual = snapshot.targets().nth(1).unwrap().total_s.unwrap();
    assert!((0.3..2.0).contains(&usual), "{usual}");
}

#[test]
fn a_wait_of_five_minutes_is_kept_to_its_end() {
    let world = two();
    let (router, t0) = (world.router(), world.instant());
    let first = router.pick_at(&PickRequest::new("pool"), t0).unwrap();
    assert_eq!(first.target(), "a");
    first.settle_at(limited(300.0), t0);
    for tenth in 0..3000 {
        let now = t0 + seconds(f64::from(tenth) / 10.0);
        let ticket = router.pick_at(&PickRequest::new("pool"), now).unwrap();
        assert_eq!(ticket.target(), "b");
        ticket.settle_at(success(), now);
    }
    let one = Candidates::one("a");
    let only = PickRequest::new("pool").candidates(&one);
    assert!(router.pick_at(&only, t0 + seconds(299.9)).is_err());
    assert!(router.pick_at(&only, t0 + seconds(300.0)).is_ok());
}

#[test]
fn fifty_requests_at_the_end_of_a_wait_send_one_probe() {
    let world = two();
    let (router, t0) = (world.router(), world.instant());
    let first = router.pick_at(&PickRequest::new("pool"), t0).unwrap();
    first.settle_at(limited(20.0), t0);
    let end = t0 + seconds(20.0);
    let open: Vec<_> = (0..50)
        .map(|_| router.pick_at(&PickRequest::new("pool"), end).unwrap())
        .collect();
    let probes = open.iter().filter(|ticket| ticket.target() == "a");
    assert_eq!(probes.count(), 1);
}

#[test]
fn sixty_four_picks_at_once_do_not_all_take_room_for_ten() {
    let world = two();
    let (router, t0) = (world.router(), world.instant());
    let mut window = LimitWindow::default();
    (window.limit, window.remaining) = (Some(600), Some(10));
    let mut limits = Limits::default();
    limits.requests = Some(window);
    let first = router.pick_at(&PickRequest::new("pool"), t0).unwrap();
    first.settle_at(success().limits(limits), t0);
    let open: Vec<_> = (0..64)
        .map(|_| router.pick_at(&PickRequest::new("pool"), t0).unwrap())
        .collect();
    let there = open.iter().filter(|one| one.target() == "a").count();
    assert!((8..=10).contains(&there), "{there}");
}

#[test]
fn thousands_of_scores_do_not_freeze_what_is_believed() {
    let mut world = two().scored(everything);
    world.model("a").right = 0.95;
    world.run(7200.0);
    let before = world.share("a", 3600.0, 7200.0);
    world.model("a").right = 0.2;
    world.run(1800.0);
    let left = world.share("a", 7200.0 + 5.0 * MINUTE, 9000.0);
    assert!(before > 0.9 && left < 0.1, "{before} {left}");
}
