use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::json;
use tokio::{
    sync::{Semaphore, mpsc::UnboundedSender},
    time::{Instant, MissedTickBehavior, interval},
};

use crate::router::OutcomeId;

/// More would be no demonstration, but an attack.
const AT_A_TIME: usize = 256;
const MAX_ANSWER: usize = 1024 * 1024;

/// What is asked, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) model: &'static str,
    pub(super) tasks: &'static [&'static str],
    pub(super) stream: bool,
    pub(super) per_second: u32,
}

/// What a caller saw.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) asked: &'static str,
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) status: Option<StatusCode>,
    pub(super) model: String,
    pub(super) reason: String,
    pub(super) attempts: u32,
    pub(super) id: Option<OutcomeId>,
}

/// Sends requests at a steady rate.
pub(super) async fn send(address: SocketAddr, asking: Asking, answers: UnboundedSender<Answer>) {
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build_http();
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tick = interval(Duration::from_secs(1) / asking.per_second.max(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for task in asking.tasks.iter().cycle() {
        tick.tick().await;
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (client, answers) = (client.clone(), answers.clone());
        tokio::spawn(async move {
            let _ = answers.send(ask(&client, address, asking, task).await);
            drop(place);
        });
    }
}

async fn ask(
    client: &Client<HttpConnector, Body>,
    address: SocketAddr,
    asking: Asking,
    task: &str,
) -> Answer {
    let at = Instant::now();
    let body = json!({
        "model": asking.model,
        "messages": [{ "role": "user", "content": "Hello!" }],
        "stream": asking.stream,
    });
    let request = Request::post(format!("http://{address}/v1/chat/completions"))
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-outcome-task", task)
        .body(Body::from(body.to_string()));
    let mut answer = Answer {
        asked: asking.model,
        at,
        took: Duration::ZERO,
        status: None,
        model: String::new(),
        reason: String::new(),
        attempts: 0,
        id: None,
    };
    let Ok(request) = request else { return answer };
    if let Ok(response) = client.request(request).await {
        let (parts, body) = response.into_parts();
        let whole = axum::body::to_bytes(Body::new(body), MAX_ANSWER).await;
        answer.status = whole.is_ok().then_some(parts.status);
        answer.model = text(&parts.headers, "x-outcome-model");
        answer.reason = text(&parts.headers, "x-outcome-reason");
        answer.attempts = text(&parts.headers, "x-outcome-attempts")
            .parse()
            .unwrap_or_default();
        answer.id = text(&parts.headers, "x-outcome-id").parse().ok();
    }
    answer.took = at.elapsed();
    answer
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}
