//! What an answer means: statuses, headers, bodies, streams and transport errors become a
//! [`Verdict`].
//!
//! A status is not enough in either direction: a 429 can be a dead credit card, a 400 can be the
//! model's own mistake, a 200 can carry an error. The rules therefore look, in this order, at
//! structured codes, at the status, and at message text only where nothing else tells.

mod class;
mod error_view;
mod limits;
mod retry_after;
mod rules;
mod seen;
mod transport;

pub use self::{
    class::{Class, Scope, Verdict},
    error_view::ErrorView,
    limits::{LimitWindow, Limits},
    retry_after::retry_after,
    rules::DefaultClassifier,
    seen::{BodySeen, Finish, Seen, StreamSummary, Usage},
    transport::{Processed, Transport},
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
