//! How good an answer was, told by those who got it: `POST /outcome/feedback`.
//!
//! An answer is named by the id in its `x-outcome-id` header, or by the provider's own in its body
//! (`chatcmpl-...`, `msg_...`, `resp_...`, Gemini's `responseId`), which every SDK shows. The latter is
//! known within the client key that made the call, for the last 16,384 answers.
//!
//! Where several instances share what they learn, ours says which of them has made the call, and what comes
//! in elsewhere is passed on to that one. The provider's is known to that one alone.

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
/// answer is not known; a list by an entry for each, and with 404 where none is. What is passed on to
/// another instance is answered 202, unless something of the list was for this one.
pub(super) fn take(
    router: &OutcomeRouter,
    ids: &ResponseIds,
    scope: &Scope,
    body: &[u8],
) -> Response<Body> {
    match read(body) {
        Err(message) => failure(StatusCode::BAD_REQUEST, "invalid_feedback", &message),
        Ok(Feedback::One(item)) => match report(router, ids, scope, &item) {
            Ok(taken) => {
                let mut response = answer(&taken.told(&item));
                *response.status_mut() = taken.status();
                response
            }
            Err(why) => why.into_response(),
        },
        Ok(Feedback::Many(items)) => {
            let reports: Vec<_> = items
                .iter()
                .map(|item| (item, report(router, ids, scope, item)))
                .collect();
            let status = status_of(reports.iter().map(|(_, report)| report.as_ref()));
            let results = reports.iter().map(|(item, report)| match report {
                Ok(taken) => taken.told(item),
                Err(why) => json!({ "id": item.id, "taken": false, "error": why.message() }),
            });
            let mut response = answer(&json!({ "results": results.collect::<Vec<_>>() }));
            *response.status_mut() = status;
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

/// What has become of an item.
#[derive(Clone, Copy, Debug)]
struct Taken {
    id: OutcomeId,
    /// Whether it is of another instance's answer, which may or may not remember that.
    passed_on: bool,
}

impl Taken {
    fn status(self) -> StatusCode {
        match self.passed_on {
            true => StatusCode::ACCEPTED,
            false => StatusCode::OK,
        }
    }

    fn told(self, item: &Item) -> Value {
        let outcome = self.id.to_string();
        match self.passed_on {
            false => json!({ "id": item.id, "taken": true, "outcome": outcome }),
            true => json!({ "id": item.id, "taken": true, "passed_on": true, "outcome": outcome }),
        }
    }
}

/// Why an item was not taken in.
#[derive(Clone, Copy, Debug)]
enum Untaken {
    Unknown,
    /// The same, where others may know it.
    UnknownHere,
    Forgotten,
    /// More wait to be passed on than may.
    TooMany,
}

impl Untaken {
    fn message(self) -> &'static str {
        match self {
            Self::Unknown => "no answer of this id is known here; it may be too long ago",
            Self::UnknownHere => {
                "no answer of this id is known to this instance; it may be too long ago, or another \
                 instance may have given it: a provider's id is known to that one alone, and the \
                 id of our header (x-outcome-id) to all"
            }
            Self::Forgotten => "the answer of this id is too long ago to be scored",
            Self::TooMany => {
                "too much waits to be passed on to the instance that gave this answer; try again later"
            }
        }
    }

    fn into_response(self) -> Response<Body> {
        match self {
            Self::TooMany => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let mut refusal = failure(status, "too_much_waits", self.message());
                let later = HeaderValue::from_static("1");
                refusal.headers_mut().insert(header::RETRY_AFTER, later);
                refusal
            }
            Self::Unknown | Self::UnknownHere | Self::Forgotten => {
                failure(StatusCode::NOT_FOUND, "unknown_id", self.message())
            }
        }
    }
}

/// Says of a list what is best: that something was taken in here, else that it was elsewhere, else why
/// nothing was.
fn status_of<'a>(reports: impl Iterator<Item = Result<&'a Taken, &'a Untaken>>) -> StatusCode {
    let statuses = reports.map(|report| match report {
        Ok(taken) => taken.status(),
        Err(Untaken::TooMany) => StatusCode::SERVICE_UNAVAILABLE,
        Err(_) => StatusCode::NOT_FOUND,
    });
    let best = |status: &StatusCode| match *status {
        StatusCode::OK => 0,
        StatusCode::ACCEPTED => 1,
        StatusCode::SERVICE_UNAVAILABLE => 2,
        _ => 3,
    };
    statuses.min_by_key(best).unwrap_or(StatusCode::NOT_FOUND)
}

fn report(
    router: &OutcomeRouter,
    ids: &ResponseIds,
    scope: &Scope,
    item: &Item,
) -> Result<Taken, Untaken> {
    let unknown = match router.fleet() {
        Some(_) => Untaken::UnknownHere,
        None => Untaken::Unknown,
    };
    let own = item.id.parse().ok();
    let id = own.or_else(|| ids.find(scope, &item.id)).ok_or(unknown)?;
    router.report(id, item.score).map_err(|error| {
        if error.is_forgotten() {
            Untaken::Forgotten
        } else if error.is_too_many() {
            Untaken::TooMany
        } else {
            unknown
        }
    })?;
    tracing::trace!(outcome = %id, score = item.score.value(), reason = ?item.reason, "feedback");
    let passed_on = router.is_of_another(id);
    Ok(Taken { id, passed_on })
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

    #[test]
    fn what_is_another_instances_is_passed_on_until_too_much_waits() {
        let build = || {
            let builder = OutcomeRouter::builder().model("first");
            builder.shared("of the deployment").build().unwrap()
        };
        let (here, there) = (build(), build());
        let open = |router: &OutcomeRouter| {
            let ticket = router.pick_at(&crate::PickRequest::new("first"), router.now());
            ticket.unwrap().outcome_id().to_string()
        };
        let ids = ResponseIds::default();
        let take = |body: &Value| take(&here, &ids, &Scope::Common, body.to_string().as_bytes());
        let status = |body: &Value| take(body).status().as_u16();
        let own = json!({ "id": open(&here), "score": 1 });
        let other = json!({ "id": open(&there), "score": 1 });
        let junk = json!({ "id": "0".repeat(32), "score": 1 });
        let provider = json!({ "id": "chatcmpl-1", "score": 1 });
        assert_eq!(status(&own), 200);
        assert_eq!(status(&other), 202);
        assert_eq!(status(&junk), 404);
        assert_eq!(status(&provider), 404);
        assert_eq!(status(&json!([junk, other])), 202);
        assert_eq!(status(&json!([other, own, junk])), 200);
        let many = json!(vec![&other; 100]);
        for _ in 0..11 {
            status(&many);
        }
        let refusal = take(&other);
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal.headers()[header::RETRY_AFTER], "1");
        assert_eq!(status(&json!([junk, other])), 503);
        assert_eq!(status(&own), 200);
    }
}
