use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderValue, Uri, header};
use serde::Serialize;
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, json_response},
    fleet::FleetView,
};
use crate::{router::Snapshot, store::FleetState};

/// Everything that is known, and how sharing it goes.
#[derive(Serialize)]
struct Known {
    #[serde(flatten)]
    snapshot: Snapshot,
    fleet: Option<FleetState>,
}

pub(super) async fn state(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
) -> Result<Response, Failure> {
    let snapshot = shared.router()?.snapshot();
    let fleet = shared.watch.fleet();
    match uri.query() {
        None | Some("" | "scope=instance") => Ok(json_response(&Known { snapshot, fleet })),
        Some("scope=fleet") => Ok(json_response(&FleetView::new(fleet, &snapshot))),
        Some(_) => Err(Failure::bad(
            "expected ?scope=fleet, ?scope=instance, or none",
        )),
    }
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
