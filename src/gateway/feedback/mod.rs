//! How good an answer was, told by those who got it: `POST /outcome/feedback`.
//!
//! An answer is named by the id in its `x-outcome-id` header, or by the provider's own in its body
//! (`chatcmpl-...`, `msg_...`, `resp_...`, Gemini's `responseId`), which every SDK shows. The latter is
//! known within the client key that made the call, for the last 16,384 answers.

mod ids;
mod items;

use std::{future::poll_fn, time::Duration};

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use serde_json::{Value, json};
use tokio::time::timeout;

pub(super) use self::ids::{ResponseIds, Scope};
use self::items::{Feedback, Item, read};
use super::models::answer;
use crate::{
    classify::is_json,
    route::{Collected, Collector},
    router::{OutcomeId, OutcomeRouter},
};

/// Where it is taken on the main listener.
pub(super) const PATH: &str = "/outcome/feedback";
/// A hundred items with the longest reasons that are taken, and what stands around them.
const MAX_BODY: usize = 256 * 1024;
/// It is small.
const UPLOAD: Duration = Duration::from_secs(15);

/// Reads the body of a request that brings feedback.
pub(super) async fn receive(parts: &Parts, body: Body) -> Result<Vec<u8>, Box<Response<Body>>> {
    let refuse = |status, code, message| Err(Box::new(failure(status, code, message)));
    if parts.method != Method::POST {
        let message = "Feedback is told by POST.";
        let mut refusal = failure(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        );
        let allowed = HeaderValue::from_static("POST");
        refusal.headers_mut().insert(header::ALLOW, allowed);
        return Err(refusal.into());
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    // Web pages cannot send this type to other hosts unasked.
    if !content_type.is_some_and(|it| it.to_str().is_ok_and(is_json)) {
        let message = "The content-type must be application/json.";
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        );
    }
    let mut collector = Collector::new(body, MAX_BODY);
    match timeout(UPLOAD, poll_fn(|cx| collector.poll(cx))).await {
        Ok(Ok(Collected::Whole { chunks, .. })) => Ok(chunks
            .iter()
            .flat_map(|chunk| chunk.iter().copied())
            .collect()),
        Ok(Err(_) | Ok(Collected::TooLarge { .. })) => {
            let message = "The body is longer than 256 KiB, or in too many pieces.";
            refuse(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", message)
        }
        Ok(Ok(Collected::Failed { .. })) => {
            let message = "The body ended before its end.";
            refuse(StatusCode::BAD_REQUEST, "invalid_feedback", message)
        }
        Err(_) => {
            let message = "The body did not arrive in time.";
            refuse(StatusCode::REQUEST_TIMEOUT, "timeout", message)
        }
    }
}

/// Takes in feedback as it came in a body, from somebody who may name the answers of a scope.
///
/// Either all of it is understood, or nothing is taken in. One item is answered with 404 where its
/// answer is not known; a list by an entry for each, and with 404 where none is.
pub(super) fn take(
    router: &OutcomeRouter,
    ids: &ResponseIds,
    scope: &Scope,
    body: &[u8],
) -> Response<Body> {
    match read(body) {
        Err(message) => failure(StatusCode::BAD_REQUEST, "invalid_feedback", &message),
        Ok(Feedback::One(item)) => match report(router, ids, scope, &item) {
            Ok(id) => answer(&taken(&item, id)),
            Err(why) => failure(StatusCode::NOT_FOUND, "unknown_id", why),
        },
        Ok(Feedback::Many(items)) => {
            let reports: Vec<_> = items
                .iter()
                .map(|item| (item, report(router, ids, scope, item)))
                .collect();
            let any = reports.iter().any(|(_, report)| report.is_ok());
            let results = reports.into_iter().map(|(item, report)| match report {
                Ok(id) => taken(item, id),
                Err(why) => json!({ "id": item.id, "taken": false, "error": why }),
            });
            let mut response = answer(&json!({ "results": results.collect::<Vec<_>>() }));
            if !any {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            response
        }
    }
}

/// Answers that feedback cannot be taken in.
pub(super) fn failure(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let mut response = answer(&json!({ "error": {
        "message": message,
        "type": "invalid_request_error",
        "param": null,
        "code": code,
    }}));
    *response.status_mut() = status;
    response
}

fn report(
    router: &OutcomeRouter,
    ids: &ResponseIds,
    scope: &Scope,
    item: &Item,
) -> Result<OutcomeId, &'static str> {
    let own = item.id.parse().ok();
    let id = own.or_else(|| ids.find(scope, &item.id));
    let id = id.ok_or("no answer of this id is known here; it may be too long ago")?;
    router.report(id, item.score).map_err(|error| {
        if error.is_forgotten() {
            "the answer of this id is too long ago to be scored"
        } else {
            "no answer of this id is known here"
        }
    })?;
    tracing::trace!(outcome = %id, score = item.score.value(), reason = ?item.reason, "feedback");
    Ok(id)
}

fn taken(item: &Item, id: OutcomeId) -> Value {
    json!({ "id": item.id, "taken": true, "outcome": id.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_not_taken_in() {
        let router = OutcomeRouter::builder().model("first").build().unwrap();
        let ticket = router
            .pick_at(&crate::PickRequest::new("first"), router.now())
            .unwrap();
        let ids = ResponseIds::default();
        ids.insert(&Scope::Common, "chatcmpl-1", ticket.outcome_id());
        let take = |body: &Value| {
            let response = take(&router, &ids, &Scope::Common, body.to_string().as_bytes());
            response.status().as_u16()
        };
        let good = json!({ "id": "chatcmpl-1", "score": 0.5 });
        let odd = json!({ "id": "chatcmpl-1", "score": 2 });
        let unknown = json!({ "id": "chatcmpl-2", "score": 0.5 });
        let foreign = json!({ "id": "0".repeat(32), "success": true });
        assert_eq!(take(&json!([good, odd])), 400);
        assert_eq!(router.snapshot().counts.reports, 0);
        assert_eq!(take(&unknown), 404);
        assert_eq!(take(&foreign), 404);
        assert_eq!(take(&json!([unknown, foreign])), 404);
        assert_eq!(router.snapshot().counts.reports, 0);
        assert_eq!(take(&json!([unknown, good])), 200);
        assert_eq!(take(&good), 200);
        let own = json!({ "id": ticket.outcome_id().to_string(), "success": false });
        assert_eq!(take(&own), 200);
    }
}
