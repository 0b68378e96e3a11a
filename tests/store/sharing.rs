//! What counters are added up to.

use std::time::Duration;

use tower_outcome::store::{Scope, Share};

use super::{Instance, pool, server::Server};

const TAG: &str = "{outcome:1:00000000000000a1}";

fn instances(server: &Server, count: u64) -> Vec<Instance<tower_outcome::store::RedisStore>> {
    let numbers = 1..=count;
    numbers
        .map(|number| Instance::new(number, server.store()))
        .collect()
}

/// Puts a bucket there as if instances had filled it.
fn fill(server: &Server, number: u64, version: u64, counters: &[(&str, &str)]) {
    let key = format!("{TAG}:b:{number}");
    let stamp = format!("{version} {}", counters.len() + 1);
    let mut words = vec!["HSET", &key, "", &stamp];
    words.extend(counters.iter().flat_map(|(name, count)| [*name, *count]));
    server.tell(&words);
}

fn current(server: &Server) -> u64 {
    let time: (u64, u64) = server.ask(&["TIME"]);
    time.0 / 10
}

#[tokio::test]
async fn two_and_three_instances_add_up() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut fleet = instances(&server, 3);
    fleet[0].add(&[("ok", 5), ("bad", 1)]).await;
    fleet[1].add(&[("ok", 7)]).await;
    fleet[0].look().await;
    assert_eq!((fleet[0].total("ok"), fleet[0].total("bad")), (12, 1));
    let answer = fleet[2].add(&[("ok", 1), ("late", 2)]).await;
    assert_eq!(answer.instances, 3);
    for instance in &mut fleet {
        instance.look().await;
        let totals = ["ok", "bad", "late"].map(|name| instance.total(name));
        assert_eq!(totals, [13, 1, 2], "{}", instance.number);
    }
}

#[tokio::test]
async fn scopes_and_deployments_are_kept_apart() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let mut batch = one.batch(&[("ok", 1)]);
    let other = Share::new(Scope::new(9), vec![("ok".into(), 10)], None);
    batch.shares.push(other);
    let answer = one.exchange(&batch).await.unwrap();
    let counted: Vec<_> = answer
        .totals
        .iter()
        .map(|it| it.buckets[0].counters[0].1)
        .collect();
    assert_eq!(counted, [1, 10]);
    let store = server.builder().prefix("green").build().unwrap();
    let mut green = Instance::new(2, store);
    let answer = green.look().await;
    assert_eq!((pool(&answer).buckets.len(), answer.instances), (0, 1));
}

#[tokio::test]
async fn a_repeated_batch_counts_once() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let batch = one.batch(&[("ok", 5)]);
    let first = one.exchange(&batch).await.unwrap();
    assert_eq!(pool(&first).added_to, Some(first.bucket));
    for _ in 0..3 {
        let again = one.exchange(&batch).await.unwrap();
        assert_eq!(pool(&again).added_to, pool(&first).added_to);
    }
    // Not one that was long on its way, either.
    one.add(&[("ok", 1)]).await;
    let late = one.exchange(&batch).await.unwrap();
    assert_eq!(pool(&late).added_to, None);
    let mut other = Instance::new(2, server.store());
    other.look().await;
    assert_eq!(other.total("ok"), 6);
}

#[tokio::test]
async fn numbers_of_batches_may_be_of_any_size() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    let mut one = Instance::new(u64::MAX, store);
    for sequence in [9, 10, (1 << 53) - 1, 1 << 53, (1 << 53) + 1, u64::MAX] {
        let mut batch = one.batch(&[("ok", 1)]);
        batch.sequence = sequence;
        let answer = one.exchange(&batch).await.unwrap();
        assert!(pool(&answer).added_to.is_some(), "{sequence}");
    }
    assert_eq!(one.total("ok"), 6);
}

#[tokio::test]
async fn what_was_seen_is_not_sent_again_until_it_changes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut fleet = instances(&server, 2);
    fleet[0].add(&[("ok", 1)]).await;
    // A bucket may end just now, and then nothing is in the new one.
    for _ in 0..3 {
        assert!(pool(&fleet[0].look().await).buckets.is_empty());
    }
    fleet[1].add(&[("ok", 1)]).await;
    let answer = fleet[0].look().await;
    assert_eq!(pool(&answer).buckets.len(), 1);
    assert_eq!(fleet[0].total("ok"), 2);
}

#[tokio::test]
async fn newcomers_get_all_buckets_that_live() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let now = current(&server);
    for age in [1, 2, 13, 14, 15, 16, 40] {
        fill(
            &server,
            now - age,
            (now - age) * 10_000_000,
            &[("ok", "1"), ("age", &age.to_string())],
        );
    }
    let mut newcomer = Instance::new(1, server.store());
    let answer = newcomer.look().await;
    // If a bucket has ended meanwhile, the oldest is gone.
    let passed = answer.bucket - now;
    let expected: Vec<_> = [14, 13, 2, 1]
        .into_iter()
        .filter(|age| age + passed < 15)
        .collect();
    let got: Vec<_> = pool(&answer)
        .buckets
        .iter()
        .map(|it| now - it.number)
        .collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_bucket_that_ended_stays_readable_and_late_changes_are_seen() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.early_in_a_bucket().await;
    let now = current(&server);
    fill(&server, now - 1, (now - 1) * 10_000_000, &[("ok", "3")]);
    let mut one = Instance::new(1, server.store());
    one.look().await;
    assert_eq!(one.total("ok"), 3);
    one.add(&[("ok", 4)]).await;
    assert_eq!(one.total("ok"), 7);
    assert!(pool(&one.look().await).buckets.is_empty());
    // As when the clock of the server is set back by a little: versions rise all the same.
    fill(&server, now - 1, (now + 2) * 10_000_000, &[("ok", "5")]);
    one.look().await;
    assert_eq!(one.total("ok"), 9);
}

#[tokio::test]
async fn who_has_seen_the_future_gets_everything() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut fleet = instances(&server, 2);
    let answer = fleet[0].add(&[("ok", 1)]).await;
    let seen = tower_outcome::store::Seen::new(answer.bucket + 60, u64::MAX);
    fleet[1].seen = Some(seen);
    fleet[1].look().await;
    assert_eq!(fleet[1].total("ok"), 1);
}

#[tokio::test]
async fn a_large_answer_comes_in_parts() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let now = current(&server);
    let counters: Vec<_> = (0..20_000).map(|i| format!("counter-{i}")).collect();
    let counters: Vec<_> = counters.iter().map(|name| (&**name, "1")).collect();
    for age in 1..=10 {
        fill(&server, now - age, (now - age) * 10_000_000, &counters);
    }
    let mut newcomer = Instance::new(1, server.store());
    let mut parts = Vec::new();
    while parts.len() < 9 {
        let answer = newcomer.look().await;
        if pool(&answer).buckets.is_empty() {
            break;
        }
        parts.push(pool(&answer).buckets.len());
    }
    assert_eq!(parts, [3, 3, 3, 1]);
    assert_eq!(newcomer.total("counter-19999"), 10);
}

#[tokio::test]
async fn the_clock_of_the_server_says_which_bucket_it_is() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let before = current(&server);
    let answer = one.add(&[("ok", 1)]).await;
    let after = current(&server);
    assert!((before..=after).contains(&answer.bucket));
    assert!((before..=after).contains(&pool(&answer).added_to.unwrap()));
    let left: i64 = server.ask(&["PTTL", &format!("{TAG}:b:{}", answer.bucket)]);
    assert!((140_000..=150_000).contains(&left), "{left}");
}

#[tokio::test]
async fn counters_are_bounded_in_the_server_too() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let now = current(&server);
    for number in [now, now + 1] {
        fill(
            &server,
            number,
            1,
            &[("near", "9007199254740990"), ("ok", "1")],
        );
    }
    let mut one = Instance::new(1, server.store());
    let bucket = one.add(&[("near", 1_000_000_000), ("ok", u64::MAX)]).await;
    // If a bucket has ended meanwhile, the one before is there, too.
    let counts = ["near", "ok"].map(|name| one.known[&bucket.bucket][name]);
    assert_eq!(counts, [(1 << 53) - 1, 1_000_000_001]);
}

#[tokio::test]
async fn a_full_bucket_takes_no_new_names() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let now = current(&server);
    let counters: Vec<_> = (0..65_535).map(|i| format!("n{i}")).collect();
    let counters: Vec<_> = counters.iter().map(|name| (&**name, "1")).collect();
    for number in [now, now + 1] {
        fill(&server, number, 1, &counters);
    }
    let mut one = Instance::new(1, server.store());
    let full = one
        .add(&[("last", 1), ("too-late", 1), ("n0", 1)])
        .await
        .bucket;
    // If a bucket has ended meanwhile, the one before is so full that this one comes with the next answer.
    one.look().await;
    let counts = ["last", "too-late", "n0"].map(|name| one.known[&full].get(name).copied());
    assert_eq!(counts, [Some(1), None, Some(2)]);
    assert_eq!(one.store.mended(), 0);
}

#[tokio::test]
async fn an_instance_that_says_nothing_is_forgotten_after_a_minute() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let time: (u64, u64) = server.ask(&["TIME"]);
    let at = |seconds: i64| ((time.0 as i64 + seconds) * 1000).to_string();
    for (name, seconds) in [("recent", -50), ("gone", -61), ("of-the-future", 90)] {
        server.tell(&["ZADD", "{outcome:1}:i", &at(seconds), name]);
    }
    assert_eq!(one.look().await.instances, 2);
    let there: Vec<String> = server.ask(&["ZRANGE", "{outcome:1}:i", "0", "-1"]);
    assert_eq!(there, ["recent", "0000000000000001"]);
}

/// The same with a bucket that really ends.
#[tokio::test]
async fn a_bucket_ends_after_ten_seconds() {
    if !super::is_full() {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut fleet = instances(&server, 2);
    let first = fleet[0].add(&[("ok", 1)]).await.bucket;
    while current(&server) == first {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = fleet[0].add(&[("ok", 2)]).await;
    assert_eq!(pool(&answer).added_to, Some(first + 1));
    assert_eq!(pool(&answer).buckets.len(), 1, "the first has not changed");
    fleet[1].look().await;
    assert_eq!((fleet[0].total("ok"), fleet[1].total("ok")), (3, 3));
}
