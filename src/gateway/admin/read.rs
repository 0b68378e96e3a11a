use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderValue, header};
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, json_response},
};

pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    Ok(json_response(&shared.router()?.snapshot()))
}

pub(super) async fn view(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let view = shared.watch.view();
    let view = view.ok_or_else(|| Failure::unavailable("no router is followed yet"))?;
    Ok(json_response(&view))
}

pub(super) async fn history(State(shared): State<Arc<Shared>>) -> Response {
    json_response(&shared.watch.history())
}

pub(super) async fn decisions(State(shared): State<Arc<Shared>>) -> Response {
    let kept = shared.watch.decisions();
    let left: Vec<_> = kept.iter().map(|kept| &kept.left).collect();
    json_response(&left)
}

pub(super) async fn decision(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let kept = shared.watch.decision(&id);
    let kept = kept.ok_or_else(|| Failure::not_found("this decision is no longer kept"))?;
    Ok(json_response(&json!({
        "left": kept.left,
        "decision": *kept.decision,
        "text": kept.decision.to_string(),
    })))
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Failure> {
    let write = shared.metrics.as_ref();
    let write = write.ok_or_else(|| Failure::not_found("there are no metrics"))?;
    let mut response = Response::new(write(&shared.router()?).into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    Ok(response)
}
