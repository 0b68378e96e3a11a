use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_outcome::Class;

use crate::support::{ended, fleet, refused, shared};

/// Lets all instances call ten times a second each, and returns when `large` was called.
async fn calls(fleet: &[crate::support::Instance], seconds: u32, works: bool) -> Vec<f64> {
    let began = Instant::now();
    let mut at = Vec::new();
    for _ in 0..seconds * 10 {
        for instance in fleet {
            let target = instance.call(|target| match (target, works) {
                ("large", false) => ended(Class::ServerError),
                _ => ended(Class::Success),
            });
            if target == "large" {
                at.push(began.elapsed().as_secs_f64());
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    at
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_probed_by_one_for_all() {
    let fleet = fleet(10);
    shared().await;
    for instance in &fleet {
        instance.call(|_| ended(Class::ServerError));
    }
    shared().await;
    let probes = calls(&fleet, 60, false).await;
    assert!(!probes.is_empty(), "nobody finds out");
    for two in probes.windows(2) {
        assert!(two[1] - two[0] >= 1.9, "{probes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_wait_one_probe_finds_out_for_all() {
    let fleet = fleet(10);
    shared().await;
    for _ in 0..3 {
        fleet[0].call(|_| ended(Class::Success));
    }
    fleet[3].call(|_| refused(Duration::from_secs(5)));
    shared().await;
    let calls = calls(&fleet, 30, true).await;
    assert!(calls[0] >= 4.0, "{calls:?}");
    // Within the first second after the probe nobody else tries; then they come back by and by.
    let soon = calls.iter().filter(|at| **at < calls[0] + 0.9).count();
    assert!(soon <= 2, "{calls:?}");
    let late = calls.iter().filter(|at| **at > 20.0).count();
    assert!(late > 900, "{late}");
}

#[tokio::test(start_paused = true)]
async fn what_works_again_is_back_for_all_within_seconds() {
    let fleet = fleet(5);
    shared().await;
    for instance in &fleet {
        instance.call(|_| ended(Class::ServerError));
    }
    shared().await;
    let calls = calls(&fleet, 30, true).await;
    for instance in &fleet {
        assert!(!instance.target("large").broken);
        assert_eq!(instance.next(), "large");
    }
    assert!(calls[0] < 5.0, "{calls:?}");
}
