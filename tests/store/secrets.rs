//! What is shown, and what is stored.

use std::time::Duration;

use tower_outcome::store::{Batch, Cooldown, Note, OutcomeStore, RedisStore};

use super::{Instance, POOL, server::Server};

const CANARY: &str = "canary-7f3a";

#[tokio::test]
async fn f40_no_password_is_shown() {
    let Some(server) = Server::start(&["--requirepass", CANARY]) else {
        return;
    };
    let store = server.builder().build().unwrap();
    let mut told = format!(
        "{store} {store:?} {:?}",
        server.builder().user(CANARY).password(CANARY)
    );
    let mut one = Instance::new(1, store);
    one.add(&[("ok", 1)]).await;
    told += &format!("{:?}", one.store);
    for wrong in [format!("{CANARY}x"), CANARY.to_uppercase()] {
        let store = server.builder().password(wrong).build().unwrap();
        let error = store.exchange(&Batch::new(1, 0)).await.unwrap_err();
        told += &format!("{store:?} {error} {error:?}");
    }
    for url in [
        format!("redis//{CANARY}"),
        format!("redis://:{CANARY}@h:{CANARY}"),
        format!("redis://{CANARY}@h"),
        format!("rediss://{CANARY}:{CANARY}@h/{CANARY}"),
    ] {
        let builder = RedisStore::builder(url);
        told += &format!("{builder:?}");
        let error = builder.build().unwrap_err();
        told += &format!("{error} {error:?}");
    }
    assert!(!told.to_lowercase().contains(CANARY), "{told}");
}

#[tokio::test]
async fn f40_keys_hold_numbers_only() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let mut one = Instance::new(1, server.store());
    for _ in 0..3 {
        let mut batch = one.batch(&[("a", 1)]);
        batch.cooldowns = vec![Cooldown::new(POOL, Duration::from_secs(9))];
        batch.probes = vec![POOL];
        batch.notes = vec![Note::new(5, "a")];
        one.exchange(&batch).await.unwrap();
    }
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    assert!(keys.len() >= 7, "{keys:?}");
    for key in &keys {
        let rest = key.strip_prefix("{outcome:1").unwrap();
        let (scope, rest) = rest.split_once("}:").unwrap();
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(
            scope.is_empty() || (scope.len() == 17 && hex(&scope[1..])),
            "{key}"
        );
        let (kind, number) = rest.split_once(':').unwrap_or((rest, ""));
        assert!(
            ["b", "s", "c", "p", "i", "n"].contains(&kind) && hex(number),
            "{key}"
        );
        let left: i64 = server.ask(&["PTTL", key]);
        assert!(left > 0, "{key} would stay for ever");
        let kind: String = server.ask(&["TYPE", key]);
        let values: Vec<String> = match &*kind {
            "string" => vec![server.ask(&["GET", key])],
            "hash" => server.ask(&["HGETALL", key]),
            "list" => server.ask(&["LRANGE", key, "0", "-1"]),
            "zset" => server.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
            kind => panic!("{key}: {kind}"),
        };
        for value in values {
            let plain = |b: u8| b.is_ascii_hexdigit() || b == b' ' || b == b'\n';
            assert!(value.bytes().all(plain), "{key}: {value}");
        }
    }
}
