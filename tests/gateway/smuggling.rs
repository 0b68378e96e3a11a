//! Requests that two servers in a row may read in different ways.
//!
//! Behind each of them stands what would be a request of its own to whoever reads it wrongly. It must
//! never become one: not here, and not at the provider.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, task::JoinSet};
use tower_outcome::gateway::{Gateway, Server};

use crate::support::*;

const SMUGGLED: &str = "GET /v1/smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Lines that make the length of a message doubtful.
const LENGTHS: [&str; 44] = [
    "content-length: 0\r\n",
    "content-length: 1\r\n",
    "content-length: +5\r\n",
    "content-length: -5\r\n",
    "content-length: 0x5\r\n",
    "content-length: 5 5\r\n",
    "content-length: 5, 6\r\n",
    "content-length: 5;\r\n",
    "content-length: 1e1\r\n",
    "content-length: \"5\"\r\n",
    "content-length: five\r\n",
    "content-length: \r\n",
    "content-length: 99999999999999999999\r\n",
    "content-length: 18446744073709551616\r\n",
    "content-length : 5\r\n",
    "content-length\t: 5\r\n",
    " content-length: 5\r\n",
    "content-length: 5\r\n content-length: 6\r\n",
    "content-length:\r\n 5\r\n",
    "content_length: 5\r\nx: \0\r\n",
    "content-length: \u{665}\r\n",
    "transfer-encoding: xchunked\r\n",
    "transfer-encoding: chunked, identity\r\n",
    "transfer-encoding: chunked;q=1\r\n",
    "transfer-encoding: \"chunked\"\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding: gzip\r\n",
    "transfer-encoding: chunked\0\r\n",
    "transfer-encoding: \u{b}chunked\r\n",
    "transfer-encoding: chunked\u{b}\r\n",
    "transfer-encoding: chu\r\n nked\r\n",
    "transfer-encoding:\r\n chunked\r\n",
    "transfer-encoding : chunked\r\n",
    "transfer-encoding\t: chunked\r\n",
    " transfer-encoding: chunked\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n",
    "transfer-encoding:chunked, gzip\r\n",
    "transfer-\u{e9}ncoding: chunked\r\nx\u{0}: 1\r\n",
    "x: y\r\rtransfer-encoding: chunked\r\n",
    "x: y\rtransfer-encoding: chunked\r\n",
    ": chunked\r\n",
    "transfer encoding: chunked\r\n",
];

/// Lines that make it doubtful whom a message is for.
const HOSTS: [&str; 14] = [
    "",
    "host: localhost\r\nhost: localhost\r\n",
    "host: localhost\r\nhost: evil.example\r\n",
    "host: localhost\r\nHost : localhost\r\n",
    "host: evil.example\r\n",
    "host: localhost evil.example\r\n",
    "host: localhost, evil.example\r\n",
    "host: localhost/evil\r\n",
    "host: localhost\\evil\r\n",
    "host: local\0host\r\n",
    "host: \r\n",
    "host: user@evil.example\r\n",
    "host:\r\n localhost\r\n",
    "host: localhost:99999999\r\n",
];

/// First lines that are read in more than one way.
const LINES: [&str; 16] = [
    "POST  /v1/files HTTP/1.1",
    "POST /v1/files  HTTP/1.1",
    "POST\t/v1/files\tHTTP/1.1",
    "POST /v1/files",
    "POST /v1/files HTTP/1.2",
    "POST /v1/files HTTP/2.0",
    "POST /v1/files HTTP/11",
    "POST /v1/files http/1.1",
    "POST /v1/files HTTP/1.1 x",
    "POST http://evil.example/v1/files HTTP/1.1",
    "POST //evil.example/v1/files/../smuggled HTTP/1.1",
    "POST /v1/../smuggled HTTP/1.1",
    "POST /v1/%2e%2e/smuggled HTTP/1.1",
    "POST evil.example:80 HTTP/1.1",
    "CONNECT evil.example:80 HTTP/1.1",
    "P(ST /v1/files HTTP/1.1",
];

/// Chunked bodies that are none.
const CHUNKS: [&str; 24] = [
    "5\r\nhello0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-5\r\nhello\r\n0\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 5\r\nhello\r\n0\r\n\r\n",
    "\r\n5\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
    "10000000000000005\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffe\r\nhello\r\n0\r\n\r\n",
    "g\r\nhello\r\n0\r\n\r\n",
    "\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a\0b\rhello\r\n0\r\n\r\n",
    "5\0\r\nhello\r\n0\r\n\r\n",
    "4\r\nhello\r\n0\r\n\r\n",
    "6\r\nhello\r\n0\r\n\r\n",
    "0\r\nx: \0\r\n\r\n",
    "0\r\nno trailer\r\n\r\n",
    "0\r\n : x\r\n\r\n",
    "0\r\r\n\n",
];

fn requests() -> Vec<String> {
    let ask = ask("first");
    let long = SMUGGLED.len();
    let files = "POST /v1/files HTTP/1.1\r\nhost: localhost\r\n";
    let chat =
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
    let mut requests = Vec::new();
    for line in LENGTHS {
        // Beside a length that covers what is smuggled, before it and behind it.
        requests.push(format!(
            "{files}content-length: {long}\r\n{line}\r\n{SMUGGLED}"
        ));
        requests.push(format!(
            "{files}{line}content-length: {long}\r\n\r\n{SMUGGLED}"
        ));
        let length = format!("content-length: {}\r\n", ask.len());
        requests.push(format!("{chat}{length}{line}\r\n{ask}{SMUGGLED}"));
    }
    for length in [5, 17, 17 + long] {
        // Two lengths, each good for itself.
        let chunked = format!("5\r\nhello\r\n0\r\n\r\n{SMUGGLED}");
        let (length, coding) = (
            format!("content-length: {length}\r\n"),
            "transfer-encoding: chunked\r\n",
        );
        requests.push(format!("{files}{length}{coding}\r\n{chunked}"));
        requests.push(format!("{files}{coding}{length}\r\n{chunked}"));
    }
    for host in HOSTS {
        let line = "POST /v1/files HTTP/1.1\r\n";
        requests.push(format!(
            "{line}{host}content-length: {long}\r\n\r\n{SMUGGLED}"
        ));
    }
    for line in LINES {
        let rest = format!("host: localhost\r\ncontent-length: {long}\r\n\r\n{SMUGGLED}");
        requests.push(format!("{line}\r\n{rest}"));
    }
    for chunks in CHUNKS {
        requests.push(format!(
            "{files}transfer-encoding: chunked\r\n\r\n{chunks}{SMUGGLED}"
        ));
    }
    requests
}

async fn start_impatiently(provider: &Raw) -> SocketAddr {
    let gateway = Gateway::builder(pool([provider.upstream()]))
        .default_upstream(provider.upstream())
        .body_idle_timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new().header_timeout(Duration::from_millis(500));
    tokio::spawn(server.serve(listener, gateway, std::future::pending()));
    address
}

#[tokio::test]
async fn f21_nothing_that_is_smuggled_becomes_a_request() {
    let provider = Raw::json(200, "{}").await;
    let address = start_impatiently(&provider).await;
    let requests = requests();
    assert!(requests.len() >= 150, "{}", requests.len());
    let mut wrong = Vec::new();
    for some in requests.chunks(32) {
        let mut tasks = JoinSet::new();
        for request in some.iter().cloned() {
            tasks.spawn(async move { (raw(address, &request).await, request) });
        }
        for (answers, request) in tasks.join_all().await {
            let answered = answers.matches("HTTP/1.1 ").count();
            if answered > 1 {
                wrong.push(format!("{request:?}: {answers:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} were answered twice:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for seen in provider.seen() {
        assert!(!seen.starts_with("GET"), "{seen}");
        let head = seen.split("\r\n\r\n").next().unwrap().to_lowercase();
        let first = head.lines().next().unwrap();
        assert!(!first.contains("smuggled"), "{seen}");
        let lengths = head.matches("content-length").count();
        let codings = head.matches("transfer-encoding").count();
        assert!(lengths + codings <= 1, "{seen}");
        assert!(
            head.contains(&format!("host: {}", provider.address)),
            "{seen}"
        );
    }
}
