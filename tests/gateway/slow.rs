//! Callers that take their time, in sending and in reading.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tower_outcome::gateway::{Gateway, Server};

use crate::support::*;

const SHORT: Duration = Duration::from_millis(200);

/// Serves those who let it wait for no longer than this.
async fn serve_impatiently(provider: &Raw, limit: Duration) -> std::net::SocketAddr {
    let gateway = Gateway::builder(pool([provider.upstream()]))
        .default_upstream(provider.upstream())
        .body_idle_timeout(limit)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new()
        .first_byte_timeout(limit)
        .header_timeout(limit);
    tokio::spawn(server.serve(listener, gateway, std::future::pending()));
    address
}

#[tokio::test]
async fn f23_what_is_begun_and_not_ended_is_closed_in_time() {
    let provider = Raw::json(200, "{}").await;
    let address = serve_impatiently(&provider, SHORT).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\n";
    let routed = format!("{head}content-length: 1000\r\n\r\n{{\"model\"");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nab");
    let passed = "POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nab";
    for (begun, answer) in [
        // Before the protocol is known, within the head, and between two requests.
        ("", ""),
        ("GET ", ""),
        ("PRI * HTTP/2.0\r\n\r\nSM", ""),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ", ""),
        (
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
            "HTTP/1.1 200",
        ),
        // Within the body.
        (&routed, "HTTP/1.1 408"),
        (&chunked, "HTTP/1.1 408"),
        (passed, ""),
    ] {
        let begin = Instant::now();
        let answered = timeout(PATIENCE / 2, raw(address, begun)).await;
        let answered = answered.unwrap_or_else(|_| panic!("{begun:?} is still open"));
        assert!(answered.starts_with(answer), "{begun:?}: {answered}");
        assert!(begin.elapsed() >= SHORT, "{begun:?}");
    }
    assert!(
        provider
            .seen()
            .iter()
            .all(|seen| seen.starts_with("POST /v1/files"))
    );
}

#[tokio::test]
async fn f23_slow_progress_is_progress() {
    let provider = Raw::json(200, "{}").await;
    // All of it takes longer than that, no part of it nearly as long.
    let limit = Duration::from_secs(1);
    let address = serve_impatiently(&provider, limit).await;
    let body = ask("first");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let begin = Instant::now();
    for part in body.as_bytes().chunks(body.len() / 15) {
        sleep(limit / 10).await;
        stream.write_all(part).await.unwrap();
    }
    assert!(begin.elapsed() > limit);
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn f23_those_who_find_no_place_are_told_after_a_while() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new().max_connections(1);
    tokio::spawn(server.serve(listener, gateway.build().unwrap(), std::future::pending()));
    let head = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let mut held = TcpStream::connect(address).await.unwrap();
    held.write_all(head.as_bytes()).await.unwrap();
    let request = format!("{head}connection: close\r\n\r\n");
    let begin = Instant::now();
    for _ in 0..2 {
        let answer = raw(address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    }
    // Well before the one that has the place would lose it.
    assert!(begin.elapsed() < PATIENCE);
    drop(held);
    // It is not said when the server has noticed that.
    until("there is a place again", async || {
        raw(address, &request).await.starts_with("HTTP/1.1 200")
    })
    .await;
}
