use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};
use tower_outcome::{
    Credential, OutcomeRouter, Pool, Target, Upstream,
    gateway::{Gateway, serve},
};

pub(crate) const CHAT: &str = "/v1/chat/completions";
pub(crate) const MESSAGES: &str = "/v1/messages";
/// Longer than anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// One part of a scripted answer.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause(u64),
    /// Waits until it may go on.
    Until(Arc<Notify>),
}

/// A provider that answers every connection's one request with the same bytes.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, steps.clone(), shared.clone()));
            }
        });
        Self { address, seen }
    }

    /// Answers with this status and JSON.
    pub(crate) async fn json(status: u16, body: &str) -> Self {
        Self::start(vec![Step::Send(answer(
            status,
            "",
            "application/json",
            body,
        ))])
        .await
    }

    /// Answers with a stream of events, each sent on its own.
    pub(crate) async fn events(events: &[&str]) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    connection: close\r\n\r\n";
        let mut steps = vec![Step::Send(head.into())];
        for event in events {
            steps.push(Step::Send((*event).into()));
            steps.push(Step::Pause(20));
        }
        Self::start(steps).await
    }

    pub(crate) fn upstream(&self) -> Upstream {
        Upstream::new(&format!("http://{}/v1", self.address)).unwrap()
    }

    /// The requests so far, head and body, as they came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

pub(crate) fn answer(status: u16, headers: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\n{headers}\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

async fn converse(mut stream: TcpStream, steps: Vec<Step>, seen: Arc<Mutex<Vec<String>>>) {
    let request = read_request(&mut stream).await;
    if request.is_empty() {
        return;
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&request).into_owned());
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::Pause(millis) => sleep(Duration::from_millis(millis)).await,
            Step::Until(told) => told.notified().await,
        }
    }
}

/// Reads one request, framed by its length.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return request;
            }
        }
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return request;
        }
    }
}

/// Waits until something is so, for as long as nothing here should take.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let so = timeout(PATIENCE, so).await;
    assert!(so.is_ok(), "not so: {what}");
}

/// Waits until nobody listens there any more. Asked once, a system may connect a socket to itself.
pub(crate) async fn closed(address: SocketAddr) {
    until("it listens no more", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

/// A pool of models `first`, `second`, ... at these upstreams.
pub(crate) fn pool(upstreams: impl IntoIterator<Item = Upstream>) -> OutcomeRouter {
    let names = ["first", "second", "third"];
    let pool = names.into_iter().zip(upstreams).fold(
        Pool::new("chat").alias("nickname"),
        |pool, (name, upstream)| pool.target(Target::new(name).upstream(upstream)),
    );
    OutcomeRouter::builder().pool(pool).seed(1).build().unwrap()
}

pub(crate) fn credential(secret: &str) -> Credential {
    Credential::new(secret).unwrap()
}

/// Serves on a free port.
pub(crate) async fn start(gateway: Gateway) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, gateway, std::future::pending()));
    address
}

/// Serves a pool over these providers on a free port.
pub(crate) async fn gateway(providers: &[&Raw]) -> (SocketAddr, OutcomeRouter) {
    let router = pool(providers.iter().map(|provider| provider.upstream()));
    let gateway = Gateway::builder(router.clone()).build().unwrap();
    (start(gateway).await, router)
}

pub(crate) fn ask(model: &str) -> String {
    serde_json::json!({ "model": model, "messages": [] }).to_string()
}

pub(crate) type HttpClient = Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> HttpClient {
    Client::builder(TokioExecutor::new()).build_http()
}

/// Posts JSON, and reads the whole answer.
pub(crate) async fn post(
    address: SocketAddr,
    path: &str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let request =
        Request::post(format!("http://{address}{path}")).header("content-type", "application/json");
    send(request.body(Full::new(body.into())).unwrap()).await
}

/// Gets a text, whatever the status.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let request = Request::get(format!("http://{address}{path}"));
    let answer = send(request.body(Full::default()).unwrap()).await;
    String::from_utf8(answer.into_body().into()).unwrap()
}

pub(crate) async fn send(request: Request<Full<Bytes>>) -> Response<Bytes> {
    let exchange = async {
        let (parts, body) = client().request(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    };
    timeout(PATIENCE, exchange).await.unwrap()
}

/// Sends bytes on a connection of their own, and reads until it is closed.
pub(crate) async fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may refuse before it has read everything.
        let _ = stream.write_all(request.as_ref()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(PATIENCE, exchange).await.unwrap()
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The message of an error answer, which must be in the dialect of the path.
pub(crate) fn error(path: &str, response: &Response<Bytes>) -> (StatusCode, String) {
    assert_eq!(text(response.headers(), "content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["type"] == "error", path == MESSAGES, "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    (response.status(), message.to_owned())
}
