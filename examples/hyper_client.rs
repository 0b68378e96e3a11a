//! A hyper-util client whose requests go to the model most likely to answer.
//!
//! `cargo run --example hyper_client`

#![allow(clippy::print_stdout, reason = "an example")]

#[path = "support/provider.rs"]
mod provider;

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer};
use tower_outcome::{FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, Routed, Score, Task};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let base = provider::start().await?;

    // Declared order is preference.
    let router = OutcomeRouter::builder()
        .model("gpt-4o")
        .model("gpt-4o-mini")
        .build()?;
    let mut client = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()).deadline(Duration::from_secs(120)))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(TimeoutLayer::new(Duration::from_secs(60)))
        .service(Client::builder(TokioExecutor::new()).build_http());

    for turn in 1..=3 {
        let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}"#;
        let request = Request::post(format!("{base}/chat/completions"))
            .header("content-type", "application/json")
            .extension(Task::new("greeting"))
            .body(Full::new(Bytes::from(body)))?;
        let response = client.ready().await?.call(request).await?;

        let status = response.status();
        let routed = response.extensions().get::<Routed>().cloned();
        let answer = response.into_body().collect().await?.to_bytes();
        println!("turn {turn}: {status}, {} bytes", answer.len());
        if let Some(routed) = routed {
            let (model, attempt, reason) = (routed.model(), routed.attempt(), routed.reason());
            println!(
                "  asked for {}, served by {model}, attempt {attempt}",
                routed.requested_model()
            );
            println!("  because: {reason}");
            // Tell the router how good the answer was, now or later.
            router.report(routed.outcome_id(), Score::new(0.9)?)?;
        }
    }
    Ok(())
}
