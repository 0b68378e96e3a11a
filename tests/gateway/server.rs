use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};
use tower_outcome::Upstream;
use tower_outcome::gateway::{
    Gateway, Server,
    scripted::{Script, Scripted},
    serve,
};

use crate::support::*;

/// A provider that answers once it may.
async fn held() -> (Raw, Arc<Notify>) {
    let may = Arc::new(Notify::new());
    let answer = answer(200, "", "application/json", "{}");
    let steps = vec![Step::Until(may.clone()), Step::Send(answer)];
    (Raw::start(steps).await, may)
}

#[tokio::test]
async fn f38_a_stopping_server_finishes_what_is_under_way() {
    let (slow, may) = held().await;
    let router = pool([slow.upstream()]);
    let gateway = Gateway::builder(router.clone()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, gateway, async {
        stopped.await.ok();
    }));
    // A connection that is open and idle does not keep it.
    let _idle = TcpStream::connect(address).await.unwrap();
    let call = tokio::spawn(async move { post(address, CHAT, ask("first")).await });
    until("it is under way", async || !slow.seen().is_empty()).await;

    stop.send(()).unwrap();
    closed(address).await;
    may.notify_one();
    assert_eq!(call.await.unwrap().status(), StatusCode::OK);
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    assert_eq!(router.snapshot().pools[0].targets[0].in_flight, 0);
}

#[tokio::test]
async fn f22_other_names_and_web_pages_of_others_are_refused() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]))
        .default_upstream(provider.upstream())
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new().hosts(["llm.example"]);
    tokio::spawn(server.serve(listener, gateway, std::future::pending()));
    for (headers, status) in [
        ("host: evil.example\r\n", "421"),
        ("host: localhost\r\norigin: https://evil.example\r\n", "403"),
        ("host: localhost\r\nsec-fetch-site: cross-site\r\n", "403"),
        ("host: llm.example\r\n", "200"),
    ] {
        let request = format!("POST /v1/files HTTP/1.1\r\nconnection: close\r\n{headers}\r\n");
        let answer = raw(address, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{headers}: {answer}"
        );
    }
    assert_eq!(provider.seen().len(), 1);
}

#[tokio::test]
async fn f23_connections_over_the_limit_wait_for_a_place() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new().max_connections(1);
    tokio::spawn(server.serve(listener, gateway.build().unwrap(), std::future::pending()));
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = tokio::spawn(async move { raw(address, request).await });
    assert!(
        timeout(Duration::from_millis(50), &mut second)
            .await
            .is_err()
    );
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_caller_that_leaves_in_mid_stream_leaves_nothing_open() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let delta = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let mut steps = vec![Step::Send(head.into())];
    for _ in 0..200 {
        steps.extend([Step::Send(delta.into()), Step::Pause(20)]);
    }
    let provider = Raw::start(steps).await;
    let (address, router) = gateway(&[&provider]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = ask("first");
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 64]).await.unwrap();
    assert_eq!(router.snapshot().pools[0].targets[0].in_flight, 1);
    drop(stream);
    let gone = async {
        while router.snapshot().pools[0].targets[0].in_flight > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.unwrap();
    assert_eq!(router.snapshot().pools[0].targets[0].settled(), 1);
}

#[tokio::test]
async fn f38_http2_is_told_to_go_away_and_finishes() {
    let slow = Scripted::start(Script::new().latency(Duration::from_millis(400)));
    let slow = slow.await.unwrap();
    let router = pool([Upstream::new(&slow.base_url()).unwrap()]);
    let gateway = Gateway::builder(router).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, gateway, async {
        stopped.await.ok();
    }));
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://localhost/v1/chat/completions")
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    body.send_data(ask("first").into(), true).unwrap();
    let under_way = async {
        while slow.calls().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), under_way).await.unwrap();
    stop.send(()).unwrap();
    let (parts, mut body) = answer.await.unwrap().into_parts();
    assert_eq!(parts.status, StatusCode::OK);
    while let Some(data) = body.data().await {
        let len = data.unwrap().len();
        body.flow_control().release_capacity(len).unwrap();
    }
    // Nothing more is taken, and without an error the connection ends.
    timeout(Duration::from_secs(5), connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(client.ready().await.is_err());
    timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_server_that_is_about_to_stop_says_so_to_whoever_balances_the_load() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new().notice(Duration::from_secs(2));
    let server = tokio::spawn(server.serve(listener, gateway.build().unwrap(), async {
        stopped.await.ok();
    }));
    let ask = async |path: &str| {
        raw(
            address,
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"),
        )
        .await
    };
    assert!(ask("/readyz").await.starts_with("HTTP/1.1 200"));
    stop.send(()).unwrap();
    until("it says so", async || {
        ask("/readyz").await.starts_with("HTTP/1.1 503")
    })
    .await;
    // It still serves whoever has not heard of it.
    assert!(ask("/healthz").await.starts_with("HTTP/1.1 200"));
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
    closed(address).await;
}

#[tokio::test]
async fn f38_a_kept_connection_is_told_that_it_is_closed() {
    let (slow, may) = held().await;
    let router = pool([slow.upstream()]);
    let gateway = Gateway::builder(router).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, gateway, async {
        stopped.await.ok();
    }));
    let body = ask("first");
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = tokio::spawn(async move { raw(address, request).await });
    until("it is under way", async || !slow.seen().is_empty()).await;
    // Somebody who has connected, but not yet asked, is still heard.
    let mut fresh = TcpStream::connect(address).await.unwrap();
    stop.send(()).unwrap();
    closed(address).await;
    let health = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    fresh.write_all(health).await.unwrap();
    let mut heard = String::new();
    fresh.read_to_string(&mut heard).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    may.notify_one();
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn f38_a_request_that_is_on_its_way_when_it_stops_is_answered_and_is_the_last() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, gateway.build().unwrap(), async {
        stopped.await.ok();
    }));
    let health = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(health).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        assert!(kept.read_buf(&mut answer).await.unwrap() > 0, "it is kept");
    }
    // By then it is no newcomer whose first request is still to come.
    sleep(Duration::from_secs(1)).await;
    stop.send(()).unwrap();
    closed(address).await;
    kept.write_all(health).await.unwrap();
    let mut last = String::new();
    timeout(PATIENCE, kept.read_to_string(&mut last))
        .await
        .unwrap()
        .unwrap();
    assert!(last.starts_with("HTTP/1.1 200"), "{last}");
    assert!(last.contains("connection: close\r\n"), "{last}");
    timeout(PATIENCE, server).await.unwrap().unwrap().unwrap();
}
