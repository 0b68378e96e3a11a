use std::time::Duration;

use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tower_outcome::Upstream;
use tower_outcome::gateway::{
    Gateway,
    scripted::{Script, Scripted},
    serve,
};

use crate::support::*;

#[tokio::test]
async fn f38_a_stopping_server_finishes_what_is_under_way() {
    let slow = Scripted::start(Script::new().latency(Duration::from_millis(400)))
        .await
        .unwrap();
    let router = pool([Upstream::new(&slow.base_url()).unwrap()]);
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
    sleep(Duration::from_millis(150)).await;

    let begin = Instant::now();
    stop.send(()).unwrap();
    sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(call.await.unwrap().status(), StatusCode::OK);
    timeout(Duration::from_secs(5), server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(router.snapshot().pools[0].targets[0].in_flight, 0);
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
        "POST {CHAT} HTTP/1.1\r\nhost: g\r\ncontent-type: application/json\r\n\
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
