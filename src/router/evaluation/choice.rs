use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    BROKEN, BROKEN_TRIED, CANARIES, CHANCE, Evaluation, FREE, IDLE, NO_WORSE, Next, RETURNING,
    RETURNING_TRIED, SCORED, Standing, TRIED, WALLED,
};
use crate::{
    policy::Rng,
    router::{
        NobodyFree, TargetEntry, TargetId, Unavailable,
        decision::{Obstacle, Reason},
        error::UnavailableKind,
        group::Group,
        ticket::Plan,
    },
    stats::{Forecast, Room},
};

impl Evaluation<'_> {
    /// Returns the best candidate that is free, and why it is that one.
    pub(in crate::router) fn choose(&self) -> Result<(usize, Reason), Unavailable> {
        let best = self
            .best(&self.scores)
            .ok_or(UnavailableKind::NoCandidate)?;
        let walled = self
            .standings
            .get(best)
            .is_none_or(|standing| standing.tier == WALLED);
        if !walled {
            return Ok(match self.canary(best) {
                Some(canary) => (canary, Reason::Canary),
                None => (best, self.reason(best)),
            });
        }
        let least_bad = self
            .least_bad()
            .filter(|_| self.pool.nobody_free == NobodyFree::LeastBad);
        match least_bad {
            Some(index) => Ok((index, Reason::LeastBad)),
            None => Err(Unavailable {
                retry_in: self.earliest(),
                ..UnavailableKind::NobodyFree.into()
            }),
        }
    }

    /// What an attempt on a candidate is begun with, where it still fits now that its group is
    /// locked.
    pub(in crate::router) fn plan(
        &self,
        index: usize,
        group: &mut Group,
        now: Instant,
    ) -> Option<Plan> {
        let standing = self.standings.get(index)?;
        let target = self.inner.targets.get(standing.target.0 as usize)?;
        if !self.still_fits(standing, target, group, now) {
            return None;
        }
        let member = group.members.get(target.slot)?;
        let request = self.request;
        let forecast = member.forecast(request.stream, request.max_output_tokens);
        Some(Plan {
            task: self.task,
            probe: standing.probe,
            late: forecast.as_ref().map(Forecast::late),
            outlying: forecast.as_ref().map(Forecast::outlying),
            objective: self.inner.objective(target),
        })
    }

    pub(in crate::router) fn next(&self) -> Next {
        let tier = self
            .best(&self.scores)
            .and_then(|best| self.standings.get(best))
            .map(|best| best.tier);
        match tier {
            Some(FREE | RETURNING | BROKEN) => Next::Other,
            Some(TRIED | RETURNING_TRIED | BROKEN_TRIED) => Next::Same,
            _ => {
                let times = self.standings.iter().zip(&self.candidates);
                let (wait, tried) = times
                    .map(|(standing, candidate)| (standing.free_in, candidate.tried))
                    .min()
                    .unwrap_or_default();
                Next::Nobody { wait, tried }
            }
        }
    }

    /// Returns whether the best candidate is free of anything that stands against it.
    pub(in crate::router) fn has_free(&self) -> bool {
        let best = self.best(&self.scores);
        best.and_then(|best| self.standings.get(best))
            .is_some_and(|best| best.tier == FREE)
    }

    /// Returns whether the next target would be one that was not tried and is not believed to
    /// answer worse than `failed` does.
    pub(in crate::router) fn has_better_than(&self, failed: TargetId) -> bool {
        let worth = |at: usize| {
            let candidate = self.candidates.get(at)?;
            Some(candidate.quality * candidate.validity)
        };
        let failed = self.standings.iter().position(|one| one.target == failed);
        let failed = failed.and_then(worth).unwrap_or(0.0);
        let best = self.best(&self.scores);
        let free = best
            .and_then(|best| self.standings.get(best))
            .is_some_and(|best| best.tier < TRIED);
        free && best
            .and_then(worth)
            .is_some_and(|best| best >= failed - NO_WORSE)
    }

    /// Looks again: somebody else may have taken the last room, or the place of the probe.
    fn still_fits(
        &self,
        standing: &Standing,
        target: &TargetEntry,
        group: &mut Group,
        now: Instant,
    ) -> bool {
        let member = group.members.get_mut(target.slot);
        if let Some(member) = member.filter(|_| !self.sole) {
            let broken = standing.tier < BROKEN && member.health.is_open(now);
            if broken || (standing.probe && !member.health.is_probe_due(now)) {
                return false;
            }
        }
        match group.room(target.slot, self.request, now) {
            None | Some(Room::Told(_)) => false,
            Some(Room::Expected(_)) => self.sole || standing.tier == WALLED,
            Some(_) => true,
        }
    }

    pub(in crate::router) fn best(&self, scores: &[f64]) -> Option<usize> {
        let mut best: Option<(usize, u8, f64)> = None;
        for (index, (standing, score)) in self.standings.iter().zip(scores).enumerate() {
            let score = if score.is_nan() {
                f64::NEG_INFINITY
            } else {
                *score
            };
            let better = best.is_none_or(|(_, tier, top)| {
                standing.tier < tier || (standing.tier == tier && score > top)
            });
            if better {
                best = Some((index, standing.tier, score));
            }
        }
        best.map(|(index, ..)| index)
    }

    /// The free target that was idle longest, for the few requests that keep what is known of such
    /// targets from growing old.
    fn canary(&self, best: usize) -> Option<usize> {
        let request = self.request;
        let barred = request.risk_averse
            || request.session_key.is_some()
            || request.session.is_some()
            || request.tool_loop
            || request.attempts > 0
            || self.sole
            || self.feedback < SCORED
            || !self.pool.policy.explores();
        if barred || Rng::new(!self.inner.seed ^ CHANCE, self.number).next_f64() >= CANARIES {
            return None;
        }
        let idle = self.standings.iter().enumerate().filter(|(index, one)| {
            *index != best && one.tier == FREE && !one.probe && one.idle > IDLE
        });
        idle.max_by_key(|(_, standing)| standing.idle)
            .map(|(index, _)| index)
    }

    /// The one that is free first by our own estimate; never one that the provider told us to
    /// leave alone.
    fn least_bad(&self) -> Option<usize> {
        let expected =
            self.standings.iter().enumerate().filter(|(_, standing)| {
                !matches!(standing.obstacle, Some(Obstacle::RateLimited(_)))
            });
        expected
            .min_by_key(|(_, standing)| standing.free_in)
            .map(|(index, _)| index)
    }

    fn earliest(&self) -> Option<Duration> {
        self.standings.iter().map(|standing| standing.free_in).min()
    }

    fn reason(&self, chosen: usize) -> Reason {
        if let Some(requested) = self.inner.pinned_instead_of(self.name) {
            return Reason::Instead {
                of: Arc::clone(&requested.name),
                because: Obstacle::Pinned,
            };
        }
        let first = self.inner.reachable(self.name, self.pool).next();
        let Some((index, preferred)) = first else {
            return Reason::Preferred;
        };
        if self.target(chosen).is_some_and(|id| id.0 as usize == index) {
            return Reason::Preferred;
        }
        let because = self
            .inner
            .excluded(preferred, self.name, self.request)
            .or_else(|| self.spared(preferred))
            .or_else(|| {
                self.standings
                    .first()
                    .and_then(|standing| standing.obstacle.clone())
            })
            .unwrap_or(Obstacle::Score);
        Reason::Instead {
            of: Arc::clone(&preferred.name),
            because,
        }
    }
}
