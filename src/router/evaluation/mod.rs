mod choice;
mod found;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    Inner, Name, PickRequest, PoolEntry, TargetEntry, TargetId, Unavailable, decision::Obstacle,
    error::UnavailableKind, posted::nanos,
};
use crate::{
    policy::{Candidate, Rng, View},
    stats::{Belief, Gate, Room, TaskKey},
};

/// A chance to be healthy and in time below this is worth a probe, when one is due.
const WORTH_A_PROBE: f64 = 0.9;
/// Answers in time that every target is credited with: they tell where nothing recent does.
const FORGIVEN: f64 = 2.0;
/// The share of requests that may go to a target which was idle for long, and for how many
/// nanoseconds.
const CANARIES: f64 = 0.005;
const IDLE: u64 = 20_000_000_000;
/// Scores in a pool from which on its canaries fly.
const SCORED: f64 = 1.0;
/// What leaving a session's target costs, in expected score, beside the price of its cached tokens.
const SWITCHING: f64 = 0.02;
/// What two targets may differ by that are believed to be as good as each other: the declared order
/// alone makes the next one look a little worse.
const NO_WORSE: f64 = 0.05;
/// Sets the randomness of sessions and canaries apart from that of the scores.
const SESSIONS: u64 = 0x5E55_1055_0000_0001;
const CHANCE: u64 = 0xC4A2_C40F_FEE5_0001;

/// The state of the targets that may serve a request, at one moment.
pub(super) struct Evaluation<'a> {
    pub(super) name: &'a Name,
    pub(super) pool: &'a PoolEntry,
    pub(super) inner: &'a Inner,
    pub(super) request: &'a PickRequest<'a>,
    pub(super) now: Instant,
    pub(super) number: u64,
    pub(super) task: TaskKey,
    pub(super) feedback: f64,
    pub(super) candidates: SmallVec<[Candidate<'a>; 8]>,
    pub(super) standings: SmallVec<[Standing; 8]>,
    pub(super) scores: SmallVec<[f64; 8]>,
    sole: bool,
    /// Some targets are left out for what they refused before.
    spares: bool,
}

/// What stands against a candidate, and what is known beyond what a policy sees.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) target: TargetId,
    tier: u8,
    pub(super) obstacle: Option<Obstacle>,
    /// When it is free, where the tier is [`WALLED`].
    free_in: Duration,
    /// It is taken at its best: what is held against it is old, and the attempt will tell.
    pub(super) probe: bool,
    /// Nanoseconds since it was picked.
    idle: u64,
    /// What is known of its latency still holds.
    is_fresh: bool,
    bonus: f64,
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
    /// Weighs the targets that may serve the request.
    pub(super) fn evaluate<'a>(
        &'a self,
        request: &'a PickRequest<'a>,
        name: &'a Name,
        number: u64,
        now: Instant,
    ) -> Result<Evaluation<'a>, Unavailable> {
        let mut evaluation = Evaluation::new(self, request, name, self.pool(name)?, number, now);
        evaluation.look()?;
        Ok(evaluation)
    }

    /// The targets that the requested name reaches: all of the pool for its own name, else the
    /// named model and those declared after it; and the target that the pool is pinned to.
    pub(super) fn reachable<'a>(
        &'a self,
        name: &Name,
        pool: &'a PoolEntry,
    ) -> impl Iterator<Item = (usize, &'a TargetEntry)> + use<'a> {
        let skip = if name.alias || pool.upgrade {
            0
        } else {
            pool.pinned
                .rank()
                .map_or(name.rank, |pinned| pinned.min(name.rank))
        };
        pool.targets
            .clone()
            .skip(skip)
            .filter_map(|index| self.targets.get(index).map(|target| (index, target)))
    }

    /// What rules a target out whatever its state.
    pub(super) fn excluded(
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
        if target.is_drained() {
            return Some(Obstacle::Drained);
        }
        if self.is_pinned_away(target) {
            return Some(Obstacle::Pinned);
        }
        let upstream = target.upstream.as_deref();
        if let (Some(dialect), Some(upstream)) = (request.dialect, upstream)
            && !upstream.takes(dialect, request.operation)
        {
            let operation = request.operation.filter(|_| upstream.takes(dialect, None));
            return Some(operation.map_or(Obstacle::Dialect, Obstacle::Operation));
        }
        if request.bound && self.home(name, request) != Some(target.fit.compatibility) {
            return Some(Obstacle::Bound);
        }
        target.fit.refuses(request)
    }

    /// Says what stands against every target that a name reaches.
    fn unserved(&self, name: &Name, pool: &PoolEntry, request: &PickRequest<'_>) -> Unavailable {
        let obstacles = self.reachable(name, pool).filter_map(|(_, target)| {
            let obstacle = self.excluded(target, name, request)?;
            Some((Arc::clone(&target.name), obstacle))
        });
        Unavailable {
            obstacles: obstacles.collect(),
            ..UnavailableKind::NoCandidate.into()
        }
    }
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        request: &'a PickRequest<'a>,
        name: &'a Name,
        pool: &'a PoolEntry,
        number: u64,
        now: Instant,
    ) -> Self {
        Self {
            name,
            pool,
            inner,
            request,
            now,
            number,
            task: inner.task_key(request),
            feedback: 0.0,
            candidates: SmallVec::new(),
            standings: SmallVec::new(),
            scores: SmallVec::new(),
            sole: false,
            spares: false,
        }
    }

    /// Looks at every target that may serve the request.
    pub(super) fn look(&mut self) -> Result<(), Unavailable> {
        let inner = self.inner;
        let mut may_shun = false;
        let mut eligible: SmallVec<[u32; 8]> = inner
            .reachable(self.name, self.pool)
            .filter(|(_, target)| inner.excluded(target, self.name, self.request).is_none())
            .inspect(|(_, target)| may_shun |= target.fit.may_shun(self.request))
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .collect();
        if eligible.is_empty() {
            return Err(inner.unserved(self.name, self.pool, self.request));
        }
        if may_shun {
            self.spare(&mut eligible);
        }
        // That nobody else is there is no reason to bother a failing target with a copy.
        self.sole = eligible.len() == 1 && !self.request.shadow;
        let mut chance = Rng::new(inner.seed ^ CHANCE, self.number);
        let at = nanos(inner.epoch, self.now);
        self.pool.beliefs.of(self.task, self.now, at, |known| {
            self.feedback = known.feedback;
            for index in eligible {
                let target = inner.targets.get(index as usize);
                let belief = target.and_then(|target| known.beliefs.get(target.rank));
                if let (Some(target), Some(belief)) = (target, belief) {
                    self.add(TargetId(index), target, belief, at, &mut chance);
                }
            }
        });
        self.forgive();
        self.stick();
        self.score();
        Ok(())
    }

    /// Leaves out the targets that would refuse the request by what they refused before, as long as
    /// there are others: what was learned may be wrong.
    fn spare(&mut self, eligible: &mut SmallVec<[u32; 8]>) {
        let (inner, request, now) = (self.inner, self.request, self.now);
        let fits = |index: &u32| {
            let target = inner.targets.get(*index as usize);
            target.is_none_or(|target| target.fit.shuns(request, inner.epoch, now).is_none())
        };
        if eligible.len() > 1 && !eligible.iter().all(fits) && eligible.iter().any(fits) {
            eligible.retain(|index| fits(index));
            self.spares = true;
        }
    }

    /// Says why a target was left out although it is eligible.
    pub(super) fn spared(&self, target: &TargetEntry) -> Option<Obstacle> {
        let shuns = || target.fit.shuns(self.request, self.inner.epoch, self.now);
        self.spares.then(shuns).flatten()
    }

    fn add(
        &mut self,
        id: TargetId,
        target: &'a TargetEntry,
        belief: &Belief,
        at: u64,
        chance: &mut Rng,
    ) {
        let request = self.request;
        let tried = request.tried.contains(&id);
        let found = self.posted(target, tried, at);
        let Some(found) = found.or_else(|| self.locked(target, tried)) else {
            return;
        };
        let candidate = Candidate {
            health: found.health,
            health_mass: found.health_mass,
            quality: belief.quality,
            quality_sd: belief.sd,
            exploring_sd: belief.exploring_sd,
            quality_mass: belief.cell_mass,
            validity: belief.validity,
            in_time: found.in_time,
            latency: found.latency,
            cost: target
                .price
                .expected(request.prompt_tokens as f64, found.length),
            preference: target.preference.or(self
                .pool
                .preference
                .map(|per_rank| per_rank * target.rank as f64)),
            weight: target.weight,
            in_flight: found.in_flight,
            tried,
            ..Candidate::new(&target.name, &target.model, target.rank)
        };
        let (tier, obstacle, free_in) = self.tier(target, found.room, found.gate, chance);
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
            probe: found.probe,
            idle: found.idle,
            is_fresh: found.is_fresh && !found.probe,
            bonus: 0.0,
        });
    }

    /// Says whether a target may serve now, and if not, why and until when.
    fn tier(
        &self,
        target: &TargetEntry,
        room: Room,
        gate: Gate,
        chance: &mut Rng,
    ) -> (u8, Option<Obstacle>, Duration) {
        let now = self.now;
        let until = |at: Instant| at.saturating_duration_since(now);
        let out = self.inner.refused_for(target, now);
        match room {
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
                    Room::Ramp(share) if chance.next_f64() >= share => {
                        (RETURNING, Some(Obstacle::Returning), Duration::ZERO)
                    }
                    _ => (FREE, None, Duration::ZERO),
                },
            },
        }
    }

    /// Takes a preferred target that was slow a while ago for as fast as the fastest: nobody would
    /// find out otherwise that it has become so.
    fn forgive(&mut self) {
        let known = self.candidates.iter().zip(&self.standings);
        let fresh = known.filter(|(_, standing)| standing.is_fresh);
        let known = fresh.filter_map(|(one, _)| Some((one.latency?, one.rank)));
        let Some((fastest, rank)) = known.min() else {
            return;
        };
        for (candidate, standing) in self.candidates.iter_mut().zip(&self.standings) {
            if candidate.rank < rank && !standing.is_fresh {
                candidate.latency = candidate.latency.map(|latency| latency.min(fastest));
            }
        }
    }

    /// Weighs what leaving a session's target costs: its cache, and the sense of a tool loop.
    fn stick(&mut self) {
        let Some(key) = self.request.session_key else {
            return;
        };
        let inner = self.inner;
        let Some(own) = inner.lasting.sessions.find(key) else {
            return;
        };
        let entry = |one: &Standing| inner.targets.get(one.target.0 as usize);
        let is_own = |one: &&mut Standing| entry(one).is_some_and(|it| it.key as u32 == own);
        let Some(standing) = self.standings.iter_mut().find(is_own) else {
            return;
        };
        let entry = entry(standing);
        let prompt = self.request.prompt_tokens as f64;
        let cached = entry.map_or(0.0, |entry| entry.price.saved(prompt));
        standing.bonus = if self.request.tool_loop {
            f64::INFINITY
        } else {
            SWITCHING + self.pool.cost_weight * cached
        };
    }

    /// Asks the policy. Its panic is its own: the declared order then decides.
    fn score(&mut self) {
        let mut scores: SmallVec<[f64; 8]> = SmallVec::from_elem(0.0, self.candidates.len());
        // A session's choice is the same on every instance, whatever their seeds.
        let rng = match self.request.session_key {
            Some(key) => Rng::new(SESSIONS, key),
            None => Rng::new(self.inner.seed, self.number),
        };
        self.score_with(rng, &mut scores);
        self.scores = scores;
    }

    pub(super) fn score_with(&self, rng: Rng, scores: &mut [f64]) {
        let view = View {
            task: self.request.task,
            session: self.request.session,
            risk_averse: self.request.risk_averse,
            attempts: self.request.attempts,
            scores: self.feedback,
            cost_weight: self.pool.cost_weight,
            ..View::new(&self.candidates, rng, self.now)
        };
        let policy = &self.pool.policy;
        if catch_unwind(AssertUnwindSafe(|| policy.score(&view, scores))).is_err() {
            self.inner.lasting.counters.policy_panicked();
            for (score, candidate) in scores.iter_mut().zip(&self.candidates) {
                *score = -(candidate.rank as f64);
            }
        }
        for (score, standing) in scores.iter_mut().zip(&self.standings) {
            *score += standing.bonus;
        }
    }

    pub(super) fn target(&self, index: usize) -> Option<TargetId> {
        self.standings.get(index).map(|standing| standing.target)
    }
}

fn after_trying(tier: u8) -> u8 {
    match tier {
        FREE => TRIED,
        RETURNING => RETURNING_TRIED,
        _ => BROKEN_TRIED,
    }
}
