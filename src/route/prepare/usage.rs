use super::Prepared;
use crate::{
    dialect::json,
    route::{rewrite, usage},
    router::{OutcomeRouter, Reason, Ticket},
};

impl<S> Prepared<S> {
    /// Has the request ask what its stream used, where that is wanted and its caller does not.
    /// Returns whether it does.
    pub(super) fn ask_usage(&mut self, router: &OutcomeRouter, ticket: &Ticket) -> bool {
        let wanted = self.rules.ask_usage
            && self.located.stream
            && self.dialect.asks_usage(self.endpoint)
            && *ticket.routed().reason() != Reason::Observed
            && router.may_ask_usage(ticket.target_id(), ticket.started());
        if !wanted {
            return false;
        }
        let body = self.chunks.make_contiguous();
        let Some(edit) = usage::ask(body) else {
            return false;
        };
        self.chunks = json::edit(body, &[edit]).chunks;
        self.reframe();
        // What came compressed could not be taken out again.
        rewrite::ask_plain(&mut self.parts.headers);
        true
    }
}
