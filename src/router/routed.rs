use std::{fmt, sync::Arc};

#[cfg(feature = "gateway")]
use super::TargetSnapshot;
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

    /// Returns the target that was asked for: that of the named model, or the first of the pool.
    #[cfg(feature = "gateway")]
    pub(crate) fn requested_target(&self) -> TargetId {
        self.inner.requested_id(self.name()).unwrap_or(self.target)
    }

    /// Returns the name of the target that was asked for.
    #[cfg(feature = "gateway")]
    pub(crate) fn requested_target_name(&self) -> &str {
        let target = self.inner.targets.get(self.requested_target().0 as usize);
        target.map_or(self.target(), |target| &target.name)
    }

    /// Returns what is known now of a target of the same pool.
    #[cfg(feature = "gateway")]
    pub(crate) fn snapshot_of(&self, target: &str) -> Option<TargetSnapshot> {
        let target = self.inner.named(self.pool(), target)?;
        self.inner.snapshot_target(target, self.inner.clock.now())
    }

    /// Returns the wall-clock time by the router's own clock.
    #[cfg(feature = "gateway")]
    pub(crate) fn wall(&self) -> std::time::SystemTime {
        self.inner.clock.wall()
    }

    /// Tells the router from others that are there at the same time.
    #[cfg(feature = "gateway")]
    pub(crate) fn router_id(&self) -> usize {
        Arc::as_ptr(&**self.inner) as usize
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
