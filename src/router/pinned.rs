//! A pool whose requests all go to one target, by hand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Inner, Name, OutcomeRouter, Pool, TargetEntry};

/// The rank of no target.
const NONE: usize = usize::MAX;

/// Which target of a pool serves alone.
#[derive(Debug)]
pub(super) struct Pinned(AtomicUsize);

impl Pinned {
    /// Returns what is pinned in a pool that takes over from one of the same name: the target of the
    /// same name, where there is one.
    pub(super) fn after(before: Option<&Inner>, pool: &Pool) -> Self {
        let pinned = before.and_then(|before| before.pinned(&pool.name));
        let rank = pinned.and_then(|pinned| {
            let mut targets = pool.targets.iter();
            targets.position(|target| *target.label() == *pinned.name)
        });
        Self(AtomicUsize::new(rank.unwrap_or(NONE)))
    }

    /// Returns the rank of the target.
    pub(super) fn rank(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|rank| *rank != NONE)
    }

    /// Returns whether another target than the one of this rank serves alone.
    pub(super) fn rules_out(&self, rank: usize) -> bool {
        self.rank().is_some_and(|pinned| pinned != rank)
    }
}

impl OutcomeRouter {
    /// Sends all requests of a pool to one of its targets, whatever model they name, until it is
    /// released with `None`. Attempts that are open go on.
    ///
    /// As where a request has only one target, neither health nor quality keeps requests from it: only
    /// the wait that its provider asked for does. What it cannot serve at all is refused: where it is
    /// drained, does not speak the request's dialect, or the caller insists on another model. In the
    /// modes [`Observe`](super::Mode::Observe) and [`Off`](super::Mode::Off) the requested model serves
    /// all the same.
    ///
    /// Returns whether there is a pool of this name, with a target of this name.
    ///
    /// ```
    /// use tower_outcome::{OutcomeRouter, PickRequest};
    ///
    /// let router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini").build()?;
    /// assert!(router.set_pinned("default", Some("gpt-4o-mini")));
    /// assert_eq!(router.pick(&PickRequest::new("gpt-4o"))?.target(), "gpt-4o-mini");
    /// assert!(router.set_pinned("default", None));
    /// assert_eq!(router.pick(&PickRequest::new("gpt-4o"))?.target(), "gpt-4o");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "it is false where there is no such pool or target"]
    pub fn set_pinned(&self, pool: &str, target: Option<&str>) -> bool {
        let Some(entry) = self.inner.pools.iter().find(|entry| *entry.name == *pool) else {
            return false;
        };
        let rank = match target {
            Some(target) => self.inner.named(pool, target).map(|target| target.rank),
            None => Some(NONE),
        };
        if let Some(rank) = rank {
            entry.pinned.0.store(rank, Ordering::Relaxed);
        }
        rank.is_some()
    }

    /// Returns the target that a pool is [pinned](Self::set_pinned) to.
    #[must_use]
    pub fn pinned(&self, pool: &str) -> Option<Arc<str>> {
        self.inner.pinned(pool).map(|target| target.name.clone())
    }
}

impl Inner {
    fn pinned(&self, pool: &str) -> Option<&TargetEntry> {
        let entry = self.pools.iter().find(|entry| *entry.name == *pool)?;
        let targets = self.targets.get(entry.targets.clone())?;
        targets.get(entry.pinned.rank()?)
    }

    /// Returns whether another target of its pool serves alone.
    pub(super) fn is_pinned_away(&self, target: &TargetEntry) -> bool {
        let pool = self.pools.get(target.pool);
        pool.is_some_and(|pool| pool.pinned.rules_out(target.rank))
    }

    /// Returns the target that would serve if its pool were not pinned to another.
    pub(super) fn pinned_instead_of(&self, name: &Name) -> Option<&TargetEntry> {
        let pool = self.pools.get(name.pool)?;
        let requested = self.targets.get(self.requested_id(name)?.0 as usize)?;
        pool.pinned.rules_out(requested.rank).then_some(requested)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        classify::{Class, Verdict},
        router::{Mode, Obstacle, Outcome, PickRequest, Reason, Unavailable},
    };

    fn router() -> OutcomeRouter {
        let router = OutcomeRouter::builder()
            .model("a")
            .model("b")
            .model("c")
            .build();
        router.unwrap()
    }

    fn picked(router: &OutcomeRouter, model: &str) -> Result<(String, Reason), Unavailable> {
        let ticket = router.pick(&PickRequest::new(model))?;
        let routed = ticket.routed();
        Ok((routed.target().to_owned(), routed.reason().clone()))
    }

    #[test]
    fn a_pinned_target_serves_whatever_was_asked_for_until_it_is_released() {
        let router = router();
        assert!(router.set_pinned("default", Some("b")));
        for model in ["a", "c"] {
            let (target, reason) = picked(&router, model).unwrap();
            let because = Obstacle::Pinned;
            let of = model.into();
            assert_eq!((&*target, reason), ("b", Reason::Instead { of, because }));
        }
        assert_eq!(picked(&router, "b").unwrap().1, Reason::Preferred);
        assert_eq!(router.pinned("default").as_deref(), Some("b"));
        let pool = &router.snapshot().pools[0];
        assert_eq!(pool.pinned.as_deref(), Some("b"));

        assert!(router.set_pinned("default", None));
        assert_eq!(picked(&router, "c").unwrap().0, "c");
        assert_eq!(router.pinned("default"), None);
    }

    #[test]
    fn failures_do_not_keep_requests_from_a_pinned_target_but_its_wait_does() {
        let router = router();
        assert!(router.set_pinned("default", Some("b")));
        for _ in 0..20 {
            let ticket = router.pick(&PickRequest::new("a")).unwrap();
            ticket.settle(Outcome::new(Verdict::new(Class::ServerError)));
        }
        let ticket = router.pick(&PickRequest::new("a")).unwrap();
        let mut verdict = Verdict::new(Class::RateLimited);
        verdict.retry_after = Some(Duration::from_secs(9));
        ticket.settle(Outcome::new(verdict));
        let refused = router.pick(&PickRequest::new("a")).unwrap_err();
        assert!(refused.is_nobody_free());
        assert!(refused.retry_in() > Some(Duration::from_secs(8)));
    }

    #[test]
    fn what_a_pinned_target_may_not_serve_is_refused_with_a_reason() {
        let router = router();
        assert!(router.set_pinned("default", Some("b")));
        let strict = PickRequest::new("a").strict(true);
        let refused = router.pick(&strict).unwrap_err();
        assert!(refused.is_no_candidate());
        assert!(refused.to_string().contains("a: another is pinned by hand"));
        assert!(router.set_drained("default", "b", true));
        assert!(picked(&router, "a").unwrap_err().is_no_candidate());
    }

    #[test]
    fn a_router_that_takes_over_keeps_what_is_pinned_by_its_name() {
        let before = router();
        assert!(before.set_pinned("default", Some("b")));
        let after = |models: [&str; 2]| {
            let builder = models
                .into_iter()
                .fold(OutcomeRouter::builder(), crate::router::Builder::model);
            builder
                .succeeding(&before)
                .build()
                .unwrap()
                .pinned("default")
        };
        assert_eq!(after(["b", "a"]).as_deref(), Some("b"));
        assert_eq!(after(["a", "c"]), None);
    }

    #[test]
    fn only_what_there_is_can_be_pinned_and_observed_pools_serve_as_asked() {
        let router = router();
        assert!(!router.set_pinned("other", Some("b")));
        assert!(!router.set_pinned("default", Some("z")));
        assert_eq!(router.pinned("default"), None);
        assert!(router.set_pinned("default", Some("b")));
        assert!(router.set_mode("default", Mode::Observe));
        assert_eq!(
            picked(&router, "a").unwrap(),
            ("a".into(), Reason::Observed)
        );
    }
}
