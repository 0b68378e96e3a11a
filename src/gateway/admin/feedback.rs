use std::sync::Arc;

use axum::{body::Body, extract::State, response::Response};
use serde::Deserialize;
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, json_response, read_json},
};
use crate::router::{OutcomeId, Score};

/// How good an answer was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feedback {
    id: String,
    score: Option<f64>,
    success: Option<bool>,
    /// Taken, so that callers may give one, and neither kept nor logged.
    #[allow(dead_code, reason = "what a person writes is nobody's business here")]
    reason: Option<serde::de::IgnoredAny>,
}

pub(super) async fn feedback(
    State(shared): State<Arc<Shared>>,
    body: Body,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    let feedback: Feedback = read_json(body).await?;
    let id: OutcomeId = feedback
        .id
        .parse()
        .map_err(|error| Failure::bad(format!("id: {error}")))?;
    let score = match (feedback.score, feedback.success) {
        (Some(score), None) => {
            Score::new(score).map_err(|error| Failure::bad(format!("score: {error}")))?
        }
        (None, Some(true)) => Score::BEST,
        (None, Some(false)) => Score::WORST,
        _ => return Err(Failure::bad("either score or success is needed")),
    };
    router
        .report(id, score)
        .map_err(|error| Failure::not_found(error.to_string()))?;
    Ok(json_response(&json!({ "taken": true })))
}
