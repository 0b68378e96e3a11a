//! The gateway, mounted under a path of an axum application of your own.
//!
//! `cargo run --features gateway --example axum_gateway`

#![allow(clippy::print_stdout, reason = "an example")]

#[path = "support/provider.rs"]
mod provider;

use std::error::Error;

use axum::{Router, extract::Request, middleware, routing::get};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;
use tower_outcome::{
    Credential, OutcomeRouter, Pool, Target, Task, Upstream,
    gateway::{Gateway, serve},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let base = provider::start().await?;

    // The key stays here: callers need none, and theirs goes nowhere.
    let upstream = Upstream::new(&base)?.credential(Credential::new("key")?);
    let pool = Pool::new("chat")
        .target(Target::new("gpt-4o").upstream(upstream.clone()))
        .target(Target::new("gpt-4o-mini").upstream(upstream));
    let router = OutcomeRouter::builder().pool(pool).build()?;
    let gateway = Gateway::builder(router).build()?;

    // Middleware of yours may give hints, and ask who the caller is.
    let llm = gateway
        .into_router()
        .layer(middleware::map_request(async |mut request: Request| {
            request.extensions_mut().insert(Task::new("greeting"));
            request
        }));
    let app = Router::new()
        .route("/", get(|| async { "my application" }))
        .nest("/llm", llm);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // Yours will rather stop on `gateway::shutdown_signal()`.
    tokio::spawn(serve(listener, app, std::future::pending()));

    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    for turn in 1..=2 {
        let body = r#"{"model":"chat","messages":[{"role":"user","content":"Hello"}]}"#;
        let request = http::Request::post(format!("http://{address}/llm/v1/chat/completions"))
            .header("content-type", "application/json")
            .body(body.into())?;
        let (parts, body) = client.request(request).await?.into_parts();
        println!("turn {turn}: {}", parts.status);
        for (name, value) in &parts.headers {
            if name.as_str().starts_with("x-outcome-") {
                println!("  {name}: {}", value.to_str()?);
            }
        }
        println!(
            "  {}",
            String::from_utf8_lossy(&body.collect().await?.to_bytes())
        );
    }
    Ok(())
}
