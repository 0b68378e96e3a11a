use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::Request;

use super::{Shared, answer::Failure};
use crate::gateway::feedback::{self, ResponseIds, Scope};

/// Takes in scores, of answers to anybody.
pub(super) async fn feedback(
    State(shared): State<Arc<Shared>>,
    request: Request<axum::body::Body>,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    let (parts, body) = request.into_parts();
    let body = match feedback::receive(&parts, body).await {
        Ok(body) => body,
        Err(refusal) => return Ok(*refusal),
    };
    let ids = match &shared.gateway {
        Some(gateway) => gateway.responses(),
        None => ResponseIds::default(),
    };
    Ok(feedback::take(&router, &ids, &Scope::All, &body))
}
