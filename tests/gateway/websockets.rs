use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};
use tower::ServiceExt;
use tower_outcome::{
    Class, OutcomeRouter, Upstream,
    config::Timeouts,
    gateway::{Gateway, serve},
};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const SWITCHES: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                        connection: Upgrade\r\nsec-websocket-accept: yes\r\n\
                        sec-websocket-protocol: realtime\r\nset-cookie: a=b\r\n\r\n";

/// What a provider does once it has agreed.
#[derive(Clone, Copy, Debug)]
enum Then {
    Echo,
    /// Sends as much as is taken.
    Flood,
    /// Says something, and breaks the connection off.
    Break,
    Silence,
}

/// A provider of websockets.
struct Provider {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// How many bytes were taken of the flood.
    taken: Arc<Mutex<usize>>,
}

impl Provider {
    async fn start(then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let provider = Self {
            address,
            heads: Arc::default(),
            taken: Arc::default(),
        };
        let (heads, taken) = (provider.heads.clone(), provider.taken.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (heads, taken) = (heads.clone(), taken.clone());
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    heads.lock().unwrap().push(head);
                    stream.write_all(SWITCHES.as_bytes()).await.unwrap();
                    converse(stream, then, &taken).await;
                });
            }
        });
        provider
    }

    fn upstream(&self) -> Upstream {
        Upstream::new(&format!("http://{}/v1", self.address)).unwrap()
    }

    fn head(&self) -> String {
        self.heads.lock().unwrap().first().unwrap().clone()
    }
}

async fn converse(mut stream: TcpStream, then: Then, taken: &Mutex<usize>) {
    let mut buffer = vec![0; 64 * 1024];
    match then {
        Then::Echo => {
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.unwrap();
            }
        }
        Then::Flood => {
            while let Ok(written) = stream.write(&buffer).await {
                *taken.lock().unwrap() += written;
            }
        }
        Then::Break => {
            stream.write_all(b"so").await.unwrap();
            sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger().unwrap();
        }
        Then::Silence => {
            let _ = stream.read(&mut buffer).await;
        }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            timeout(5 * SECOND, stream.read_u8())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    String::from_utf8(head).unwrap()
}

/// Asks for a websocket, and returns the head of the answer.
async fn ask_for(address: SocketAddr, target: &str, more: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: keep-alive, Upgrade\r\n\
         upgrade: WebSocket\r\nsec-websocket-key: key\r\nsec-websocket-version: 13\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_head(&mut stream).await;
    (stream, answer)
}

async fn echoed(stream: &mut TcpStream, text: &[u8]) {
    stream.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    let read = stream.read_exact(&mut back);
    timeout(5 * SECOND, read).await.unwrap().unwrap();
    assert_eq!(back, text);
}

/// Waits for the end of the attempt, and returns how many there were and how many ended well.
async fn settled(router: &OutcomeRouter) -> (u64, u64) {
    let over = async {
        loop {
            let target = router.snapshot().pools[0].targets[0].clone();
            if target.in_flight == 0 && target.settled() > 0 {
                return (target.settled(), target.outcomes_of(Class::Success));
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(5 * SECOND, over).await.unwrap()
}

fn gateway_to(upstream: Upstream, idle: Duration) -> (Gateway, OutcomeRouter) {
    let router = pool([upstream.credential(credential("own"))]);
    let timeouts = Timeouts {
        idle,
        ..Timeouts::default()
    };
    let gateway = Gateway::builder(router.clone()).timeouts(timeouts);
    (gateway.build().unwrap(), router)
}

#[tokio::test]
async fn a_websocket_goes_to_the_target_of_its_model_and_settles_at_its_end() {
    let provider = Provider::start(Then::Echo).await;
    let (gateway, router) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway).await;
    let more = "authorization: Bearer canary\r\ncookie: canary\r\nopenai-beta: realtime=v1\r\n\
                sec-websocket-protocol: realtime, openai-insecure-api-key.canary\r\n";
    let (mut stream, answer) = ask_for(address, "/v1/realtime?model=chat&key=canary", more).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: yes",
        "sec-websocket-protocol: realtime",
        "x-outcome-model: first",
        "x-outcome-requested-model: chat",
    ] {
        assert!(answer.contains(&format!("{line}\r\n")), "{line}: {answer}");
    }
    assert!(!answer.contains("set-cookie"), "{answer}");
    let head = provider.head().to_lowercase();
    assert!(
        head.starts_with("get /v1/realtime?model=first http/1.1\r\n"),
        "{head}"
    );
    for line in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-key: key",
        "sec-websocket-protocol: realtime",
        "openai-beta: realtime=v1",
        "authorization: bearer own",
    ] {
        assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    assert!(!head.contains("canary"), "{head}");

    echoed(&mut stream, b"frame").await;
    echoed(&mut stream, &[7; 1000]).await;
    assert_eq!(router.snapshot().pools[0].targets[0].in_flight, 1);
    drop(stream);
    assert_eq!(settled(&router).await, (1, 1));
}

#[tokio::test]
async fn what_no_pool_serves_goes_to_the_default_upstream_if_there_is_one() {
    let provider = Provider::start(Then::Echo).await;
    let router = pool([provider.upstream()]);
    let gateway = Gateway::builder(router.clone());
    let address = start(gateway.build().unwrap()).await;
    for target in ["/v1/realtime?model=gpt-99", "/v1/realtime"] {
        let (_, answer) = ask_for(address, target, "").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    let upstream = provider.upstream().credential(credential("own"));
    let gateway = Gateway::builder(router.clone()).default_upstream(upstream);
    let address = start(gateway.build().unwrap()).await;
    let (mut stream, answer) = ask_for(address, "/v1/realtime?model=gpt-99", "").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    echoed(&mut stream, b"hello").await;
    let head = provider.head().to_lowercase();
    assert!(
        head.contains("model=gpt-99") && head.contains("bearer own"),
        "{head}"
    );
    assert_eq!(router.snapshot().pools[0].targets[0].picks, 0);
    let (_, answer) = ask_for(address, "/v1/%2e%2e/realtime", "").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_declines_is_passed_on_and_counts() {
    let provider = Raw::json(503, "{\"error\":{\"message\":\"not now\"}}").await;
    let (gateway, router) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway).await;
    let (mut stream, answer) = ask_for(address, "/v1/realtime?model=first", "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let mut body = vec![0; 30];
    stream.read_exact(&mut body).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("not now"));
    assert_eq!(settled(&router).await, (1, 0));
    // One attempt: what is said in a websocket cannot be said again.
    assert_eq!(provider.seen().len(), 1);

    let nobody = Upstream::new("http://127.0.0.1:1/v1").unwrap();
    let (gateway, router) = gateway_to(nobody, 60 * SECOND);
    let address = start(gateway).await;
    let (_, answer) = ask_for(address, "/v1/realtime?model=first", "").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(settled(&router).await, (1, 0));
}

#[tokio::test]
async fn a_tunnel_that_breaks_counts_and_one_that_is_silent_ends() {
    let provider = Provider::start(Then::Break).await;
    let (gateway, router) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway).await;
    let (mut stream, _) = ask_for(address, "/v1/realtime?model=first", "").await;
    let mut said = Vec::new();
    let _ = timeout(5 * SECOND, stream.read_to_end(&mut said))
        .await
        .unwrap();
    assert_eq!(said, b"so");
    drop(stream);
    assert_eq!(settled(&router).await, (1, 0));

    let provider = Provider::start(Then::Silence).await;
    let (gateway, _) = gateway_to(provider.upstream(), Duration::from_millis(200));
    let address = start(gateway).await;
    let (mut stream, answer) = ask_for(address, "/v1/realtime?model=first", "").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let closed = timeout(5 * SECOND, stream.read(&mut [0; 8])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn f24_a_tunnel_reads_no_more_than_is_taken() {
    let provider = Provider::start(Then::Flood).await;
    let (gateway, _) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway).await;
    let (_stream, _) = ask_for(address, "/v1/realtime?model=first", "").await;
    let mut before = usize::MAX;
    let stalled = async {
        loop {
            sleep(Duration::from_millis(300)).await;
            let taken = *provider.taken.lock().unwrap();
            if taken == before {
                return taken;
            }
            before = taken;
        }
    };
    let taken = timeout(20 * SECOND, stalled).await.unwrap();
    // What the sockets of the system hold, on both ways.
    assert!(taken < 32 << 20, "{taken}");
}

#[tokio::test]
async fn f22_web_pages_of_others_get_no_websocket() {
    let provider = Provider::start(Then::Echo).await;
    let (gateway, _) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway).await;
    let origin = "origin: https://evil.example\r\n";
    let (_, answer) = ask_for(address, "/v1/realtime?model=first", origin).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let origin = "origin: http://localhost:3000\r\n";
    let (_, answer) = ask_for(address, "/v1/realtime?model=first", origin).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
}

#[tokio::test]
async fn f21_other_upgrades_are_not_heard() {
    let provider = Raw::json(200, "{}").await;
    let gateway = Gateway::builder(pool([provider.upstream()]));
    let gateway = gateway.default_upstream(provider.upstream());
    let address = start(gateway.build().unwrap()).await;
    for (line, upgrade) in [
        (
            "GET /v1/files",
            "upgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
        ),
        ("POST /v1/files", "upgrade: websocket\r\n"),
        (
            "GET /v1/files",
            "upgrade: websocket\r\ncontent-length: 3\r\n",
        ),
    ] {
        let request = format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, http2-settings, close\r\n\
             {upgrade}\r\nabc"
        );
        let answer = raw(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = provider.seen().pop().unwrap();
        assert!(
            !seen.contains("upgrade") && !seen.contains("http2-settings"),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn f38_a_stopping_server_waits_for_its_tunnels() {
    let provider = Provider::start(Then::Echo).await;
    let (gateway, router) = gateway_to(provider.upstream(), 60 * SECOND);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server = tokio::spawn(serve(listener, gateway, async {
        stopped.await.ok();
    }));
    let (mut stream, _) = ask_for(address, "/v1/realtime?model=first", "").await;
    echoed(&mut stream, b"before").await;
    stop.send(()).unwrap();
    assert!(timeout(SECOND / 5, &mut server).await.is_err());
    echoed(&mut stream, b"while it stops").await;
    drop(stream);
    timeout(5 * SECOND, server).await.unwrap().unwrap().unwrap();
    assert_eq!(settled(&router).await, (1, 1));
}

#[tokio::test]
async fn websockets_over_http2_are_not_offered_and_refused_clearly() {
    let provider = Provider::start(Then::Echo).await;
    let (gateway, _) = gateway_to(provider.upstream(), 60 * SECOND);
    let address = start(gateway.clone()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let health = http::Request::get("http://localhost/healthz");
    let (answer, _) = client.send_request(health.body(()).unwrap(), true).unwrap();
    assert_eq!(
        timeout(5 * SECOND, answer).await.unwrap().unwrap().status(),
        200
    );
    assert!(!client.is_extended_connect_protocol_enabled());
    // Behind a server that offers them.
    let request = http::Request::builder()
        .method("CONNECT")
        .uri("http://localhost/v1/realtime?model=first")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(axum::body::Body::empty())
        .unwrap();
    let refused = gateway.oneshot(request).await.unwrap();
    assert_eq!(refused.status(), 501);
}
