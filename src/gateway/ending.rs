use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    access::{Account, Caller},
    admit::Rules,
    feedback::Scope,
    shed::Place,
};
use crate::{hints::Call, router::OutcomeId};

/// Notes what only the end of a call tells: what it has cost, to its client key, and what the provider
/// calls its answer. Its place is free then.
///
/// Dropped after all else that belongs to the call, whatever ends it: the body of the answer, or a
/// caller that goes away.
pub(super) struct Ending {
    rules: Arc<Rules>,
    call: Call,
    /// Where the cost goes.
    account: Option<Arc<Account>>,
    scope: Scope,
    /// Whose answer is delivered, until it is known what the provider calls it.
    unnamed: Option<OutcomeId>,
    _place: Place,
}

impl Ending {
    pub(super) fn new(rules: &Arc<Rules>, call: &Call, caller: Caller<'_>, place: Place) -> Self {
        Self {
            rules: rules.clone(),
            call: call.clone(),
            account: caller.account(),
            scope: caller.scope(),
            unnamed: None,
            _place: place,
        }
    }

    /// Takes in whose answer it is that is delivered.
    pub(super) fn deliver(&mut self, outcome: Option<OutcomeId>) {
        self.unnamed = outcome;
        self.note_name();
    }

    /// Remembers what the provider calls the answer, once that is known.
    fn note_name(&mut self) {
        let Some(outcome) = self.unnamed else { return };
        if let Some(response) = self.call.response_id_of(outcome) {
            self.rules.responses.insert(&self.scope, &response, outcome);
            self.unnamed = None;
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.note_name();
        let cost = self.account.as_ref().and_then(|_| self.call.cost());
        if let (Some(account), Some(cost)) = (&self.account, cost) {
            account.spend(cost, self.rules.router.wall());
        }
    }
}

pin_project! {
    /// The body of an answer, with which its call ends.
    pub(super) struct EndingBody<B> {
        #[pin]
        inner: B,
        // After the body: what that tells when it is dropped is known then.
        ending: Ending,
    }
}

impl<B> EndingBody<B> {
    pub(super) fn new(inner: B, ending: Ending) -> Self {
        Self { inner, ending }
    }
}

impl<B: Body<Data = Bytes>> Body for EndingBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = this.inner.poll_frame(cx);
        // Before the caller has it: feedback may come at once.
        if polled.is_ready() {
            this.ending.note_name();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
