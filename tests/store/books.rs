//! Under load, while all that can go wrong with a server does: every request is served, what was counted is
//! told once, and what is lost is what the server has lost.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tower_outcome::{
    Class, Outcome, OutcomeRouter, PickRequest, Pool, Score, Target, Upstream, Verdict,
    store::{Membership, RedisStore, Sharing},
};

use super::{is_full, server::Server};

const MEMBERS: usize = 3;
const HEALED: Duration = Duration::from_secs(2);
/// In which what was told arrives, as a rule: two exchanges, and what a busy machine needs.
const SETTLED: Duration = Duration::from_millis(1500);

struct Member {
    router: OutcomeRouter,
    membership: Membership,
    called: u64,
}

impl Member {
    fn join(server: &Server, seed: u64) -> Self {
        let target = |name: &str| {
            let upstream = Upstream::new(&format!("https://{name}.example/v1")).unwrap();
            Target::new(name).upstream(upstream)
        };
        let pool = Pool::new("chat")
            .target(target("large"))
            .target(target("small"));
        let builder = OutcomeRouter::builder().pool(pool).seed(seed);
        let router = builder.shared("secret of the fleet").build().unwrap();
        let kept = router.clone();
        let store = RedisStore::builder(server.url()).build().unwrap();
        let sharing = Sharing::new(store).timeout(Duration::from_millis(250));
        let membership = sharing.start(move || kept.clone()).unwrap();
        Self {
            router,
            membership,
            called: 0,
        }
    }

    /// Attempts of others that it has heard of.
    fn heard(&self) -> u64 {
        let snapshot = self.router.snapshot();
        snapshot.targets().map(|target| target.of_others).sum()
    }

    async fn connected(&self, within: Duration, after: &str) {
        let since = Instant::now();
        while !self.membership.state().connected {
            let state = self.membership.state();
            assert!(since.elapsed() < within, "{after}: {state:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Lets all members make calls, each of which must be served.
async fn busy(fleet: &mut [Member], lasts: Duration) {
    let since = Instant::now();
    while since.elapsed() < lasts {
        for member in &mut *fleet {
            let ticket = member.router.pick(&PickRequest::new("chat")).unwrap();
            let id = ticket.outcome_id();
            ticket.settle(Outcome::new(Verdict::new(Class::Success)));
            member.router.report(id, Score::BEST).unwrap();
            member.called += 1;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// What each member has not heard of what the others did.
fn missing(fleet: &[Member], after: &str) -> Vec<u64> {
    let all: u64 = fleet.iter().map(|member| member.called).sum();
    let missing = fleet.iter().map(|member| {
        let told = all - member.called;
        let heard = member.heard();
        assert!(
            heard <= told,
            "{after}: {heard} of {told}: some count twice"
        );
        told - heard
    });
    missing.collect()
}

fn lasts() -> Duration {
    Duration::from_secs(if is_full() { 10 } else { 1 })
}

/// Makes trouble, and mends it, while there is load.
async fn through(
    fleet: &mut [Member],
    server: &mut Server,
    what: &str,
    trouble: impl FnOnce(&mut Server),
    mend: impl FnOnce(&mut Server),
) -> Vec<u64> {
    let before = missing(fleet, what);
    trouble(server);
    busy(fleet, lasts()).await;
    mend(server);
    for member in &*fleet {
        member.connected(HEALED, what).await;
    }
    busy(fleet, Duration::from_millis(300)).await;
    let after = settled(fleet, what, &before).await;
    for member in &*fleet {
        let state = member.membership.state();
        assert_eq!(state.dropped, 0, "{what}: {state:?}");
    }
    after
        .iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .collect()
}

/// Waits until nothing more is missing than before, and returns what is after a while.
async fn settled(fleet: &[Member], what: &str, before: &[u64]) -> Vec<u64> {
    // Nothing comes so late that was lost, or counts twice.
    sleep(SETTLED).await;
    for _ in 0..100 {
        if missing(fleet, what) == before {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    missing(fleet, what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f42_to_f46_every_call_is_served_and_counts_at_most_once() {
    let Some(mut server) = Server::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let server = &mut server;
    let mut fleet: Vec<_> = (1..=MEMBERS as u64)
        .map(|seed| Member::join(server, seed))
        .collect();
    for member in &fleet {
        member.connected(Duration::from_secs(5), "the start").await;
    }
    busy(&mut fleet, Duration::from_millis(300)).await;
    let none = [0; MEMBERS];
    let missing = settled(&fleet, "no trouble", &none).await;
    assert_eq!(missing, none);

    // What keeps the server's memory loses nothing at all.
    let lost = through(
        &mut fleet,
        server,
        "hangs",
        |it| it.freeze(),
        |it| it.thaw(),
    )
    .await;
    assert_eq!(lost, none, "hangs");

    let flush = |server: &mut Server| server.tell(&["SCRIPT", "FLUSH"]);
    let lost = through(&mut fleet, server, "scripts are gone", flush, flush).await;
    assert_eq!(lost, none, "scripts are gone");

    let full = |server: &mut Server| server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let room = |server: &mut Server| server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    let lost = through(&mut fleet, server, "out of memory", full, room).await;
    assert_eq!(lost, none, "out of memory");

    let slave = |server: &mut Server| server.tell(&["REPLICAOF", "127.0.0.1", "1"]);
    let master = |server: &mut Server| server.tell(&["REPLICAOF", "NO", "ONE"]);
    let lost = through(&mut fleet, server, "read-only", slave, master).await;
    assert_eq!(lost, none, "read-only");

    // A connection that stays lets us in again.
    let admin = RefCell::new(server.client());
    let tell = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command
            .arg(&words[1..])
            .exec(&mut admin.borrow_mut())
            .unwrap();
    };
    let locked = |_: &mut Server| {
        tell(&["CONFIG", "SET", "requirepass", "another"]);
        tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    };
    let unlocked = |_: &mut Server| tell(&["CONFIG", "SET", "requirepass", ""]);
    let lost = through(&mut fleet, server, "wrong password", locked, unlocked).await;
    assert_eq!(lost, none, "wrong password");

    let kills = |server: &mut Server| {
        for _ in 0..5 {
            server.tell(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        }
    };
    let lost = through(&mut fleet, server, "connections die", kills, kills).await;
    assert_eq!(lost, none, "connections die");

    // A server without a disk has lost what was not fetched yet: what the two others told it within an
    // interval, at 200 calls a second each at most. On a busy machine an interval may take a second.
    let kill = |server: &mut Server| server.kill();
    let restart = |server: &mut Server| server.restart();
    let lost = through(&mut fleet, server, "killed", kill, restart).await;
    for lost in lost {
        assert!(lost <= 2 * 200 * 13 / 10, "killed: {lost}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f46_poison_in_every_field_fails_no_call_and_leaves_beliefs_in_their_bounds() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut fleet: Vec<_> = (1..=MEMBERS as u64)
        .map(|seed| Member::join(&server, seed))
        .collect();
    for member in &fleet {
        member.connected(Duration::from_secs(5), "the start").await;
    }
    busy(&mut fleet, Duration::from_millis(500)).await;
    let junk = [
        "-5",
        "9223372036854775807",
        "1e9",
        "",
        "junk",
        "18446744073709551616",
        "4000000000",
    ];
    for poison in junk {
        for key in server.ask::<Vec<String>>(&["KEYS", "*"]) {
            let kind: String = server.ask(&["TYPE", &key]);
            if kind == "hash" {
                for field in server.ask::<Vec<String>>(&["HKEYS", &key]) {
                    server.tell(&["HSET", &key, &field, poison]);
                }
            } else if kind == "string" {
                server.tell(&["SET", &key, poison, "KEEPTTL"]);
            }
        }
        busy(&mut fleet, Duration::from_millis(400)).await;
        for member in &fleet {
            for target in member.router.snapshot().targets() {
                assert!((0.0..=1.0).contains(&target.health), "{poison}: {target:?}");
                assert!(
                    (0.0..=1.0).contains(&target.quality),
                    "{poison}: {target:?}"
                );
                assert!(!target.broken, "{poison}: {target:?}");
            }
        }
    }
    for member in &fleet {
        member.connected(HEALED, "poison").await;
    }
    // No store of that kind fades: two and a half minutes later it is gone.
    for key in server.ask::<Vec<String>>(&["KEYS", "*"]) {
        let left: i64 = server.ask(&["PTTL", &key]);
        assert!((-2..=600_000).contains(&left) && left != -1, "{key} stays");
    }
}
