//! A reqwest client whose requests go to the model most likely to answer.
//!
//! reqwest's client is a tower service of its own request type; two lines of mapping make it one of
//! `http::Request`.
//!
//! `cargo run --example reqwest_client --features reqwest`

#![allow(clippy::print_stdout, reason = "an example")]

#[path = "support/provider.rs"]
mod provider;

use std::error::Error;

use http::{Request, Response};
use http_body_util::BodyExt;
use reqwest::{Body, Client};
use tower::{Service, ServiceBuilder, ServiceExt, util::MapResponseLayer};
use tower_outcome::{FailoverLayer, OutcomeRouter, OutcomeRoutingLayer, RequestBody, Routed};

type Outgoing = Request<RequestBody<RequestBody<Body>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let base = provider::start().await?;

    let router = OutcomeRouter::builder()
        .model("gpt-4o")
        .model("gpt-4o-mini")
        .build()?;
    let mut client = ServiceBuilder::new()
        .layer(FailoverLayer::new(router.clone()))
        .layer(OutcomeRoutingLayer::new(router.clone()))
        .layer(MapResponseLayer::new(Response::<Body>::from))
        .filter(|request: Outgoing| reqwest::Request::try_from(request.map(Body::wrap)))
        .service(Client::new());

    let body = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}"#;
    let request = Request::post(format!("{base}/chat/completions"))
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    let response = client.ready().await?.call(request).await?;

    println!("{}", response.status());
    if let Some(routed) = response.extensions().get::<Routed>() {
        println!(
            "asked for {}, served by {}",
            routed.requested_model(),
            routed.model()
        );
        println!("because: {}", routed.reason());
    }
    let answer = response.into_body().collect().await?.to_bytes();
    println!("{}", String::from_utf8_lossy(&answer));

    for target in router.snapshot().targets() {
        println!(
            "{}: {:?}, rate limited for {:?} s",
            target.name, target.outcomes, target.rate_limited_s
        );
    }
    Ok(())
}
