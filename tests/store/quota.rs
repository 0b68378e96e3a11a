//! Cooldowns, leases and notes.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::timeout;
use tower_outcome::store::{Answer, Batch, Cooldown, Note, OutcomeStore, RedisStore, Scope};

use super::{GROUP, Instance, POOL, server::Server};

const PATIENCE: Duration = Duration::from_secs(5);
const CHANNEL: &str = "outcome:1:cooldowns";

/// Announces a cooldown of `GROUP`, and returns what is left of it then.
async fn cool(store: &RedisStore, instance: u64, lasts: Duration) -> Duration {
    let mut batch = Batch::new(instance, 0);
    batch.cooldowns = vec![Cooldown::new(GROUP, lasts)];
    left(&store.exchange(&batch).await.unwrap())
}

fn left(answer: &Answer) -> Duration {
    let [cooldown] = &answer.cooldowns[..] else {
        panic!("{answer:?}")
    };
    assert_eq!(cooldown.group, GROUP);
    cooldown.lasts
}

fn probing(instance: u64) -> Batch {
    let mut batch = Batch::new(instance, 0);
    batch.probes = vec![GROUP];
    batch
}

/// Forgets what was told so far.
async fn drain(store: &RedisStore) {
    while timeout(Duration::from_millis(50), store.heard())
        .await
        .is_ok()
    {}
}

async fn notes_for(store: &RedisStore, instance: u64) -> Vec<String> {
    let answer = store.exchange(&Batch::new(instance, 0)).await.unwrap();
    answer.notes.into_iter().map(String::from).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Waits until a store listens, as nothing says so: it is told things until it hears one.
async fn listening(store: &RedisStore, server: &Server) {
    let heard = store.heard();
    tokio::pin!(heard);
    for _ in 0..500 {
        server.tell(&["PUBLISH", CHANNEL, "00000000000000ff 0000000000000001 1"]);
        if timeout(Duration::from_millis(20), &mut heard).await.is_ok() {
            // What else was told meanwhile.
            while timeout(Duration::from_millis(50), store.heard())
                .await
                .is_ok()
            {}
            return;
        }
    }
    panic!("it does not listen");
}

#[tokio::test]
async fn cooldowns_are_only_lengthened() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (one, two) = (server.store(), server.store());
    assert_eq!(cool(&one, 1, seconds(20)).await, seconds(20));
    let shorter = cool(&two, 2, seconds(5)).await;
    assert!(
        shorter > seconds(14) && shorter <= seconds(20),
        "{shorter:?}"
    );
    assert_eq!(cool(&two, 2, seconds(30)).await, seconds(30));
    assert_eq!(cool(&two, 2, seconds(9_999)).await, seconds(3_600));
    // Who only serves the group sees it as well.
    let mut batch = Batch::new(3, 0);
    let share = tower_outcome::store::Share::new(GROUP, Vec::new(), None);
    batch.shares = vec![share];
    let answer = one.exchange(&batch).await.unwrap();
    assert!(left(&answer) > seconds(3_590));
}

#[tokio::test]
async fn a_cooldown_ends_by_the_clock_of_the_server() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    cool(&one.store, 1, Duration::from_micros(1)).await;
    cool(&one.store, 1, Duration::from_millis(30)).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(one.look().await.cooldowns, []);
}

#[tokio::test]
async fn one_of_twenty_may_probe() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let stores: Vec<_> = (0..20).map(|number| (number, server.store())).collect();
    // Connected before, as the first lease may else be over when the last one asks.
    let met = stores.iter().map(|(number, store)| async move {
        store.exchange(&Batch::new(*number, 0)).await.unwrap();
    });
    futures_util::future::join_all(met).await;
    let asked = stores.iter().map(|(number, store)| async move {
        let answer = store.exchange(&probing(*number)).await.unwrap();
        answer.probes[0]
    });
    let probes = futures_util::future::join_all(asked).await;
    let granted: Vec<_> = probes.iter().filter(|it| it.granted).collect();
    assert_eq!(granted.len(), 1, "{probes:?}");
    assert_eq!(granted[0].lasts, seconds(2));
    for probe in &probes {
        assert_eq!(probe.group, GROUP);
        assert!(
            probe.lasts <= seconds(2) && probe.lasts > seconds(1),
            "{probes:?}"
        );
    }
}

#[tokio::test]
async fn a_lease_stays_with_its_owner_and_then_goes_to_another() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (one, two) = (server.store(), server.store());
    let ask = async |store: &RedisStore, number| {
        let answer = store.exchange(&probing(number)).await.unwrap();
        answer.probes[0]
    };
    assert!(ask(&one, 1).await.granted);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let again = ask(&one, 1).await;
    assert!(
        again.granted && again.lasts < seconds(2),
        "asking does not lengthen it: {again:?}"
    );
    let refused = ask(&two, 2).await;
    assert!(!refused.granted);
    tokio::time::sleep(refused.lasts + Duration::from_millis(10)).await;
    assert!(ask(&two, 2).await.granted);
    assert!(!ask(&one, 1).await.granted);
}

#[tokio::test]
async fn a_cooldown_reaches_others_at_once_and_not_its_sender() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (one, two) = (server.store(), server.store());
    two.exchange(&Batch::new(2, 0)).await.unwrap();
    listening(&one, &server).await;
    listening(&two, &server).await;
    drain(&one).await;
    cool(&one, 1, seconds(20)).await;
    let heard = timeout(PATIENCE, two.heard()).await.unwrap();
    assert_eq!(heard, Cooldown::new(GROUP, seconds(20)));
    // Neither is what is hardly longer, or no longer at all, worth telling.
    let left = cool(&one, 1, seconds(10)).await;
    cool(&one, 1, left + Duration::from_millis(10)).await;
    let more = timeout(Duration::from_millis(100), two.heard()).await;
    assert!(more.is_err(), "{more:?}");
    let own = timeout(Duration::from_millis(100), one.heard()).await;
    assert!(own.is_err(), "{own:?}");
}

#[tokio::test]
async fn junk_on_the_channel_is_not_heard() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    listening(&store, &server).await;
    let long = "x".repeat(100_000);
    for junk in [
        "",
        " ",
        "a b",
        "zz zz zz",
        "1 2 -3",
        "1 2 99999999",
        "\0\u{e9}",
        &long,
    ] {
        server.tell(&["PUBLISH", CHANNEL, junk]);
    }
    server.tell(&["PUBLISH", CHANNEL, "00000000000000aa 00000000000000b2 7"]);
    let heard = timeout(PATIENCE, store.heard()).await.unwrap();
    assert_eq!(heard, Cooldown::new(GROUP, Duration::from_millis(7)));
}

#[tokio::test]
async fn who_is_not_asked_keeps_a_bounded_number_of_announcements() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    listening(&store, &server).await;
    let mut client = server.client();
    for group in 10_000..12_000 {
        let text = format!("00000000000000aa {group:016x} 7");
        let _: () = redis::cmd("PUBLISH")
            .arg(CHANNEL)
            .arg(text)
            .query(&mut client)
            .unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut heard = Vec::new();
    while let Ok(cooldown) = timeout(Duration::from_millis(50), store.heard()).await {
        heard.push(cooldown.group);
    }
    // What had not come yet when it was asked finds room again, after what was dropped meanwhile.
    let groups = (10_000..12_000).map(Scope::new);
    let kept = heard
        .iter()
        .zip(groups)
        .take_while(|(it, group)| **it == *group);
    let kept = kept.count();
    assert!((200..=300).contains(&kept), "{kept}");
}

#[tokio::test]
async fn a_lost_subscription_comes_back() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    listening(&store, &server).await;
    server.tell(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    listening(&store, &server).await;
    server.kill();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.restart();
    listening(&store, &server).await;
}

#[tokio::test]
async fn notes_are_handed_out_once() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    let mut batch = Batch::new(1, 1);
    batch.notes = vec![
        Note::new(2, "first"),
        Note::new(2, "second"),
        Note::new(3, "other"),
    ];
    batch.notes.push(Note::new(2, "x".repeat(129)));
    batch.notes.push(Note::new(2, "no\nline"));
    for _ in 0..3 {
        store.exchange(&batch).await.unwrap();
    }
    // The high half of a number is not part of the address.
    let (two, three) = ((7 << 32) | 2, 3);
    assert_eq!(notes_for(&store, two).await, ["first", "second"]);
    assert!(notes_for(&store, two).await.is_empty());
    assert_eq!(notes_for(&store, three).await, ["other"]);
    // Another note of the same batch number is another note.
    batch.notes = vec![Note::new(2, "third")];
    store.exchange(&batch).await.unwrap();
    assert_eq!(notes_for(&store, two).await, ["third"]);
}

#[tokio::test]
async fn the_latest_thousand_notes_wait() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    for sequence in 1..=2 {
        let mut batch = Batch::new(1, sequence);
        let numbers = (sequence - 1) * 1_000..sequence * 1_000;
        batch.notes = numbers.map(|it| Note::new(2, it.to_string())).collect();
        store.exchange(&batch).await.unwrap();
    }
    let left: i64 = server.ask(&["PTTL", "{outcome:1}:n:00000002"]);
    assert!((55_000..=60_000).contains(&left), "{left}");
    let answer = store.exchange(&Batch::new(2, 0)).await.unwrap();
    assert_eq!(answer.notes.len(), 1_024);
    assert_eq!(&*answer.notes[1_023], "1999");
    assert_eq!(answer.notes.iter().collect::<BTreeSet<_>>().len(), 1_024);
}

#[tokio::test]
async fn groups_without_a_share_are_answered_too() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let mut batch = one.batch(&[("ok", 1)]);
    let other = Scope::new(77);
    batch.cooldowns = vec![
        Cooldown::new(GROUP, seconds(3)),
        Cooldown::new(POOL, seconds(4)),
    ];
    batch.probes = vec![other];
    let answer = one.store.exchange(&batch).await.unwrap();
    assert_eq!(answer.totals.len(), 1);
    let groups: Vec<_> = answer
        .cooldowns
        .iter()
        .map(|it| (it.group, it.lasts))
        .collect();
    assert_eq!(groups, [(POOL, seconds(4)), (GROUP, seconds(3))]);
    assert_eq!((answer.probes.len(), answer.probes[0].group), (1, other));
}
