//! Whatever stands in the keys.

use std::time::Duration;

use redis::Value;
use tower_outcome::store::{Batch, Cooldown, Note, OutcomeStore, Share};

use super::{GROUP, Instance, POOL, pool, server::Server};

const TAG: &str = "{outcome:1:00000000000000a1}";
const INSTANCE: &str = "0000000000000001";

fn buckets(server: &Server) -> [String; 3] {
    let time: (u64, u64) = server.ask(&["TIME"]);
    let now = time.0 / 10;
    // One more, as a bucket may end in mid-test.
    [now - 1, now, now + 1].map(|number| format!("{TAG}:b:{number}"))
}

fn set(server: &Server, key: &str, field: &[u8], value: &[u8]) {
    let mut command = redis::cmd("HSET");
    command.arg(key).arg(field).arg(value);
    let _: Value = command.query(&mut server.client()).unwrap();
}

/// A batch with everything in it.
fn everything(number: u64, sequence: u64) -> Batch {
    let mut batch = Batch::new(number, sequence);
    let added = vec![("ok".into(), 1)];
    batch.shares = vec![
        Share::new(POOL, added.clone(), None),
        Share::new(GROUP, added, None),
    ];
    batch.cooldowns = vec![Cooldown::new(POOL, Duration::from_secs(1))];
    batch.probes = vec![POOL];
    batch.notes = vec![Note::new(number as u32, "note")];
    batch
}

/// Makes a key of every type, one after another, and sees to it that the exchange goes on as if it were not
/// there, and that it is not there any more.
#[tokio::test]
async fn keys_of_a_wrong_type_are_put_right() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = server.store();
    // One that has ended is no longer put right in every way.
    server.early_in_a_bucket().await;
    let mut keys = buckets(&server).to_vec();
    keys.extend(["c", "p", &format!("s:{INSTANCE}")].map(|end| format!("{TAG}:{end}")));
    keys.extend(
        ["i", "n:00000001", &format!("s:{INSTANCE}")].map(|end| format!("{{outcome:1}}:{end}")),
    );
    let mut sequence = 0;
    for key in &keys {
        for poison in [
            &["SET", key, "text"][..],
            &["RPUSH", key, "a", "b"],
            &["SADD", key, "a"],
            &["ZADD", key, "1", "a"],
            &["HSET", key, "a", "b"],
            &["XADD", key, "*", "a", "b"],
            &["PFADD", key, "a"],
            &["SETBIT", key, "7", "1"],
        ] {
            server.tell(&["DEL", key]);
            server.tell(poison);
            sequence += 1;
            let answer = store.exchange(&everything(1, sequence)).await;
            let answer = answer.unwrap_or_else(|error| panic!("{poison:?}: {error}"));
            let [one, other] = &answer.totals[..] else {
                panic!("{poison:?}: {answer:?}")
            };
            for totals in [one, other] {
                assert!(totals.added_to.is_some(), "{poison:?}: {answer:?}");
            }
            let probe = answer.probes[0];
            assert!(
                probe.lasts <= Duration::from_secs(2),
                "{poison:?}: {probe:?}"
            );
            let cools = answer.cooldowns[0].lasts;
            assert!(cools <= Duration::from_secs(1), "{poison:?}: {cools:?}");
            for key in &keys {
                let left: i64 = server.ask(&["PTTL", key]);
                let is_future = key == &keys[2] || key == &keys[0];
                assert!(
                    left != -1 || is_future,
                    "{key} stays for ever after {poison:?}"
                );
            }
        }
    }
    assert!(store.mended() > 0);
}

#[tokio::test]
async fn counters_that_are_none_are_removed_and_the_others_stay() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let long = vec![b'x'; 1 << 20];
    server.early_in_a_bucket().await;
    let keys = buckets(&server);
    for (field, value) in [
        (&b"negative"[..], &b"-1"[..]),
        (b"float", b"1.5"),
        (b"exponent", b"1e3"),
        (b"hexadecimal", b"0x10"),
        (b"text", b"text"),
        (b"empty", b""),
        (b"spaces", b" 1"),
        (b"i64", b"9223372036854775808"),
        (b"u64", b"18446744073709551616"),
        (b"inexact", b"9007199254740992"),
        (b"nan", b"nan"),
        (b"long value", &long),
        (b"nul value", b"1\0"),
        (b"nul\0name", b"1"),
        (b"line\nbreak", b"1"),
        (b"not utf-8 \xff", b"1"),
        (&long, b"1"),
        (&long[..49], b"1"),
        (b"good", b"7"),
    ] {
        for key in &keys {
            set(&server, key, field, value);
        }
    }
    for key in &keys {
        set(&server, key, b"", b"5 2");
    }
    one.add(&[("negative", 3), ("i64", 4), ("new", 5)]).await;
    let names: Vec<_> = one.known.values().flat_map(|it| it.keys()).collect();
    assert_eq!(names, ["good", "good", "i64", "negative", "new"]);
    assert_eq!(
        ["negative", "i64", "new"].map(|name| one.total(name)),
        [3, 4, 5]
    );
    assert_eq!(one.store.mended(), 18 * 2);
    // Removed, not only left out.
    let left: u64 = server.ask(&["HLEN", &keys[0]]);
    assert_eq!(left, 2);
}

/// The counts of a server's own hands are believed for as long as their number is right; whoever reads
/// them does not.
#[tokio::test]
async fn counts_that_were_overwritten_are_left_out() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    for (value, after) in [
        ("text", 1),
        ("-9", 1),
        ("1.5", 1),
        ("9223372036854775807", 1),
        ("9007199254740993", 1),
        ("9007199254740991", (1 << 53) - 1),
        ("", 1),
        ("7", 8),
    ] {
        server.tell(&["FLUSHALL"]);
        one.known.clear();
        one.seen = None;
        one.add(&[("hit", 5), ("other", 3)]).await;
        for key in &buckets(&server)[..2] {
            if server.ask::<bool>(&["EXISTS", key]) {
                set(&server, key, b"hit", value.as_bytes());
            }
        }
        let mut newcomer = Instance::new(2, server.store());
        newcomer.look().await;
        assert_eq!(newcomer.total("other"), 3, "{value:?}");
        assert!(newcomer.total("hit") < 1 << 53, "{value:?}");
        let answer = one.add(&[("hit", 1)]).await;
        let in_same = answer.bucket == *one.known.keys().next().unwrap();
        assert!(
            !in_same || one.total("hit") == after,
            "{value:?}: {}",
            one.total("hit")
        );
    }
    // A line break leaves in doubt what is a name: all of it is left out, and it mends when it grows.
    server.tell(&["FLUSHALL"]);
    one.add(&[("hit", 5)]).await;
    for key in &buckets(&server)[..2] {
        if server.ask::<bool>(&["EXISTS", key]) {
            set(&server, key, b"hit", b"1\nx\n2");
        }
    }
    let mut newcomer = Instance::new(2, server.store());
    newcomer.look().await;
    assert!(newcomer.known.is_empty());
    assert_eq!(newcomer.store.mended(), 1);
}

#[tokio::test]
async fn stamps_that_are_none_do_no_harm() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let long = "0".repeat(100);
    for stamp in [
        "",
        "5",
        "-1 1",
        "text",
        "1 -1",
        "1 text",
        "1 1e300",
        "1 99999999999999999999",
        "4503599627370496 1",
        "4503599627370497 1",
        "9007199254740992 1",
        "1e300 1",
        "\0 \n",
        &long,
    ] {
        let mut one = Instance::new(1, server.store());
        server.tell(&["FLUSHALL"]);
        for key in buckets(&server) {
            set(&server, &key, b"", stamp.as_bytes());
        }
        for round in 1..=3 {
            one.add(&[("ok", 1)]).await;
            assert_eq!(one.total("ok"), round, "{stamp}");
        }
        let mut other = Instance::new(2, server.store());
        other.look().await;
        assert_eq!(other.total("ok"), 3, "{stamp}");
    }
}

#[tokio::test]
async fn a_bucket_larger_than_any_is_dropped() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let fields = (0..70_000).map(|i| format!("n{i}"));
    let mut command = redis::cmd("HSET");
    server.early_in_a_bucket().await;
    let [_, now, next] = buckets(&server);
    command.arg(&now).arg("").arg("1 70001");
    fields.for_each(|field| {
        command.arg(field).arg(1);
    });
    let _: Value = command.query(&mut server.client()).unwrap();
    server.tell(&["COPY", &now, &next]);
    let mut one = Instance::new(1, server.store());
    let answer = one.add(&[("ok", 2)]).await;
    let counters: Vec<_> = pool(&answer)
        .buckets
        .iter()
        .map(|it| it.counters.len())
        .collect();
    assert_eq!(counters, [1]);
    assert!(one.store.mended() >= 1);
    let key = format!("{TAG}:b:{}", answer.bucket);
    let left: i64 = server.ask(&["PTTL", &key]);
    assert!((140_000..=150_000).contains(&left), "{left}");
}

#[tokio::test]
async fn what_says_that_a_batch_was_counted_may_lie() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let key = format!("{TAG}:s:{INSTANCE}");
    for lie in [
        "",
        "text",
        "1",
        "1 2",
        "99999999999999999999 1",
        "99999999999999999999 99999999999999999999",
        "00000000000000000009",
        "-0000000000000000009 1",
        "0000000000000000000x 1",
    ] {
        server.tell(&["SET", &key, lie]);
        let answer = one.add(&[("ok", 1)]).await;
        assert_eq!(pool(&answer).added_to, Some(answer.bucket), "{lie:?}");
    }
    assert_eq!(one.total("ok"), 9);
}

#[tokio::test]
async fn what_should_end_does() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    for (end, most) in [("c", 3_600_000), ("p", 2_000)] {
        let key = format!("{TAG}:{end}");
        for life in [&["PERSIST", &key][..], &["PEXPIRE", &key, "99999999999"]] {
            server.tell(&["SET", &key, "somebody"]);
            server.tell(life);
            let mut batch = one.quiet();
            batch.probes = vec![POOL];
            let answer = one.exchange(&batch).await.unwrap();
            let left: i64 = server.ask(&["PTTL", &key]);
            assert!(left == -2 || (0..=most).contains(&left), "{life:?}: {left}");
            let probe = answer.probes[0];
            assert!(probe.lasts <= Duration::from_secs(2), "{probe:?}");
        }
    }
}

#[tokio::test]
async fn notes_that_are_none_are_dropped() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    let long = vec![b'x'; 1 << 20];
    for note in [&long[..], b"", b"\0", b"line\nbreak", b"\xff", b"good"] {
        let mut command = redis::cmd("RPUSH");
        command.arg("{outcome:1}:n:00000001").arg(note);
        let _: Value = command.query(&mut server.client()).unwrap();
    }
    let notes = one.look().await.notes;
    assert_eq!(notes.len(), 1);
    assert_eq!(&*notes[0], "good");
    assert_eq!(one.store.mended(), 5);
}

#[tokio::test]
async fn members_that_are_none_are_only_counted() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    for (score, member) in [("-inf", "a"), ("+inf", "b"), ("1e300", "c"), ("0", "\0")] {
        server.tell(&["ZADD", "{outcome:1}:i", score, member]);
    }
    assert_eq!(one.look().await.instances, 1);
}
