use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    Inner, Name, NobodyFree, PickRequest, PoolEntry, TargetEntry, TargetId, Unavailable,
    decision::{Decision, Obstacle, Reason, Weighed},
    error::UnavailableKind,
    group::Group,
};
use crate::{
    policy::{Candidate, Rng, View},
    stats::{Gate, Room},
};

/// The state of the targets that may serve a request, at one moment.
pub(super) struct Evaluation<'a> {
    pub(super) name: &'a Name,
    pool: &'a PoolEntry,
    inner: &'a Inner,
    request: &'a PickRequest<'a>,
    now: Instant,
    candidates: SmallVec<[Candidate<'a>; 8]>,
    standings: SmallVec<[Standing; 8]>,
    scores: SmallVec<[f64; 8]>,
    sole: bool,
}

/// What stands against a candidate.
#[derive(Clone, Debug)]
struct Standing {
    target: TargetId,
    tier: u8,
    obstacle: Option<Obstacle>,
    /// When it is free, where the tier is [`WALLED`].
    free_in: Duration,
}

/// Lower tiers are picked first, whatever the scores.
const FREE: u8 = 0;
const RETURNING: u8 = 1;
const TRIED: u8 = 2;
const RETURNING_TRIED: u8 = 3;
const BROKEN: u8 = 4;
const BROKEN_TRIED: u8 = 5;
const WALLED: u8 = 6;

/// What the next attempt of a call would meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A target that the call has not tried.
    Other,
    /// Only one that it has tried.
    Same,
    /// Nobody, for this time.
    Nobody {
        wait: Duration,
        /// Whether the first to be free is one that the call has tried.
        tried: bool,
    },
}

impl Inner {
    /// Looks at every target that may serve the request.
    pub(super) fn evaluate<'a>(
        &'a self,
        request: &'a PickRequest<'a>,
        name: &'a Name,
        number: u64,
        now: Instant,
    ) -> Result<Evaluation<'a>, Unavailable> {
        let pool = self.pool(name)?;
        let eligible: SmallVec<[u32; 8]> = self
            .reachable(name, pool)
            .filter(|(_, target)| self.excluded(target, name, request).is_none())
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .collect();
        if eligible.is_empty() {
            return Err(UnavailableKind::NoCandidate.into());
        }
        // That nobody else is there is no reason to bother a failing target with a copy.
        let sole = eligible.len() == 1 && !request.shadow;
        let mut evaluation = Evaluation {
            name,
            pool,
            inner: self,
            request,
            now,
            candidates: SmallVec::new(),
            standings: SmallVec::new(),
            scores: SmallVec::new(),
            sole,
        };
        let mut rng = Rng::new(self.seed, number);
        for index in eligible {
            if let Some(target) = self.targets.get(index as usize) {
                evaluation.add(TargetId(index), target, &mut rng);
            }
        }
        evaluation.score(rng);
        Ok(evaluation)
    }

    /// The same, told in full.
    pub(super) fn explain(
        &self,
        request: &PickRequest<'_>,
        number: u64,
        now: Instant,
    ) -> Result<Decision, Unavailable> {
        let name = self.name(request.model)?;
        let evaluation = match self.evaluate(request, name, number, now) {
            Ok(evaluation) => Some(evaluation),
            Err(error) if error.is_no_candidate() => None,
            Err(error) => return Err(error),
        };
        let pool = self.pool(name)?;
        let choice = evaluation.as_ref().map(Evaluation::choose);
        let chosen = choice
            .as_ref()
            .and_then(|choice| choice.as_ref().ok())
            .cloned();
        let retry_in = choice
            .and_then(Result::err)
            .and_then(|error| error.retry_in());
        let picked = evaluation.as_ref().zip(chosen.as_ref());
        let picked = picked.and_then(|(evaluation, (chosen, _))| evaluation.target(*chosen));
        let first_reachable = self
            .reachable(name, pool)
            .next()
            .map_or(0, |(index, _)| index);
        let candidates = pool.targets.clone().filter_map(|index| {
            let target = self.targets.get(index)?;
            let at = evaluation.as_ref().and_then(|evaluation| {
                evaluation
                    .standings
                    .iter()
                    .position(|one| one.target.0 as usize == index)
            });
            let seen = evaluation.as_ref().zip(at);
            let candidate = seen.and_then(|(evaluation, at)| evaluation.candidates.get(at));
            let standing = seen.and_then(|(evaluation, at)| evaluation.standings.get(at));
            let excluded = if index < first_reachable {
                Some(Obstacle::Excluded)
            } else {
                self.excluded(target, name, request)
            };
            let group = self.group(target.group);
            let member = group.members.get(target.slot)?;
            Some(Weighed {
                target: target.name.clone(),
                model: target.model.clone(),
                health: candidate.map_or_else(|| member.health.estimate(now), |c| c.health),
                quality: candidate.map_or_else(|| member.quality.estimate(now).0, |c| c.quality),
                score: seen.and_then(|(evaluation, at)| evaluation.scores.get(at).copied()),
                obstacle: excluded.or_else(|| standing.and_then(|one| one.obstacle.clone())),
            })
        });
        Ok(Decision {
            pool: pool.name.clone(),
            policy: pool.policy.name(),
            candidates: candidates.collect(),
            chosen: picked.map(|id| id.0 as usize - pool.targets.start),
            reason: chosen.map(|(_, reason)| reason),
            retry_in,
        })
    }

    /// The targets that the requested name reaches: all of the pool for its own name, else the
    /// named model and those declared after it.
    fn reachable<'a>(
        &'a self,
        name: &Name,
        pool: &'a PoolEntry,
    ) -> impl Iterator<Item = (usize, &'a TargetEntry)> + use<'a> {
        let skip = if name.alias || pool.upgrade {
            0
        } else {
            name.rank
        };
        pool.targets
            .clone()
            .skip(skip)
            .filter_map(|index| self.targets.get(index).map(|target| (index, target)))
    }

    /// What rules a target out whatever its state.
    fn excluded(
        &self,
        target: &TargetEntry,
        name: &Name,
        request: &PickRequest<'_>,
    ) -> Option<Obstacle> {
        let hinted = request.candidates;
        if hinted.is_some_and(|hinted| !hinted.allows(&target.name, &target.model)) {
            return Some(Obstacle::Excluded);
        }
        if request.strict && !name.alias && *target.model != *request.model {
            return Some(Obstacle::Strict);
        }
        let upstream = target.upstream.as_deref();
        match (request.dialect, upstream) {
            (Some(dialect), Some(upstream)) if !upstream.speaks(dialect) => Some(Obstacle::Dialect),
            _ => None,
        }
    }
}

impl<'a> Evaluation<'a> {
    fn add(&mut self, id: TargetId, target: &'a TargetEntry, rng: &mut Rng) {
        let (request, now) = (self.request, self.now);
        let group = self.inner.group(target.group);
        let Some(member) = group.members.get(target.slot) else {
            return;
        };
        let tried = request.tried.contains(&id);
        let (quality, quality_mass) = member.quality.estimate(now);
        let candidate = Candidate {
            target: &target.name,
            model: &target.model,
            rank: target.rank,
            health: member.health.estimate(now),
            quality,
            quality_mass,
            in_flight: member.in_flight,
            tried,
        };
        let room = group.capacity.room(request.tokens as f64, now);
        let gate = member.health.gate(now);
        drop(group);

        let out = target
            .credential
            .and_then(|index| self.inner.credentials.get(index))
            .and_then(|credential| credential.out_for(self.inner.epoch, now));
        let until = |at: Instant| at.saturating_duration_since(now);
        let (tier, obstacle, free_in) = match room {
            Room::Told(at) => (WALLED, Some(Obstacle::RateLimited(until(at))), until(at)),
            Room::Expected(at) if !self.sole => {
                (WALLED, Some(Obstacle::NoRoom(until(at))), until(at))
            }
            _ if self.sole => (FREE, None, Duration::ZERO),
            _ => match (out, gate) {
                (Some(out), _) => (BROKEN, Some(Obstacle::Unauthorized(out)), Duration::ZERO),
                (None, Gate::Open(at)) => {
                    (BROKEN, Some(Obstacle::Broken(until(at))), Duration::ZERO)
                }
                (None, _) => match room {
                    Room::Ramp(share) if rng.next_f64() >= share => {
                        (RETURNING, Some(Obstacle::Returning), Duration::ZERO)
                    }
                    _ => (FREE, None, Duration::ZERO),
                },
            },
        };
        let tier = if tried && tier < WALLED {
            after_trying(tier)
        } else {
            tier
        };
        let obstacle = obstacle.or(tried.then_some(Obstacle::Tried));
        self.candidates.push(candidate);
        self.standings.push(Standing {
            target: id,
            tier,
            obstacle,
            free_in,
        });
    }

    /// Asks the policy. Its panic is its own: the declared order then decides.
    fn score(&mut self, rng: Rng) {
        self.scores.resize(self.candidates.len(), 0.0);
        let view = View {
            candidates: &self.candidates,
            task: self.request.task,
            session: self.request.session,
            risk_averse: self.request.risk_averse,
            attempts: self.request.attempts,
            now: self.now,
            rng,
        };
        let scores = &mut self.scores;
        let policy = &self.pool.policy;
        if catch_unwind(AssertUnwindSafe(|| policy.score(&view, scores))).is_err() {
            self.inner.counters.policy_panicked();
            for (score, candidate) in self.scores.iter_mut().zip(&self.candidates) {
                *score = -(candidate.rank as f64);
            }
        }
    }

    /// Returns the best candidate that is free, and why it is that one.
    pub(super) fn choose(&self) -> Result<(usize, Reason), Unavailable> {
        let best = self.best().ok_or(UnavailableKind::NoCandidate)?;
        let walled = self
            .standings
            .get(best)
            .is_none_or(|standing| standing.tier == WALLED);
        if !walled {
            return Ok((best, self.reason(best)));
        }
        let least_bad = self
            .least_bad()
            .filter(|_| self.pool.nobody_free == NobodyFree::LeastBad);
        match least_bad {
            Some(index) => Ok((index, Reason::LeastBad)),
            None => Err(Unavailable {
                kind: UnavailableKind::NobodyFree,
                retry_in: self.earliest(),
            }),
        }
    }

    pub(super) fn next(&self) -> Next {
        let tier = self
            .best()
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
    pub(super) fn has_free(&self) -> bool {
        let best = self.best().and_then(|best| self.standings.get(best));
        best.is_some_and(|best| best.tier == FREE)
    }

    pub(super) fn target(&self, index: usize) -> Option<TargetId> {
        self.standings.get(index).map(|standing| standing.target)
    }

    /// Looks again, now that the group is locked: somebody else may have taken the last room.
    pub(super) fn still_fits(&self, index: usize, group: &Group, now: Instant) -> bool {
        let tier = self
            .standings
            .get(index)
            .map_or(FREE, |standing| standing.tier);
        let planned = tier == WALLED;
        let slot = self
            .target(index)
            .and_then(|id| self.inner.targets.get(id.0 as usize));
        let member = slot.and_then(|target| group.members.get(target.slot));
        let broken = member.is_some_and(|member| matches!(member.health.gate(now), Gate::Open(_)));
        if broken && tier < BROKEN && !self.sole {
            return false;
        }
        match group.capacity.room(self.request.tokens as f64, now) {
            Room::Told(_) => false,
            Room::Expected(_) => self.sole || planned,
            _ => true,
        }
    }

    fn best(&self) -> Option<usize> {
        let mut best: Option<(usize, u8, f64)> = None;
        for (index, (standing, score)) in self.standings.iter().zip(&self.scores).enumerate() {
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

fn after_trying(tier: u8) -> u8 {
    match tier {
        FREE => TRIED,
        RETURNING => RETURNING_TRIED,
        _ => BROKEN_TRIED,
    }
}
