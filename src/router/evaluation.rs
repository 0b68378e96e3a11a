use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    Inner, Name, NobodyFree, PickRequest, PoolEntry, TargetEntry, TargetId, Unavailable,
    decision::{Obstacle, Reason},
    error::UnavailableKind,
    group::{Group, tokens},
    posted::{FRESH, nanos},
    ticket::Plan,
};
use crate::{
    policy::{Candidate, Rng, View},
    stats::{Belief, Forecast, Gate, Room, TaskKey, remains},
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
/// The share of a prompt's price that its cache saves.
const CACHED: f64 = 0.5;
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

/// What is found of a target, posted or under its group's lock.
#[derive(Clone, Copy, Debug)]
struct Found {
    room: Room,
    gate: Gate,
    health: f64,
    health_mass: f64,
    in_time: f64,
    /// Whether its latency rests on recent answers.
    is_fresh: bool,
    probe: bool,
    /// Tokens that the answer is expected to have.
    length: f64,
    latency: Option<Duration>,
    in_flight: u32,
    /// Nanoseconds since it was picked.
    idle: u64,
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
    /// named model and those declared after it.
    pub(super) fn reachable<'a>(
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
        let upstream = target.upstream.as_deref();
        match (request.dialect, upstream) {
            (Some(dialect), Some(upstream)) if !upstream.speaks(dialect) => Some(Obstacle::Dialect),
            _ => None,
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
        }
    }

    /// Looks at every target that may serve the request.
    pub(super) fn look(&mut self) -> Result<(), Unavailable> {
        let inner = self.inner;
        let eligible: SmallVec<[u32; 8]> = inner
            .reachable(self.name, self.pool)
            .filter(|(_, target)| inner.excluded(target, self.name, self.request).is_none())
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .collect();
        if eligible.is_empty() {
            return Err(UnavailableKind::NoCandidate.into());
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
                .get()
                .of(request.prompt_tokens as f64, found.length),
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

    /// Reads what is posted of a target, where that is all that there is to know.
    fn posted(&self, target: &TargetEntry, tried: bool, at: u64) -> Option<Found> {
        let (inner, request) = (self.inner, self.request);
        let cap = request.max_output_tokens;
        let objective = inner.objective(target);
        let usual = request.elapsed.is_zero() && (request.stream || cap.is_none());
        if !(objective.is_none() || usual) || inner.broken_around(target).0 > 0 {
            return None;
        }
        let seen = target.posted.read(request.stream, at)?;
        let room = inner.rooms.get(target.group)?.get();
        if tokens(request, &seen.lengths) >= room {
            return None;
        }
        let condition = seen.health.condition(seen.since);
        let at_best = condition.at_best * condition.usually_in_time;
        if condition.health * seen.in_time < WORTH_A_PROBE * at_best && !tried {
            return None;
        }
        Some(Found {
            room: Room::Free,
            gate: Gate::Closed,
            health: condition.health,
            health_mass: condition.mass,
            in_time: if seen.in_time < 1.0 {
                forgiven(seen.in_time, seen.recent(), objective)
            } else {
                seen.in_time
            },
            is_fresh: seen.is_fresh,
            probe: false,
            length: seen.lengths.expected(cap),
            latency: seen.typical,
            in_flight: seen.in_flight,
            idle: seen.idle,
        })
    }

    /// Looks at a target under the lock of its group, and posts what it finds.
    fn locked(&self, target: &TargetEntry, tried: bool) -> Option<Found> {
        let (inner, request, now) = (self.inner, self.request, self.now);
        let mut group = inner.group(target.group);
        // A target may break by silence alone, with nothing that settles.
        inner.note_broken(target, &mut group, now);
        let broken = inner.broken_around(target);
        let room = group.room(target.slot, request, now)?;
        inner.post(target, &mut group, now);
        let member = group.members.get_mut(target.slot)?;
        let condition = member.condition(broken, now);
        let cap = request.max_output_tokens;
        let objective = inner.objective(target);
        let in_time = objective.map_or(1.0, |objective| {
            let left = objective.saturating_sub(request.elapsed);
            member.in_time(request.stream, cap, left)
        });
        let (mass, last) = member.rests_on(request.stream);
        let recent = remains(mass, now.saturating_duration_since(last).as_secs_f64());
        // What is slower than usual is found out by a probe, and what is slow as a rule by
        // forgetting: in a while it may be worth it all the same.
        let in_time = if in_time < WORTH_A_PROBE * condition.usually_in_time {
            in_time
        } else {
            forgiven(in_time, recent, objective)
        };
        let at_best = condition.at_best * condition.usually_in_time;
        let doubtful = condition.in_doubt || condition.health * in_time < WORTH_A_PROBE * at_best;
        let probe = doubtful && !tried && member.health.is_probe_due(now);
        let (health, in_time) = if probe {
            (condition.at_best, condition.usually_in_time)
        } else {
            (condition.health, in_time)
        };
        Some(Found {
            room,
            gate: condition.gate,
            health,
            health_mass: condition.mass,
            in_time,
            is_fresh: recent >= FRESH,
            probe,
            length: member.pace.length(cap),
            latency: member.typical(request.stream),
            in_flight: member.in_flight,
            idle: nanos(member.picked, now),
        })
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
        let out = target
            .credential
            .and_then(|index| self.inner.credentials.get(index))
            .and_then(|credential| credential.out_for(self.inner.epoch, now));
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
        let Some(target) = self.inner.sessions.find(key) else {
            return;
        };
        let at = self.standings.iter().position(|one| one.target.0 == target);
        let Some(standing) = at.and_then(|at| self.standings.get_mut(at)) else {
            return;
        };
        let entry = self.inner.targets.get(target as usize);
        let price = entry.map(|entry| entry.price.get()).unwrap_or_default();
        let cached = CACHED * price.of(self.request.prompt_tokens as f64, 0.0);
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
            self.inner.counters.policy_panicked();
            for (score, candidate) in scores.iter_mut().zip(&self.candidates) {
                *score = -(candidate.rank as f64);
            }
        }
        for (score, standing) in scores.iter_mut().zip(&self.standings) {
            *score += standing.bonus;
        }
    }

    /// Returns the best candidate that is free, and why it is that one.
    pub(super) fn choose(&self) -> Result<(usize, Reason), Unavailable> {
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
                kind: UnavailableKind::NobodyFree,
                retry_in: self.earliest(),
            }),
        }
    }

    /// What an attempt on a candidate is begun with, where it still fits now that its group is
    /// locked.
    pub(super) fn plan(&self, index: usize, group: &mut Group, now: Instant) -> Option<Plan> {
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

    pub(super) fn next(&self) -> Next {
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
    pub(super) fn has_free(&self) -> bool {
        let best = self.best(&self.scores);
        best.and_then(|best| self.standings.get(best))
            .is_some_and(|best| best.tier == FREE)
    }

    /// Returns whether the next target would be one that was not tried and is not believed to
    /// answer worse than `failed` does.
    pub(super) fn has_better_than(&self, failed: TargetId) -> bool {
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

    pub(super) fn target(&self, index: usize) -> Option<TargetId> {
        self.standings.get(index).map(|standing| standing.target)
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

    pub(super) fn best(&self, scores: &[f64]) -> Option<usize> {
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

/// The chance of an answer within the objective, given the answers that it rests on.
fn forgiven(in_time: f64, recent: f64, objective: Option<Duration>) -> f64 {
    match objective {
        Some(_) => (in_time * recent + FORGIVEN) / (recent + FORGIVEN),
        None => 1.0,
    }
}

fn after_trying(tier: u8) -> u8 {
    match tier {
        FREE => TRIED,
        RETURNING => RETURNING_TRIED,
        _ => BROKEN_TRIED,
    }
}
