//! The stack around real clients, talking to a real server on loopback.

use axum::{
    Router,
    body::Body as AxumBody,
    error_handling::HandleError,
    extract::State,
    response::{IntoResponse, Response as AxumResponse},
    routing::post,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn, timeout::TimeoutLayer};
use tower_outcome::{
    FailoverLayer, OutcomeRouter, OutcomeRouting, OutcomeRoutingLayer, Pool, RequestBody, Routed,
    Target, Upstream, failover::Failover,
};

use super::server::Server;
use crate::support::*;

type Sent<B> = RequestBody<RequestBody<B>>;
type HyperClient<B> = Client<HttpConnector, Sent<B>>;
type HyperStack<B> = Failover<OutcomeRouting<tower::timeout::Timeout<HyperClient<B>>>>;

fn hyper_client<B>() -> HyperClient<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

fn hyper_stack<B>(router: &OutcomeRouter) -> HyperStack<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError> + Send,
{
    ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(TimeoutLayer::new(seconds(5.0)))
        .service(hyper_client())
}

/// Refuses the first request, answers the second at once and the third as a stream.
async fn server() -> Server {
    Server::start(|number| match number {
        0 => status(429, &[("retry-after", "60")]),
        1 => good(),
        _ => good_stream(),
    })
    .await
}

#[tokio::test]
async fn with_a_hyper_client() {
    let (router, server) = (three(), server().await);
    let stack = hyper_stack(&router);
    let url = server.url("/v1/chat/completions");
    for stream in [false, true] {
        let body = Full::new(Bytes::from(chat_body("a")));
        let answer = stack.clone().oneshot(upload(&url, body)).await.unwrap();
        assert_eq!(answer.status(), 200);
        let routed = answer.extensions().get::<Routed>().unwrap();
        assert_eq!((routed.requested_model(), routed.model()), ("a", "b"));
        let body = text(answer.into_body()).await;
        assert_eq!(body.ends_with("data: [DONE]\n\n"), stream);
    }
    assert_eq!(server.models(), ["a", "b", "b"]);
    assert_account(&router, &[("rate_limited", 1), ("success", 2)]);
    let call = tokio::spawn(stack.oneshot(upload(&url, Full::default())));
    assert!(call.await.unwrap().is_ok());
}

#[tokio::test]
async fn f18_trailers_survive_and_lengths_are_true_on_the_wire() {
    for trailers in [false, true] {
        let router = three();
        let server = Server::start(|_| good()).await;
        let (first, second) = (r#"{"model":"a","#, r#""x":1}"#);
        let mut steps = vec![
            Step::data(first),
            Step::Wait(seconds(0.01)),
            Step::data(second),
        ];
        if trailers {
            steps.push(Step::trailer("x-sum", "7"));
        }
        let url = server.url("/v1/chat/completions");
        let mut request = upload(&url, Frames::new(steps).unsized_());
        let headers = request.headers_mut();
        headers.insert(header::TRANSFER_ENCODING, "chunked".parse().unwrap());
        headers.insert(header::TRAILER, "x-sum".parse().unwrap());
        let answer = hyper_stack(&router).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        let arrived = server.arrived().remove(0);
        assert_eq!(arrived.body, [first, second].concat());
        let head = &arrived.head.headers;
        assert_eq!(head.contains_key(header::CONTENT_LENGTH), !trailers);
        assert_eq!(head.contains_key(header::TRANSFER_ENCODING), trailers);
        let sum = arrived.trailers.map(|trailers| trailers["x-sum"].clone());
        assert_eq!(sum.is_some(), trailers);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_failed_over() {
    let server = Server::start(|_| good()).await;
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let gone = format!("http://{address}/v1");
    let pool = Pool::new("pool")
        .target(Target::new("a").upstream(Upstream::new(&gone).unwrap()))
        .target(Target::new("b").upstream(Upstream::new(&server.url("/base")).unwrap()));
    let router = OutcomeRouter::builder().pool(pool).build().unwrap();
    let body = Full::new(Bytes::from(chat_body("a")));
    let request = upload("http://nowhere.invalid/v1/chat/completions", body);
    let answer = hyper_stack(&router).oneshot(request).await.unwrap();
    assert_eq!(text(answer.into_body()).await, GOOD);
    let arrived = server.arrived().remove(0);
    assert_eq!(arrived.head.uri.path(), "/base/chat/completions");
    assert_eq!(arrived.model(), "b");
    assert_account(&router, &[("server_error", 1), ("success", 1)]);
}

#[tokio::test]
async fn with_a_reqwest_client() {
    let (router, server) = (three(), server().await);
    let client = reqwest::Client::new();
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(service_fn(move |request: Request<Sent<reqwest::Body>>| {
            let client = client.clone();
            async move {
                let request = request.map(reqwest::Body::wrap).try_into()?;
                let answer = client.execute(request).await?;
                Ok::<_, reqwest::Error>(Response::<reqwest::Body>::from(answer))
            }
        }));
    through_reqwest(stack, &router, &server).await;
}

#[tokio::test]
async fn with_a_reqwest_client_as_a_tower_service() {
    let (router, server) = (three(), server().await);
    let stack = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .map_response(Response::<reqwest::Body>::from)
        .filter(|request: Request<Sent<reqwest::Body>>| {
            reqwest::Request::try_from(request.map(reqwest::Body::wrap))
        })
        .service(reqwest::Client::new());
    through_reqwest(stack, &router, &server).await;
}

async fn through_reqwest<S, R>(stack: S, router: &OutcomeRouter, server: &Server)
where
    S: Service<Request<reqwest::Body>, Response = Response<R>, Error: std::fmt::Debug>,
    S: Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    let url = server.url("/v1/chat/completions");
    for _ in 0..2 {
        let request = upload(&url, reqwest::Body::from(chat_body("a")));
        let stack = stack.clone();
        let answer = tokio::spawn(async move { stack.oneshot(request).await.unwrap() });
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!read(answer.into_body()).await.0.is_empty());
    }
    assert_eq!(server.models(), ["a", "b", "b"]);
    assert_account(router, &[("rate_limited", 1), ("success", 2)]);
}

/// Two targets at one upstream.
fn at(server: &Server) -> OutcomeRouter {
    let upstream = Upstream::new(&server.url("/v1")).unwrap();
    let target = |model: &str| Target::new(model).upstream(upstream.clone());
    let pool = Pool::new("pool").target(target("a")).target(target("b"));
    OutcomeRouter::builder().pool(pool).build().unwrap()
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/v1/chat/completions")
}

async fn through_axum(url: &str, router: &OutcomeRouter, server: &Server) {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    for _ in 0..2 {
        let body = Full::new(Bytes::from(chat_body("a")));
        let answer = client.request(upload(url, body)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.collect().await.unwrap().to_bytes().is_empty());
    }
    assert_eq!(server.models(), ["a", "b", "b"]);
    assert_account(router, &[("rate_limited", 1), ("success", 2)]);
}

#[tokio::test]
async fn as_a_route_of_axum() {
    let server = server().await;
    let router = at(&server);
    let stack = HandleError::new(hyper_stack::<AxumBody>(&router), |_: BoxError| async {
        StatusCode::BAD_GATEWAY
    });
    let app = Router::new().route_service("/v1/chat/completions", stack);
    through_axum(&serve(app).await, &router, &server).await;
}

async fn handler(
    State(client): State<HyperStack<AxumBody>>,
    request: Request<AxumBody>,
) -> AxumResponse {
    match client.oneshot(request).await {
        Ok(answer) => answer.into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

#[tokio::test]
async fn in_the_client_of_a_handler_of_axum() {
    let server = server().await;
    let router = at(&server);
    let app = Router::new().route("/v1/chat/completions", post(handler));
    let app = app.with_state(hyper_stack(&router));
    through_axum(&serve(app).await, &router, &server).await;
}
