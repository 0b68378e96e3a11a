//! The router without HTTP: who may serve, who is picked, what is learned.

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
    Candidates, Class, Mode, NobodyFree, Outcome, OutcomeRouter, PickRequest, Pool, Reason, Score,
    Target, Upstream, Verdict, dialect, policy,
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn outcome(class: Class) -> Outcome {
    Outcome::new(Verdict::new(class))
}

fn limited(wait: f64) -> Outcome {
    Outcome::new(Verdict::new(Class::RateLimited).with_retry_after(Some(seconds(wait))))
}

fn three() -> OutcomeRouter {
    OutcomeRouter::builder()
        .model("a")
        .model("b")
        .model("c")
        .seed(1)
        .build()
        .unwrap()
}

/// Picks, settles, and tells who served.
fn serve(router: &OutcomeRouter, model: &str, result: Outcome, now: Instant) -> String {
    let ticket = router.pick_at(&PickRequest::new(model), now).unwrap();
    let target = ticket.target().to_owned();
    ticket.settle_at(result, now);
    target
}

fn would_serve(router: &OutcomeRouter, model: &str, now: Instant) -> Option<String> {
    let decision = router.decide(&PickRequest::new(model), now).unwrap();
    decision.target().map(str::to_owned)
}

#[test]
fn a_model_is_served_by_itself_and_those_declared_after_it() {
    let (router, now) = (three(), Instant::now());
    assert_eq!(would_serve(&router, "a", now).as_deref(), Some("a"));
    assert_eq!(would_serve(&router, "b", now).as_deref(), Some("b"));
    serve(&router, "b", limited(60.0), now);
    assert_eq!(
        would_serve(&router, "b", now).as_deref(),
        Some("c"),
        "never upwards"
    );
    serve(&router, "c", limited(60.0), now);
    assert_eq!(would_serve(&router, "b", now), None);
}

#[test]
fn moving_up_is_opt_in() {
    let now = Instant::now();
    let pool = Pool::new("pool").model("a").model("b").upgrade(true);
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    assert_eq!(would_serve(&router, "b", now).as_deref(), Some("a"));
}

#[test]
fn an_unknown_model_is_nobodys() {
    let (router, now) = (three(), Instant::now());
    let error = router.pick_at(&PickRequest::new("x"), now).unwrap_err();
    assert!(error.is_unknown_model());
    assert!(!router.knows("x"));
    assert!(router.knows("a"));
}

#[test]
fn a_wall_is_left_before_the_next_call_and_probed_once_when_it_ends() {
    let (router, t0) = (three(), Instant::now());
    assert_eq!(serve(&router, "a", limited(30.0), t0), "a");
    for tenth in 0..299 {
        let now = t0 + seconds(f64::from(tenth) / 10.0);
        assert_eq!(serve(&router, "a", outcome(Class::Success), now), "b");
    }
    let end = t0 + seconds(30.0);
    let probe = router.pick_at(&PickRequest::new("a"), end).unwrap();
    assert_eq!(probe.target(), "a");
    for _ in 0..50 {
        assert_eq!(
            would_serve(&router, "a", end).as_deref(),
            Some("b"),
            "one probe, not 50"
        );
    }
    probe.settle_at(outcome(Class::Success), end + seconds(0.5));
    let later = end + seconds(10.0);
    assert_eq!(would_serve(&router, "a", later).as_deref(), Some("a"));
}

#[test]
fn after_a_probe_traffic_comes_back_by_shares() {
    let (router, t0) = (three(), Instant::now());
    serve(&router, "a", limited(30.0), t0);
    let end = t0 + seconds(30.0);
    serve(&router, "a", outcome(Class::Success), end);
    let share = |now| {
        let served = (0..1000).map(|_| serve(&router, "a", outcome(Class::Success), now));
        served.filter(|target| target == "a").count()
    };
    let first = share(end + seconds(1.5));
    assert!(
        (50..150).contains(&first),
        "a tenth in the first second: {first}"
    );
    let second = share(end + seconds(2.5));
    assert!(
        (130..270).contains(&second),
        "twice that in the next: {second}"
    );
    assert_eq!(share(end + seconds(6.0)), 1000);
}

#[test]
fn a_probe_that_is_dropped_leaves_its_place() {
    let (router, t0) = (three(), Instant::now());
    serve(&router, "a", limited(1.0), t0);
    let end = t0 + seconds(1.0);
    let probe = router.pick_at(&PickRequest::new("a"), end).unwrap();
    probe.settle_at(outcome(Class::Abandoned), end);
    assert_eq!(would_serve(&router, "a", end).as_deref(), Some("a"));
}

#[test]
fn with_one_target_only_the_providers_own_wait_holds_a_request_back() {
    let now = Instant::now();
    let router = OutcomeRouter::builder().model("only").build().unwrap();
    let failures = [
        Class::ServerError,
        Class::Timeout,
        Class::AuthError,
        Class::RateLimited,
        Class::Overloaded,
    ];
    for class in failures {
        for _ in 0..20 {
            assert_eq!(serve(&router, "only", outcome(class), now), "only");
        }
    }
    serve(&router, "only", limited(5.0), now);
    let error = router
        .pick_at(&PickRequest::new("only"), now + seconds(1.0))
        .unwrap_err();
    assert!(error.is_nobody_free());
    assert_eq!(error.retry_in(), Some(seconds(4.0)));
    for _ in 0..20 {
        assert_eq!(
            serve(&router, "only", outcome(Class::Success), now + seconds(5.0)),
            "only"
        );
    }
}

#[test]
fn a_failing_target_is_left_within_five_requests_after_ten_thousand_successes() {
    let (router, t0) = (three(), Instant::now());
    for n in 0..10_000 {
        serve(
            &router,
            "a",
            outcome(Class::Success),
            t0 + seconds(f64::from(n) / 1000.0),
        );
    }
    let now = t0 + seconds(10.0);
    let attempts = (0..100).map(|_| {
        let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
        let down = ticket.target() == "a";
        let class = if down {
            Class::ServerError
        } else {
            Class::Success
        };
        ticket.settle_at(outcome(class), now);
        down
    });
    assert!(attempts.filter(|failed| *failed).count() <= 5);
}

#[test]
fn an_early_failure_does_not_kill_a_target() {
    let (router, t0) = (three(), Instant::now());
    serve(&router, "a", outcome(Class::Timeout), t0);
    assert_eq!(would_serve(&router, "a", t0).as_deref(), Some("b"));
    assert_eq!(
        would_serve(&router, "a", t0 + seconds(120.0)).as_deref(),
        Some("a")
    );
}

#[test]
fn caller_errors_and_refusals_do_not_touch_health() {
    let (router, now) = (three(), Instant::now());
    for class in [
        Class::ClientError,
        Class::RateLimited,
        Class::ModelError,
        Class::AuthError,
    ] {
        serve(&router, "a", outcome(class), now);
        assert!(
            router.snapshot_at(now).targets().next().unwrap().health > 0.98,
            "{class}"
        );
    }
}

#[test]
fn with_every_breaker_open_the_least_bad_serves() {
    let (router, now) = (three(), Instant::now());
    for _ in 0..30 {
        for model in ["a", "b", "c"] {
            let ticket = router
                .pick_at(
                    &PickRequest::new(model).candidates(&Candidates::one(model)),
                    now,
                )
                .unwrap();
            ticket.settle_at(outcome(Class::ServerError), now);
        }
    }
    assert!(
        router
            .snapshot_at(now)
            .targets()
            .all(|target| target.broken)
    );
    assert!(would_serve(&router, "a", now).is_some());
}

#[test]
fn a_drop_settles_what_the_head_said_and_else_abandons() {
    let (router, now) = (three(), Instant::now());
    let mut ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    ticket.head_at(outcome(Class::ServerError), now);
    drop(ticket);
    drop(router.pick_at(&PickRequest::new("b"), now).unwrap());
    let snapshot = router.snapshot_at(now);
    let targets: Vec<_> = snapshot.targets().collect();
    assert_eq!(targets[0].outcomes_of(Class::ServerError), 1);
    assert_eq!(targets[1].outcomes_of(Class::Abandoned), 1);
    assert!(targets.iter().all(|target| target.in_flight == 0));
    assert!(
        targets[1].health > 0.98,
        "a censored observation is no evidence"
    );
}

#[test]
fn f13_a_drop_past_the_late_threshold_is_bad() {
    let (router, t0) = (three(), Instant::now());
    for _ in 0..30 {
        let ticket = router.pick_at(&PickRequest::new("a"), t0).unwrap();
        ticket.settle_at(outcome(Class::Success), t0 + seconds(1.0));
    }
    let t1 = t0 + seconds(1.0);
    let open = || router.pick_at(&PickRequest::new("a"), t1).unwrap();
    let health = |now| router.snapshot_at(now).targets().next().unwrap().health;
    open().settle_at(outcome(Class::Abandoned), t1 + seconds(1.0));
    assert!(health(t1 + seconds(1.0)) > 0.99);
    open().settle_at(outcome(Class::Abandoned), t1 + seconds(10.0));
    assert!(health(t1 + seconds(10.0)) < 0.97);
}

#[test]
fn hints_restrict_the_targets() {
    let (router, now) = (three(), Instant::now());
    let pick = |request: PickRequest<'_>| {
        router
            .decide(&request, now)
            .unwrap()
            .target()
            .map(str::to_owned)
    };
    let except = Candidates::except(["a"]);
    assert_eq!(
        pick(PickRequest::new("a").candidates(&except)).as_deref(),
        Some("b")
    );
    let only = Candidates::only(["c", "zzz"]);
    assert_eq!(
        pick(PickRequest::new("a").candidates(&only)).as_deref(),
        Some("c")
    );
    let nobody = Candidates::one("zzz");
    let error = router
        .pick_at(&PickRequest::new("a").candidates(&nobody), now)
        .unwrap_err();
    assert!(error.is_no_candidate());
    serve(&router, "a", limited(60.0), now);
    let error = router
        .pick_at(&PickRequest::new("a").strict(true), now)
        .unwrap_err();
    assert!(error.is_nobody_free(), "strict: nobody else");
}

#[test]
fn a_target_that_does_not_speak_the_dialect_is_left_out() {
    let now = Instant::now();
    let upstream = |url: &str| Upstream::new(url).unwrap();
    let pool = Pool::new("chat")
        .target(Target::new("claude").upstream(upstream("https://api.anthropic.com")))
        .target(Target::new("gpt").upstream(upstream("https://b/v1").dialect(&dialect::OpenAi)));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let pick = |dialect| {
        let decision = router
            .decide(&PickRequest::new("chat").dialect(dialect), now)
            .unwrap();
        (decision.target().map(str::to_owned), decision.reason)
    };
    assert_eq!(pick("anthropic").0.as_deref(), Some("claude"));
    let (target, reason) = pick("openai");
    assert_eq!(target.as_deref(), Some("gpt"));
    assert_eq!(
        reason.unwrap().to_string(),
        "claude: does not speak the request's dialect"
    );
}

#[test]
fn what_was_tried_comes_last() {
    let (router, now) = (three(), Instant::now());
    let first = router.pick_at(&PickRequest::new("a"), now).unwrap();
    let tried = [first.target_id()];
    let second = router
        .pick_at(&PickRequest::new("a").tried(&tried), now)
        .unwrap();
    assert_eq!(second.target(), "b");
    assert_eq!(second.routed().attempt(), 2);
    assert!(matches!(second.routed().reason(), Reason::Instead { .. }));
}

#[test]
fn reasons_are_told_in_words() {
    let (router, now) = (three(), Instant::now());
    serve(&router, "a", limited(12.0), now);
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    assert_eq!(
        ticket.routed().reason().to_string(),
        "a: rate limited for 12.0 s"
    );
    assert_eq!(ticket.routed().requested_model(), "a");
    assert_eq!(ticket.routed().model(), "b");
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_a_pick_does() {
    let (router, now) = (three(), Instant::now());
    serve(&router, "a", limited(12.0), now);
    let before = format!("{:?}", router.snapshot_at(now));
    let decision = router.decide(&PickRequest::new("a"), now).unwrap();
    assert_eq!(format!("{:?}", router.snapshot_at(now)), before);
    assert_eq!(decision.candidates.len(), 3);
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    assert_eq!(decision.target(), Some(ticket.target()));
    assert_eq!(decision.reason.as_ref(), Some(ticket.routed().reason()));
}

#[test]
fn observing_serves_the_requested_model_and_notes_the_other() {
    let (router, now) = (three(), Instant::now());
    serve(&router, "a", limited(12.0), now);
    assert!(router.set_mode("default", Mode::Observe));
    let ticket = router.pick_at(&PickRequest::new("a"), now).unwrap();
    assert_eq!(ticket.target(), "a");
    assert_eq!(ticket.routed().would_have_been(), Some("b"));
    ticket.settle_at(outcome(Class::Success), now);
    assert!(!router.set_mode("nowhere", Mode::Off));
}

#[test]
fn targets_of_one_quota_group_share_a_wall() {
    let now = Instant::now();
    let pool = Pool::new("p")
        .target(Target::new("m").named("one").quota_group("shared"))
        .target(Target::new("m").named("two").quota_group("shared"))
        .target(Target::new("m").named("three"));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    assert_eq!(serve(&router, "p", limited(9.0), now), "one");
    assert_eq!(would_serve(&router, "p", now).as_deref(), Some("three"));
}

#[test]
fn a_refused_credential_is_taken_out_with_all_its_targets() {
    let now = Instant::now();
    let upstream = |secret: &str| {
        let secret = tower_outcome::Credential::new(secret).unwrap();
        Upstream::new("https://host/v1").unwrap().credential(secret)
    };
    let pool = Pool::new("p")
        .target(Target::new("a").upstream(upstream("bad")))
        .target(Target::new("b").upstream(upstream("bad")))
        .target(Target::new("c").upstream(upstream("good")));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    assert_eq!(serve(&router, "p", outcome(Class::AuthError), now), "a");
    assert_eq!(serve(&router, "p", outcome(Class::Success), now), "c");
    assert_eq!(
        would_serve(&router, "p", now + seconds(61.0)).as_deref(),
        Some("a")
    );
}

#[test]
fn nobody_free_says_when_or_uses_the_least_bad() {
    let now = Instant::now();
    let build = |rule| {
        let pool = Pool::new("p").model("a").model("b").nobody_free(rule);
        OutcomeRouter::builder().pool(pool).build().unwrap()
    };
    let router = build(NobodyFree::Answer);
    serve(&router, "a", limited(20.0), now);
    serve(&router, "b", limited(10.0), now);
    let error = router.pick_at(&PickRequest::new("p"), now).unwrap_err();
    assert_eq!(error.retry_in(), Some(seconds(10.0)));
    let router = build(NobodyFree::LeastBad);
    for model in ["a", "b"] {
        for _ in 0..3 {
            let one = Candidates::one(model);
            let ticket = router
                .pick_at(&PickRequest::new("p").candidates(&one), now)
                .unwrap();
            ticket.settle_at(outcome(Class::RateLimited), now);
        }
    }
    let ticket = router.pick_at(&PickRequest::new("p"), now).unwrap();
    assert_eq!(ticket.routed().reason(), &Reason::LeastBad);
    ticket.settle_at(limited(5.0), now);
    let other = router.pick_at(&PickRequest::new("p"), now).unwrap();
    other.settle_at(limited(5.0), now);
    assert!(
        router.pick_at(&PickRequest::new("p"), now).is_err(),
        "the providers' own wait is kept"
    );
}

#[test]
fn scores_move_the_expected_quality() {
    let (router, now) = (three(), Instant::now());
    let quality = || router.snapshot_at(now).targets().next().unwrap().quality;
    let before = quality();
    let one = Candidates::one("a");
    for _ in 0..20 {
        let ticket = router
            .pick_at(&PickRequest::new("a").candidates(&one), now)
            .unwrap();
        let id = ticket.outcome_id();
        ticket.settle_at(outcome(Class::Success), now);
        router.report_at(id, Score::WORST, now).unwrap();
        router.report_at(id, Score::WORST, now).unwrap();
    }
    let after = quality();
    // Twenty scores against the thirty that the prior counts for, which moved with the pool's mean.
    assert!(
        (0.3..before * 30.0 / 50.0).contains(&after),
        "{before} {after}"
    );
    assert!(
        router
            .report_at(
                three()
                    .pick_at(&PickRequest::new("a"), now)
                    .unwrap()
                    .outcome_id(),
                Score::BEST,
                now
            )
            .unwrap_err()
            .is_foreign()
    );
}

#[test]
fn refused_picks_take_no_place_of_what_can_be_scored() {
    let capacity = 64;
    let router = OutcomeRouter::builder().pool(Pool::new("p").model("a"));
    let router = router.ledger_capacity(capacity).build().unwrap();
    let now = router.now();
    let request = PickRequest::new("a");
    let mut ids = Vec::new();
    for _ in 0..capacity {
        assert!(router.set_drained("p", "a", false));
        let ticket = router.pick_at(&request, now).unwrap();
        ids.push(ticket.outcome_id());
        ticket.settle_at(outcome(Class::Success), now);
        assert!(router.set_drained("p", "a", true));
        for _ in 1..10 * capacity {
            assert!(router.pick_at(&request, now).is_err());
        }
    }
    for id in ids {
        router.report_at(id, Score::BEST, now).unwrap();
    }
}

#[test]
fn f26_a_panicking_policy_is_caught_and_the_declared_order_decides() {
    #[derive(Debug)]
    struct Panics;
    impl policy::RoutingPolicy for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn score(&self, _: &policy::View<'_>, _: &mut [f64]) {
            panic!("a bug in somebody's policy");
        }
    }
    let router = OutcomeRouter::builder()
        .model("a")
        .model("b")
        .policy(Panics)
        .build()
        .unwrap();
    let now = Instant::now();
    assert_eq!(serve(&router, "a", outcome(Class::Success), now), "a");
    assert_eq!(router.snapshot_at(now).counts.policy_panics, 1);
}

#[test]
fn nan_scores_come_last() {
    #[derive(Debug)]
    struct Nan;
    impl policy::RoutingPolicy for Nan {
        fn name(&self) -> &'static str {
            "nan"
        }
        fn score(&self, _: &policy::View<'_>, scores: &mut [f64]) {
            scores.copy_from_slice(&[f64::NAN, f64::NEG_INFINITY, -1e300]);
        }
    }
    let router = OutcomeRouter::builder()
        .model("a")
        .model("b")
        .model("c")
        .policy(Nan)
        .build()
        .unwrap();
    assert_eq!(
        would_serve(&router, "a", Instant::now()).as_deref(),
        Some("c")
    );
}

#[test]
fn what_cannot_be_built_says_why() {
    let error = |pool: Pool| {
        OutcomeRouter::builder()
            .pool(pool)
            .build()
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        OutcomeRouter::builder().build().unwrap_err().to_string(),
        "a router needs at least one model"
    );
    assert_eq!(error(Pool::new("p")), "pool \"p\" has no target");
    assert_eq!(
        error(Pool::new("p").model("m").model("m")),
        "pool \"p\" has two targets named \"m\"; name one of them otherwise"
    );
    assert!(error(Pool::new("p").model("")).contains("the name is empty"));
    assert!(error(Pool::new("p").model("a\r\nb")).contains("control character"));
    assert!(error(Pool::new("p").model("x".repeat(257))).contains("longer than 256 bytes"));
    let twice = OutcomeRouter::builder()
        .pool(Pool::new("p").model("a"))
        .pool(Pool::new("q").alias("p").model("b"));
    assert_eq!(
        twice.build().unwrap_err().to_string(),
        "two pools answer to \"p\""
    );
    for bad in [
        "ftp://x",
        "nonsense",
        "http://u:secret@h/",
        "http://h/?q=1",
        "//h",
    ] {
        let error = Upstream::new(bad).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let secret = "s3cret\nvalue";
    let error = tower_outcome::Credential::new(secret)
        .unwrap_err()
        .to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn the_same_seed_decides_the_same() {
    let run = || {
        let router = OutcomeRouter::builder()
            .model("a")
            .model("b")
            .seed(42)
            .build()
            .unwrap();
        let t0 = Instant::now();
        serve(&router, "a", limited(1.0), t0);
        serve(&router, "a", outcome(Class::Success), t0 + seconds(1.0));
        (0..200)
            .map(|n| {
                serve(
                    &router,
                    "a",
                    outcome(Class::Success),
                    t0 + seconds(2.0 + f64::from(n) / 100.0),
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_caller_who_leaves_after_the_content_came_is_no_evidence() {
    let (router, t0) = (three(), Instant::now());
    let open = |now| {
        router
            .pick_at(&PickRequest::new("a").stream(true), now)
            .unwrap()
    };
    for _ in 0..30 {
        let outcome = outcome(Class::Success).first_content(Some(seconds(0.3)));
        open(t0).settle_at(outcome, t0 + seconds(2.0));
    }
    let health = |now| router.snapshot_at(now).targets().next().unwrap().health;
    let t1 = t0 + seconds(2.0);
    for _ in 0..5 {
        let mut ticket = open(t1);
        ticket.content_at(t1);
        ticket.settle_at(outcome(Class::Abandoned), t1 + seconds(20.0));
    }
    assert!(health(t1 + seconds(20.0)) > 0.98);
    open(t1).settle_at(outcome(Class::Abandoned), t1 + seconds(20.0));
    assert!(
        health(t1 + seconds(20.0)) < 0.97,
        "nothing came for longer than ever"
    );
}

#[test]
fn long_answers_are_not_late_and_late_ones_open_no_breaker() {
    let (router, t0) = (three(), Instant::now());
    for length in [0.3; 30].into_iter().chain([8.0; 10]) {
        let ticket = router.pick_at(&PickRequest::new("a"), t0).unwrap();
        ticket.settle_at(outcome(Class::Success), t0 + seconds(length));
    }
    let snapshot = router.snapshot_at(t0 + seconds(8.0));
    let target = snapshot.targets().next().unwrap();
    assert!(!target.broken && target.health > 0.98, "{target:?}");
}

#[test]
fn an_empty_answer_closes_no_breaker() {
    let (router, now) = (three(), Instant::now());
    let one = Candidates::one("a");
    let pick = |now| {
        router
            .pick_at(&PickRequest::new("a").candidates(&one), now)
            .unwrap()
    };
    for _ in 0..5 {
        pick(now).settle_at(outcome(Class::ServerError), now);
    }
    assert!(router.snapshot_at(now).targets().next().unwrap().broken);
    let later = now + seconds(2.0);
    pick(later).settle_at(outcome(Class::Degraded), later);
    pick(later).settle_at(outcome(Class::ServerError), later);
    assert!(
        router.snapshot_at(later).targets().next().unwrap().broken,
        "it opens again"
    );
    let health = router.snapshot_at(later).targets().next().unwrap().health;
    assert!(health < 0.5, "{health}");
}

#[test]
fn stragglers_do_not_bring_a_refused_credential_back() {
    let now = Instant::now();
    let upstream = |secret: &str| {
        let secret = tower_outcome::Credential::new(secret).unwrap();
        Upstream::new("https://host/v1").unwrap().credential(secret)
    };
    let pool = Pool::new("p")
        .target(Target::new("a").upstream(upstream("revoked")))
        .target(Target::new("b").upstream(upstream("good")));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let straggler = router.pick_at(&PickRequest::new("p"), now).unwrap();
    assert_eq!(
        serve(&router, "p", outcome(Class::AuthError), now + seconds(1.0)),
        "a"
    );
    straggler.settle_at(outcome(Class::Success), now + seconds(2.0));
    assert_eq!(
        would_serve(&router, "p", now + seconds(3.0)).as_deref(),
        Some("b")
    );

    let back = now + seconds(61.5);
    let picks: Vec<_> = (0..50)
        .map(|_| router.pick_at(&PickRequest::new("p"), back).unwrap())
        .collect();
    let tried = picks.iter().filter(|ticket| ticket.target() == "a").count();
    assert_eq!(tried, 1, "one goes first");
}

#[test]
fn no_upstream_error_repeats_its_url() {
    for url in [
        "user:s3cret@host/v1",
        "ftp://u:s3cret@h",
        "https://h/v1?key=s3cret",
        "http://s3cret^",
    ] {
        let error = Upstream::new(url).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_was_learned_is_taken_up_by_name() {
    let (router, now) = (three(), Instant::now());
    let one = Candidates::one("b");
    let request = PickRequest::new("a").task("law").candidates(&one);
    for _ in 0..50 {
        let ticket = router.pick_at(&request, now).unwrap();
        let id = ticket.outcome_id();
        ticket.settle_at(outcome(Class::Success), now);
        router.report_at(id, Score::WORST, now).unwrap();
    }
    let only_c = Candidates::one("c");
    let request = PickRequest::new("a").candidates(&only_c);
    let ticket = router.pick_at(&request, now).unwrap();
    ticket.settle_at(limited(300.0), now);

    let kept = serde_json::to_string(&router.learned_at(now)).unwrap();
    assert!(!kept.contains("law"), "tasks are kept as hashes");
    let learned: tower_outcome::router::Learned = serde_json::from_str(&kept).unwrap();
    let next = OutcomeRouter::builder()
        .model("new")
        .model("b")
        .model("c")
        .learned(learned)
        .build()
        .unwrap();
    let quality = |router: &OutcomeRouter, model: &str, task: &str| {
        let request = PickRequest::new(model).task(task);
        let decision = router.decide(&request, router.now()).unwrap();
        let seen = decision.candidates.iter().find(|one| &*one.target == "b");
        seen.unwrap().terms.clone().unwrap().quality
    };
    let (before, after) = (quality(&router, "a", "law"), quality(&next, "new", "law"));
    // The drift of the last minutes is not kept, the level and the cell are.
    assert!(before < 0.1 && after < 0.2, "{before} {after}");
    let snapshot = next.snapshot();
    let waits: Vec<_> = snapshot
        .targets()
        .map(|one| one.rate_limited_s.is_some())
        .collect();
    assert_eq!(waits, [false, false, true], "a provider's wait is kept");
}

#[test]
fn nonsense_that_was_kept_counts_as_nothing() {
    let text = r#"{"version":1,"kept_at":1e300,"pools":[{"name":"default","targets":[
        {"name":"a","health":{"ok":-1e308,"bad":1e308,"run":4294967295,"timely":7,"gap_s":-3},"wait_s":1e300}],
        "quality":{"gap_s":1e300,"levels":[{"sum":1e300,"mass":1}],
        "tasks":[{"key":3,"effect":{"sum":-9,"mass":1},"cells":[{"sum":1,"mass":-1}],"forms":[]}]}}]}"#;
    let learned = serde_json::from_str::<tower_outcome::router::Learned>(text).unwrap();
    let router = OutcomeRouter::builder()
        .model("a")
        .learned(learned)
        .build()
        .unwrap();
    let snapshot = router.snapshot();
    let target = snapshot.targets().next().unwrap();
    assert!((0.0..=1.0).contains(&target.health), "{target:?}");
    assert!((target.quality - 0.7).abs() < 1e-9, "{target:?}");
}
