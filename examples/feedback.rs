//! Reported scores move traffic, task by task: the cheap model greets well, but does not translate.
//!
//! `cargo run --example feedback`

#![allow(clippy::print_stdout, reason = "an example")]

use std::{error::Error, net::SocketAddr, sync::Arc};

use axum::{Router, body::Bytes as Body, routing::post};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_outcome::{
    Decision, Explain, FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, Routed, Score, Task,
};

const ROUNDS: usize = 4;
const CALLS: usize = 40;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let base = provider().await?;
    let router = OutcomeRouter::builder().model("small").model("large");
    let router = router.build()?;
    let mut client = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .service(Client::builder(TokioExecutor::new()).build_http::<_>());

    println!("answered by the small model:");
    let mut last = None;
    for round in 1..=ROUNDS {
        let mut small = [0, 0];
        for _ in 0..CALLS {
            for (task, small) in ["greet", "translate"].into_iter().zip(&mut small) {
                let body = format!(
                    r#"{{"model":"small","messages":[{{"role":"user","content":"{task}"}}]}}"#
                );
                let request = Request::post(format!("{base}/chat/completions"))
                    .header("content-type", "application/json")
                    .extension(Task::new(task))
                    .extension(Explain)
                    .body(Full::new(Bytes::from(body)))?;
                let (parts, body) = client.ready().await?.call(request).await?.into_parts();
                let answer = body.collect().await?.to_bytes();
                let routed = parts.extensions.get::<Routed>().ok_or("unrouted")?;
                *small += u32::from(routed.model() == "small");
                // Yours will ask a parser, a test, a second model, or the user.
                let good = String::from_utf8_lossy(&answer).contains("Guten Tag");
                let score = if good { Score::BEST } else { Score::WORST };
                router.report(routed.outcome_id(), score)?;
                last = parts.extensions.get::<Arc<Decision>>().cloned();
            }
        }
        let [greet, translate] = small;
        println!("  round {round}: greet {greet} of {CALLS}, translate {translate} of {CALLS}");
    }
    if let Some(decision) = last {
        println!("the last decision, to translate:\n{decision}");
    }
    Ok(())
}

/// A provider on loopback, whose `small` model answers, but does not translate.
async fn provider() -> std::io::Result<String> {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let answer = async |body: Body| {
        let request = String::from_utf8_lossy(&body);
        let at_a_loss = request.contains("small") && request.contains("translate");
        let text = if at_a_loss { "Good day" } else { "Guten Tag" };
        let message = format!(r#"{{"role":"assistant","content":"{text}"}}"#);
        let answer =
            format!(r#"{{"choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}]}}"#);
        ([("content-type", "application/json")], answer)
    };
    let app = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/v1"))
}
