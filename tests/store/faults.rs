//! What goes wrong with a server, each with a real one.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tower_outcome::store::{Batch, OutcomeStore, RedisStore, Share, StoreError};

use super::{Instance, POOL, is_full, pool, proxy::Proxy, server::Server};

/// Within which a server that is back is used again.
const HEALED: Duration = Duration::from_secs(2);
/// As the exchange task does.
const INTERVAL: Duration = Duration::from_millis(50);

/// Repeats a batch as the exchange task does, until it has come through.
async fn heal(instance: &mut Instance<RedisStore>, batch: &Batch) {
    let since = Instant::now();
    while let Err(error) = instance.exchange(batch).await {
        assert!(since.elapsed() < HEALED, "{error}");
        sleep(INTERVAL).await;
    }
    assert!(since.elapsed() < HEALED, "{:?}", since.elapsed());
}

/// What a newcomer is told.
async fn total(server: &Server, name: &str) -> u64 {
    let mut newcomer = Instance::new(99, server.store());
    newcomer.look().await;
    newcomer.total(name)
}

fn refused(error: &StoreError, why: &str) {
    let text = error.to_string();
    assert!(!error.is_unreachable() && text.contains(why), "{text}");
}

#[tokio::test]
async fn f42_a_server_that_is_not_there_at_start_is_used_when_it_comes() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    server.kill();
    let mut one = Instance::new(1, server.store());
    let batch = one.batch(&[("ok", 1)]);
    for _ in 0..3 {
        let since = Instant::now();
        let error = one.exchange(&batch).await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("127.0.0.1:{}", server.port())),
            "{error}"
        );
        assert!(since.elapsed() < Duration::from_millis(500));
    }
    server.restart();
    heal(&mut one, &batch).await;
    assert_eq!(one.total("ok"), 1);
}

#[tokio::test]
async fn f42_a_server_that_is_killed_and_restarted_starts_from_nothing() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let mut fleet = [1, 2].map(|number| Instance::new(number, server.store()));
    for _ in 0..if is_full() { 10 } else { 2 } {
        for one in &mut fleet {
            one.add(&[("ok", 1)]).await;
        }
        server.kill();
        for one in &mut fleet {
            let batch = one.quiet();
            assert!(one.exchange(&batch).await.unwrap_err().is_unreachable());
        }
        server.restart();
        for one in &mut fleet {
            let batch = one.batch(&[("ok", 1)]);
            heal(one, &batch).await;
        }
        assert_eq!(
            total(&server, "ok").await,
            2,
            "what was in its memory is gone"
        );
    }
}

#[tokio::test]
async fn f43_a_server_that_hangs_delays_nobody_beyond_the_limits() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = RedisStore::builder(server.url()).build().unwrap();
    let mut one = Instance::new(1, store);
    // With the limits that a deployment has, which a busy machine may miss at first.
    let batch = one.batch(&[("ok", 1)]);
    heal(&mut one, &batch).await;
    let batch = one.batch(&[("ok", 1)]);
    server.freeze();
    let since = Instant::now();
    let error = one.exchange(&batch).await.unwrap_err();
    let first = since.elapsed();
    assert!(error.is_unreachable(), "{error}");
    assert!((90..400).contains(&first.as_millis()), "{first:?}");
    let hung = Duration::from_secs(if is_full() { 10 } else { 1 });
    while since.elapsed() < hung {
        // The exchange task gives up sooner than it may take to connect.
        let _ = timeout(Duration::from_millis(100), one.exchange(&batch)).await;
        sleep(INTERVAL).await;
    }
    let connecting = Instant::now();
    one.exchange(&batch).await.unwrap_err();
    assert!(connecting.elapsed() < Duration::from_millis(1_500));
    server.thaw();
    heal(&mut one, &batch).await;
    assert_eq!(one.total("ok"), 2);
    assert_eq!(total(&server, "ok").await, 2);
}

#[tokio::test]
async fn what_failed_a_while_ago_is_not_the_answer_now() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    // As long as a server needs that runs again, on a busy machine.
    let limit = Duration::from_secs(1);
    let one = server.builder().connect_timeout(limit).build().unwrap();
    server.freeze();
    let given_up = timeout(Duration::from_millis(20), one.exchange(&Batch::new(1, 0))).await;
    assert!(given_up.is_err(), "{given_up:?}");
    sleep(2 * limit).await;
    server.thaw();
    one.exchange(&Batch::new(1, 0)).await.unwrap();
}

#[tokio::test]
async fn f44_a_lost_answer_does_not_count_twice() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let proxy = Proxy::before(server.port()).await;
    let store = Server::builder_of(proxy.url()).build().unwrap();
    let mut one = Instance::new(1, store);
    let first = one.add(&[("ok", 1)]).await;
    let batch = one.batch(&[("ok", 10)]);
    proxy.answer(false);
    assert!(one.exchange(&batch).await.unwrap_err().is_unreachable());
    assert_eq!(total(&server, "ok").await, 11, "it came to the server");
    proxy.answer(true);
    let again = one.exchange(&batch).await.unwrap();
    let bucket = pool(&again).added_to.unwrap();
    assert!(bucket >= first.bucket);
    assert_eq!(total(&server, "ok").await, 11);
}

#[tokio::test]
async fn f44_connections_that_are_killed_lose_and_double_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let (mut client, done) = (
        server.client(),
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
    );
    let stop = std::sync::Arc::clone(&done);
    let killer = std::thread::spawn(move || {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let mut kill = redis::cmd("CLIENT");
            kill.arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]);
            let _: redis::Value = kill.query(&mut client).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let least = if is_full() { 5_000 } else { 200 };
    let (mut rounds, mut failed) = (0, 0);
    // Whoever kills may come late.
    while rounds < least || (failed == 0 && rounds < 100 * least) {
        let batch = one.batch(&[("ok", 1)]);
        while one.exchange(&batch).await.is_err() {
            failed += 1;
        }
        rounds += 1;
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    killer.join().unwrap();
    assert!(failed > 0, "nothing was hit");
    assert_eq!(total(&server, "ok").await, rounds);
}

#[tokio::test]
async fn exchanges_that_are_dropped_leave_no_answer_behind() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let rounds = 200;
    for round in 0..rounds {
        let batch = one.batch(&[("ok", 1)]);
        let mut other = Batch::new(1, 0);
        let scope = tower_outcome::store::Scope::new(round);
        other.shares = vec![Share::new(scope, Vec::new(), None)];
        for micros in [0, 50, 100, 200, 400, 800] {
            let limit = Duration::from_micros(micros);
            if let Ok(answer) = timeout(limit, one.store.exchange(&other)).await {
                assert_eq!(answer.unwrap().totals[0].scope, scope);
            }
            if let Ok(answer) = timeout(limit, one.exchange(&batch)).await {
                assert_eq!(answer.unwrap().totals[0].scope, POOL);
            }
        }
        one.exchange(&batch).await.unwrap();
    }
    assert_eq!(total(&server, "ok").await, rounds);
    // What was dropped is closed by whoever was opening it.
    let since = Instant::now();
    loop {
        let clients: String = server.ask(&["CLIENT", "LIST", "TYPE", "normal"]);
        let ours = clients
            .lines()
            .filter(|it| it.contains("name=tower-outcome"))
            .count();
        if ours <= 2 {
            break;
        }
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{ours} connections are left"
        );
        sleep(INTERVAL).await;
    }
}

#[tokio::test]
async fn f44_flushed_scripts_are_loaded_within_the_exchange() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    for round in 1..=5 {
        let mut batch = one.batch(&[("ok", 1)]);
        let other = Share::new(super::GROUP, vec![("ok".into(), 1)], None);
        batch.shares.push(other);
        let answer = one.exchange(&batch).await.unwrap();
        assert_eq!(answer.totals.len(), 2);
        assert!(answer.totals.iter().all(|it| it.added_to.is_some()));
        assert_eq!(one.total("ok"), round);
        server.tell(&["SCRIPT", "FLUSH"]);
    }
    server.tell(&["FLUSHALL"]);
    one.known.clear();
    one.add(&[("ok", 1)]).await;
    assert_eq!(one.total("ok"), 1);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_mended_without_a_restart() {
    let Some(server) = Server::start(&["--requirepass", "right"]) else {
        return;
    };
    let url = format!("redis://127.0.0.1:{}", server.port());
    let open = |url: &str, password: Option<&str>| {
        let mut builder = Server::builder_of(url.to_owned());
        if let Some(password) = password {
            builder = builder.password(password);
        }
        Instance::new(1, builder.build().unwrap())
    };
    let mut none = open(&url, None);
    let batch = none.batch(&[("ok", 1)]);
    refused(
        &none.exchange(&batch).await.unwrap_err(),
        "asks for a password",
    );
    let mut wrong = open(&url, Some("wrong"));
    refused(
        &wrong.exchange(&batch).await.unwrap_err(),
        "password is wrong",
    );
    let in_url = url.replace("//", "//default:right@");
    open(&in_url, None).add(&[("ok", 1)]).await;
    open(&url, Some("right")).add(&[("ok", 1)]).await;
    server.tell(&["CONFIG", "SET", "requirepass", "wrong"]);
    heal(&mut wrong, &batch).await;
}

#[tokio::test]
async fn a_user_without_the_right_to_is_told() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let rules = ["on", ">word", "~{outcome:*", "&*", "+@all"];
    let mut words = vec!["ACL", "SETUSER", "outcome"];
    words.extend(rules);
    server.tell(&words);
    let store = server.builder().user("outcome").password("word").build();
    let mut one = Instance::new(1, store.unwrap());
    one.add(&[("ok", 1)]).await;
    for forbidden in ["-evalsha", "-script", "-zadd"] {
        server.tell(&["ACL", "SETUSER", "outcome", forbidden]);
        server.tell(&["CLIENT", "KILL", "USER", "outcome"]);
        sleep(INTERVAL).await;
        let batch = one.batch(&[("ok", 1)]);
        refused(&one.exchange(&batch).await.unwrap_err(), "NOPERM");
        let allowed = forbidden.replace('-', "+");
        server.tell(&["ACL", "SETUSER", "outcome", &allowed]);
        heal(&mut one, &batch).await;
    }
    // Not what it can do without.
    for forbidden in ["-info", "-client", "-publish", "-hello"] {
        server.tell(&["ACL", "SETUSER", "outcome", forbidden]);
    }
    server.tell(&["CLIENT", "KILL", "USER", "outcome"]);
    let mut batch = one.batch(&[("ok", 1)]);
    let cooldown = tower_outcome::store::Cooldown::new(POOL, Duration::from_secs(5));
    batch.cooldowns = vec![cooldown];
    heal(&mut one, &batch).await;
    assert_eq!(one.total("ok"), 5);
    assert_eq!(one.store.mended(), 0);
}

#[tokio::test]
async fn a_password_that_is_not_asked_for_is_told() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let one = server.builder().password("word").build().unwrap();
    let error = one.exchange(&Batch::new(1, 0)).await.unwrap_err();
    refused(&error, "it takes no password");
    let one = Server::builder_of(format!("{}/99", server.url()));
    let one = one.build().unwrap();
    let error = one.exchange(&Batch::new(1, 0)).await.unwrap_err();
    refused(&error, "no database 99");
}

#[tokio::test]
async fn f44_a_replica_is_refused_until_it_is_promoted() {
    let Some(primary) = Server::start(&[]) else {
        return;
    };
    let port = primary.port().to_string();
    let replica = Server::start(&[]).unwrap();
    replica.tell(&["REPLICAOF", "127.0.0.1", &port]);
    let mut one = Instance::new(1, replica.store());
    let batch = one.batch(&[("ok", 1)]);
    refused(
        &one.exchange(&batch).await.unwrap_err(),
        "read-only replica",
    );
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    heal(&mut one, &batch).await;
    // And one that stands while its server becomes a replica.
    replica.tell(&["REPLICAOF", "127.0.0.1", &port]);
    let batch = one.batch(&[("ok", 1)]);
    for _ in 0..3 {
        refused(
            &one.exchange(&batch).await.unwrap_err(),
            "read-only replica",
        );
    }
    replica.tell(&["REPLICAOF", "NO", "ONE"]);
    heal(&mut one, &batch).await;
}

#[tokio::test]
async fn f44_a_server_that_is_out_of_memory_is_told_and_nothing_counts_twice() {
    let Some(server) = Server::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    one.add(&[("ok", 1)]).await;
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let batch = one.batch(&[("ok", 1)]);
    for _ in 0..3 {
        refused(&one.exchange(&batch).await.unwrap_err(), "out of memory");
    }
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    heal(&mut one, &batch).await;
    assert_eq!(one.total("ok"), 2);
}

#[tokio::test]
async fn a_cluster_of_one_node_works_and_a_part_of_one_is_told() {
    let Some(server) = Server::start(&["--cluster-enabled", "yes"]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let batch = one.batch(&[("ok", 1)]);
    let error = one.exchange(&batch).await.unwrap_err();
    assert!(
        error.is_lacking() && error.to_string().contains("cluster"),
        "{error}"
    );
    let slots: Vec<_> = (0..16_384).map(|slot| slot.to_string()).collect();
    let mut add = vec!["CLUSTER", "ADDSLOTS"];
    add.extend(slots.iter().map(String::as_str));
    server.tell(&add);
    let since = Instant::now();
    while one.exchange(&batch).await.is_err() {
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "it takes a moment to agree with itself"
        );
        sleep(INTERVAL).await;
    }
    let mut all = one.batch(&[("ok", 1)]);
    let cooldown = tower_outcome::store::Cooldown::new(POOL, Duration::from_secs(5));
    all.cooldowns = vec![cooldown];
    all.probes = vec![POOL];
    one.exchange(&all).await.unwrap();
    assert_eq!(one.total("ok"), 2);
    // All that belongs to a scope is in one slot.
    let tag = "{outcome:1:00000000000000a1}";
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    let of_scope: Vec<_> = keys.iter().filter(|it| it.starts_with(tag)).collect();
    assert!(of_scope.len() >= 4, "{keys:?}");
    let slot = |key: &str| server.ask::<u64>(&["CLUSTER", "KEYSLOT", key]);
    assert!(
        of_scope.iter().all(|key| slot(key) == slot(tag)),
        "{keys:?}"
    );
}
