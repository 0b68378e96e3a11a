//! Routers that learn together through a real server.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_outcome::{
    Class, Outcome, OutcomeRouter, PickRequest, Pool, Target, Upstream, Verdict,
    store::{Membership, RedisStore, Sharing},
};

use super::{is_full, server::Server};

/// Within which a server that is back is used again.
const HEALED: Duration = Duration::from_secs(2);

struct Member {
    router: OutcomeRouter,
    membership: Membership,
}

impl Member {
    /// One of a fleet, with the limits of time that a deployment has.
    fn join(server: &Server, seed: u64, targets: usize) -> Self {
        let target = |number: usize| {
            let upstream = Upstream::new(&format!("https://t{number}.example/v1")).unwrap();
            Target::new(format!("t{number}")).upstream(upstream)
        };
        let pool = (0..targets).fold(Pool::new("chat"), |pool, number| {
            pool.target(target(number))
        });
        let builder = OutcomeRouter::builder().pool(pool).seed(seed);
        let router = builder.shared("secret of the fleet").build().unwrap();
        let kept = router.clone();
        let store = RedisStore::builder(server.url()).build().unwrap();
        let membership = Sharing::new(store).start(move || kept.clone()).unwrap();
        Self { router, membership }
    }

    fn call(&self, request: &PickRequest<'_>, outcome: Outcome) {
        self.router.pick(request).unwrap().settle(outcome);
    }

    fn waits_for(&self, name: &str) -> bool {
        let snapshot = self.router.snapshot();
        let mut targets = snapshot.targets();
        let target = targets.find(|target| &*target.name == name).unwrap();
        target.rate_limited_s.is_some()
    }

    /// Waits until all of so many have met.
    async fn connected(&self, instances: u32, within: Duration) {
        let since = Instant::now();
        loop {
            let state = self.membership.state();
            if state.connected && state.instances >= instances {
                return;
            }
            assert!(since.elapsed() < within, "{state:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn refused(wait: Duration) -> Outcome {
    let mut verdict = Verdict::new(Class::RateLimited);
    verdict.retry_after = Some(wait);
    Outcome::new(verdict)
}

fn good() -> Outcome {
    Outcome::new(Verdict::new(Class::Success))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f33_a_refusal_is_known_to_others_within_a_second() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let trials = if is_full() { 200 } else { 20 };
    let fleet = [1, 2].map(|seed| Member::join(&server, seed, trials));
    for member in &fleet {
        member.connected(2, Duration::from_secs(5)).await;
    }
    let mut took = Vec::new();
    for trial in 0..trials {
        let name = format!("t{trial}");
        let request = PickRequest::new(&name).strict(true);
        let (one, other) = (&fleet[trial % 2], &fleet[(trial + 1) % 2]);
        let since = Instant::now();
        one.call(&request, refused(Duration::from_secs(300)));
        while !other.waits_for(&name) {
            assert!(
                since.elapsed() < Duration::from_secs(5),
                "{name} is not known"
            );
            sleep(Duration::from_millis(1)).await;
        }
        took.push(since.elapsed());
        sleep(Duration::from_millis(7 * (trial as u64 % 10))).await;
    }
    took.sort_unstable();
    let (median, late) = (took[trials / 2], took[trials * 99 / 100]);
    println!("known to the other after {median:?} (median), {late:?} (p99)");
    assert!(late < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f42_f43_no_request_notices_what_happens_to_the_server() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let fleet = [1, 2].map(|seed| Member::join(&server, seed, 2));
    let calls = |picks: &mut Vec<Duration>| {
        for member in &fleet {
            let since = Instant::now();
            member.call(&PickRequest::new("chat"), good());
            picks.push(since.elapsed());
        }
    };
    let busy = async |lasts: Duration, picks: &mut Vec<Duration>| {
        let since = Instant::now();
        while since.elapsed() < lasts {
            calls(picks);
            sleep(Duration::from_millis(2)).await;
        }
    };
    let (mut before, mut during) = (Vec::new(), Vec::new());
    for member in &fleet {
        member.connected(2, Duration::from_secs(5)).await;
    }
    let lasts = Duration::from_millis(500);
    busy(lasts, &mut before).await;
    // How long two calls take and the pause after them, where it is longer than on a machine that does
    // nothing else.
    let round = lasts * 2 / before.len() as u32;
    let healed = HEALED + 200 * round.saturating_sub(Duration::from_millis(4));
    let down = Duration::from_secs(if is_full() { 10 } else { 1 });
    server.freeze();
    busy(down, &mut during).await;
    server.thaw();
    for member in &fleet {
        member.connected(2, healed).await;
    }
    server.kill();
    busy(down, &mut during).await;
    server.restart();
    for member in &fleet {
        member.connected(2, healed).await;
    }
    let p99 = |picks: &mut Vec<Duration>| {
        picks.sort_unstable();
        picks[picks.len() * 99 / 100]
    };
    let (before, during) = (p99(&mut before), p99(&mut during));
    println!("p99 of a pick: {before:?} with a server, {during:?} without");
    assert!(during < Duration::from_millis(20), "{before:?} {during:?}");
    for member in &fleet {
        let state = member.membership.state();
        assert!(state.failures > 0 && state.dropped == 0, "{state:?}");
        assert!(state.taken > 0, "{state:?}");
    }
}
