use std::{fmt, sync::Arc};

use super::{Inner, Name, OutcomeId, Reason, TargetEntry, TargetId, Upstream, stripes::Handle};

/// Which model was asked for, which one serves, and why. A response extension.
///
/// A cheap handle: names are looked up in the router.
#[derive(Clone)]
pub struct Routed {
    pub(super) inner: Arc<Handle<Inner>>,
    pub(super) name: u32,
    pub(super) target: TargetId,
    pub(super) reason: Reason,
    pub(super) attempt: u32,
    pub(super) id: OutcomeId,
    pub(super) observed: Option<Arc<str>>,
}

impl Routed {
    /// Returns the model that the request named.
    #[must_use]
    pub fn requested_model(&self) -> &str {
        &self.name().text
    }

    /// Returns the model that serves.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.entry().model
    }

    /// Returns the name of the target that serves.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.entry().name
    }

    /// Returns the name of the pool.
    #[must_use]
    pub fn pool(&self) -> &str {
        #[allow(
            clippy::indexing_slicing,
            reason = "indices are assigned by the builder"
        )]
        &self.inner.pools[self.entry().pool].name
    }

    /// Returns why this target was picked.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns which attempt of the logical call this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the id under which the answer can be scored.
    #[must_use]
    pub fn outcome_id(&self) -> OutcomeId {
        self.id
    }

    /// Returns, in [`Mode::Observe`](crate::Mode::Observe), the target that would have been picked.
    #[must_use]
    pub fn would_have_been(&self) -> Option<&str> {
        self.observed.as_deref()
    }

    pub(crate) fn target_id(&self) -> TargetId {
        self.target
    }

    pub(crate) fn upstream(&self) -> Option<&Arc<Upstream>> {
        self.entry().upstream.as_ref()
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "indices are assigned by the builder"
    )]
    pub(super) fn entry(&self) -> &TargetEntry {
        &self.inner.targets[self.target.0 as usize]
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "indices are assigned by the builder"
    )]
    fn name(&self) -> &Name {
        &self.inner.names[self.name as usize]
    }
}

impl fmt::Debug for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed")
            .field("requested_model", &self.requested_model())
            .field("target", &self.target())
            .field("model", &self.model())
            .field("reason", &self.reason)
            .field("attempt", &self.attempt)
            .field("outcome_id", &self.id)
            .field("would_have_been", &self.observed)
            .finish()
    }
}
