//! Servers that are none, or not the right one.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tower_outcome::store::{Batch, OutcomeStore, RedisStore, StoreError};

use super::{proxy::Fake, server::Server};

async fn asked(url: &str, limit: Duration) -> StoreError {
    let store = RedisStore::builder(url)
        .password("canary-word")
        .connect_timeout(limit)
        .build()
        .unwrap();
    let since = Instant::now();
    let error = store.exchange(&Batch::new(1, 0)).await.unwrap_err();
    let took = since.elapsed();
    assert!(
        took < limit + Duration::from_millis(500),
        "{took:?}: {error}"
    );
    let told = format!("{error} {error:?} {store:?}");
    assert!(!told.contains("canary"), "{told}");
    error
}

#[tokio::test]
async fn an_old_server_is_told_what_is_needed() {
    let fake = Fake::answering(|words| match &*words[0] {
        "AUTH" => b"+OK\r\n".to_vec(),
        "INFO" => b"$28\r\n# Server\nredis_version:5.0.9\r\n".to_vec(),
        "EVAL" => b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n".to_vec(),
        "SCRIPT" => b"$1\r\na\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    })
    .await;
    let error = asked(&fake.url(), Duration::from_secs(5)).await;
    assert!(error.is_lacking(), "{error}");
    assert!(error.to_string().contains("Redis 5.0.9"), "{error}");
    assert!(
        error.to_string().contains("6.2 or later, or Valkey"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_without_scripts_is_told() {
    let fake = Fake::answering(|words| match &*words[0] {
        "AUTH" => b"+OK\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    })
    .await;
    let error = asked(&fake.url(), Duration::from_secs(5)).await;
    assert!(
        error.is_lacking() && error.to_string().contains("runs no scripts"),
        "{error}"
    );
}

/// As servers do that do not know a command.
#[tokio::test]
async fn a_server_that_repeats_what_it_was_sent_gives_no_password_away() {
    let fake = Fake::answering(|words| {
        let command = &words[0];
        let rest = words[1..].join("`, `");
        let said =
            format!("-ERR unknown command `{command}`, with args beginning with: `{rest}`\r\n");
        said.replace('\n', " ").replace("\r ", "\r\n").into_bytes()
    })
    .await;
    let error = asked(&fake.url(), Duration::from_secs(5)).await;
    assert!(
        error.to_string().contains("it takes no password"),
        "{error}"
    );
}

#[tokio::test]
async fn nonsense_is_an_error_and_soon() {
    let deep: &'static [u8] = Box::leak(b"*1\r\n".repeat(5_000).into_boxed_slice());
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\xff\xfe\r\n\r\n",
        b"$-7\r\n",
        b"*-9\r\n",
        b":99999999999999999999\r\n",
        b"$9223372036854775807\r\nx",
        b"$18446744073709551615\r\nx",
        b"*9223372036854775807\r\n",
        b"*1000000000\r\n:1\r\n",
        b"%9223372036854775807\r\n",
        b"|9223372036854775807\r\n",
        b">-1\r\n>1\r\n:1\r\n",
        b"-\r\n-\r\n-\r\n-\r\n-\r\n-\r\n-\r\n",
        b"+OK\r\n",
        b"+\r\n+\r\n+\r\n+\r\n+\r\n+\r\n+\r\n",
        b"_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n_\r\n",
        b"*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n",
        deep,
        b"",
    ] {
        let fake = Fake::saying(said, b"").await;
        asked(&fake.url(), Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let chunk: &'static [u8] = Box::leak(vec![b'x'; 1 << 20].into_boxed_slice());
    for first in [
        &b"$99999999999\r\n"[..],
        b"+",
        b"*99999999999\r\n$99999999999\r\n",
    ] {
        let fake = Fake::saying(first, chunk).await;
        asked(&fake.url(), Duration::from_secs(30)).await;
        let written = fake.written.load(Ordering::SeqCst);
        assert!(written < 100 << 20, "{written} bytes were read");
    }
}

#[tokio::test]
async fn scopes_that_are_answered_with_nonsense_are_left_out() {
    use tower_outcome::store::{Scope, Share};
    let fake = Fake::answering(|words| match &*words[0] {
        "AUTH" => b"+OK\r\n".to_vec(),
        "EVAL" => b"*2\r\n$1\r\n1\r\n$1\r\n1\r\n".to_vec(),
        "SCRIPT" => b"$1\r\na\r\n".to_vec(),
        "EVALSHA" if words[3].ends_with("1}") && words[3].len() > 20 => {
            b"-WRONGTYPE no\r\n".to_vec()
        }
        "EVALSHA" if words[3].ends_with("2}") => b"*1\r\n:-1\r\n".to_vec(),
        "EVALSHA" if words[3].ends_with("3}") => {
            b"*7\r\n:9\r\n$-1\r\n:0\r\n:0\r\n:0\r\n:0\r\n*0\r\n".to_vec()
        }
        "EVALSHA" => b"*4\r\n:9\r\n:1\r\n:0\r\n*0\r\n".to_vec(),
        _ => b"-ERR unknown command\r\n".to_vec(),
    })
    .await;
    let store = Server::builder_of(fake.url())
        .password("word")
        .build()
        .unwrap();
    let mut batch = Batch::new(1, 1);
    let shares = (1..=3).map(|scope| Share::new(Scope::new(scope), vec![("a".into(), 1)], None));
    batch.shares = shares.collect();
    let answer = store.exchange(&batch).await.unwrap();
    let scopes: Vec<_> = answer.totals.iter().map(|it| it.scope).collect();
    assert_eq!((answer.bucket, scopes), (9, vec![Scope::new(3)]));
    assert_eq!(store.mended(), 2);
}
