use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use crate::support::*;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Arrived {
    pub(crate) fn model(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        body["model"].as_str().unwrap().to_owned()
    }
}

/// A scripted provider on loopback.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    /// Answers by the number of the request.
    pub(crate) async fn start(
        script: impl Fn(usize) -> Response<Frames> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
        };
        let (arrived, script) = (server.arrived.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (arrived, script) = (arrived.clone(), script.clone());
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        answer(request, arrived.clone(), script.clone())
                    });
                    let connection = auto::Builder::new(TokioExecutor::new());
                    let _ = connection
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    pub(crate) fn models(&self) -> Vec<String> {
        self.arrived().iter().map(Arrived::model).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    script: Arc<impl Fn(usize) -> Response<Frames>>,
) -> Result<Response<Frames>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let body = body.to_bytes();
    let mut arrived = arrived.lock().unwrap();
    arrived.push(Arrived {
        head,
        body,
        trailers,
    });
    Ok(script(arrived.len() - 1))
}
