//! What an answer means: statuses, headers, bodies, streams and transport errors become a
//! [`Verdict`].
//!
//! A status is not enough in either direction: a 429 can be a dead credit card, a 400 can be the
//! model's own mistake, a 200 can carry an error. The rules therefore look, in this order, at
//! structured codes, at the status, and at message text only where nothing else tells (providers
//! echo prompts in messages: a prompt about rate limits is none).
//!
//! # When
//!
//! The routing layer asks once per attempt, and once more at the head of an answer. Wrap
//! [`DefaultClassifier`] to judge single cases otherwise:
//!
//! ```
//! use std::time::SystemTime;
//!
//! use http::{HeaderMap, StatusCode};
//! use tower_outcome::classify::{BodySeen, Class, Classify, DefaultClassifier, Seen};
//!
//! let body = br#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#;
//! let headers = HeaderMap::new();
//! let head = Seen::head(
//!     "/v1/chat/completions",
//!     StatusCode::TOO_MANY_REQUESTS,
//!     &headers,
//!     SystemTime::UNIX_EPOCH,
//! );
//! assert_eq!(DefaultClassifier.classify(&head).class, Class::RateLimited);
//! let whole = head.with_body(BodySeen::Whole(body.as_slice().into()));
//! assert_eq!(DefaultClassifier.classify(&whole).class, Class::QuotaExhausted);
//! ```
//!
//! # Judgements
//!
//! Where the facts leave a choice, this is what is chosen:
//! * A stop at a token limit is degraded and neutral where something had come by then: the caller
//!   set the cap. An empty answer counts against the model, whatever its finish reason; so does
//!   one that ended at the end of the model's own context window.
//! * A filter on the prompt is neutral; a refusal or filter on the output is not.
//! * A refused credential is neutral for the target and takes the credential out of rotation.
//! * A cap per day is an exhausted quota.
//! * 409 is a server error: the official SDKs repeat it.
//! * An unknown finish reason is a success, and so is a JSON answer of an unknown shape.
//! * A 200 that should be JSON and is not: cut off in the middle, it is truncated; an HTML page is
//!   a server error, for something in between answered; otherwise, or empty, it is degraded.
//! * A stream is a success when it gave a finish reason and its terminal event; whatever happens to
//!   the connection after that is not missed. One that stops making sense as a stream (a frame whose
//!   checksum is wrong) is truncated: no client can read on.
//!
//! # Endings
//!
//! Every way an attempt can end without a body that tells more. *Processed* is whether the provider
//! may have worked (and charged) for it, *failover* whether another target could do better,
//! *neutral* whether nothing is learned about the target.
//!
//! | ending | class | processed | failover | neutral |
//! |---|---|---|---|---|
//! | `connect` | server_error | no | yes | no |
//! | `refused` | overloaded | no | yes | no |
//! | `calm` | rate_limited | maybe | yes | no |
//! | `local` | overloaded | no | yes | yes |
//! | `upload` | client_error | maybe | no | yes |
//! | `timeout` | timeout | maybe | yes | no |
//! | `reset`, `incomplete`, `malformed`, `other` | server_error | maybe | yes | no |
//! | `200, then upload` | client_error | yes | no | yes |
//! | `200, then timeout` | timeout | yes | yes | no |
//! | `200, then connect`, `200, then reset`, `200, then incomplete`, `200, then malformed`, `200, then refused`, `200, then calm`, `200, then local`, `200, then other` | truncated | yes | yes | no |
//! | `2xx` | success | yes | no | no |
//! | `3xx` | server_error | no | yes | no |
//! | `401`, `403`, `407` | auth_error | no | yes | yes |
//! | `402` | quota_exhausted | no | yes | no |
//! | `404`, `405`, `410`, `501` | model_error | no | yes | no |
//! | `408`, `504`, `522`, `524`, `598` | timeout | maybe | yes | no |
//! | `409`, `424`, `425` | server_error | maybe | yes | no |
//! | `429` | rate_limited | no | yes | no |
//! | `498`, `503`, `529` | overloaded | maybe | yes | no |
//! | `400`, `413`, `415`, `422`, `4xx` | client_error | no | no | yes |
//! | `500`, `502`, `5xx` | server_error | maybe | yes | no |
//!
//! The routing layer asks for no bound on the errors of a body, so that it cannot look into them:
//! behind it a body that fails has ended as `200, then incomplete`, whatever its error says.

mod answer;
mod check;
mod class;
mod codes;
mod duration;
mod endings;
mod error_view;
mod finish;
mod inspect;
mod judge;
mod limits;
mod messages;
mod nodes;
mod peek;
mod response_id;
mod retry_after;
mod rules;
mod seen;
mod transport;
mod unfit;
mod usage;

pub use self::{
    class::{Class, Scope, Verdict},
    error_view::ErrorView,
    finish::Finish,
    limits::{LimitWindow, Limits},
    retry_after::retry_after,
    rules::DefaultClassifier,
    seen::{BodySeen, Seen, StreamSummary},
    transport::{Processed, Transport},
    unfit::Unfit,
    usage::Usage,
};

pub(crate) use self::{
    answer::{Parts, response, response_finish, response_parts},
    judge::in_answer,
    peek::{Json, Object, says},
    rules::{Said, classify_and_read, is_json, read},
};

/// Judges how an attempt ended.
///
/// Called when the head of an answer arrives ([`BodySeen::Unread`]) and again when its body has
/// ended; the first verdict is provisional and stands only if the body is never read. It must not
/// block: it runs inside the attempt's future.
///
/// Wrap [`DefaultClassifier`] to change single classes and keep the rest.
pub trait Classify: Send + Sync + std::fmt::Debug {
    /// Returns the verdict for what has been seen so far.
    fn classify(&self, seen: &Seen<'_>) -> Verdict;
}
