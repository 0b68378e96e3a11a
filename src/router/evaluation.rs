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
    group::{Group, Member},
    ticket::Plan,
};
use crate::{
    policy::{Candidate, Rng, View},
    stats::{Belief, Condition, Forecast, Gate, Room, TaskKey},
};

/// A chance to be healthy and in time below this is worth a probe, when one is due.
const WORTH_A_PROBE: f64 = 0.9;
/// Answers in time that every target is credited with: they tell where nothing recent does.
const FORGIVEN: f64 = 2.0;
/// The share of requests that may go to a target which was idle for long, and for how long.
const CANARIES: f64 = 0.005;
const IDLE: Duration = Duration::from_secs(20);
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
    pub(super) belief: Belief,
    idle: Duration,
    /// How long the answer should take at most, where that is known.
    due_in: Option<Forecast>,
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
        let mut evaluation = Evaluation {
            name,
            pool,
            inner: self,
            request,
            now,
            number,
            task: self.task_key(request),
            feedback: 0.0,
            candidates: SmallVec::new(),
            standings: SmallVec::new(),
            scores: SmallVec::new(),
            // That nobody else is there is no reason to bother a failing target with a copy.
            sole: eligible.len() == 1 && !request.shadow,
        };
        let beliefs = evaluation.beliefs(&eligible);
        let mut chance = Rng::new(self.seed ^ CHANCE, number);
        for (index, belief) in eligible.into_iter().zip(beliefs) {
            if let Some(target) = self.targets.get(index as usize) {
                evaluation.add(TargetId(index), target, belief, &mut chance);
            }
        }
        evaluation.forgive();
        evaluation.stick();
        evaluation.score();
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
    /// Reads what is believed of the quality of each target on this task.
    fn beliefs(&mut self, eligible: &[u32]) -> SmallVec<[Belief; 8]> {
        let quality = self.pool.quality();
        self.feedback = quality.feedback(self.now);
        let reader = quality.read(self.task, self.now);
        let first = self.pool.targets.start;
        eligible
            .iter()
            .map(|index| reader.belief((*index as usize).saturating_sub(first)))
            .collect()
    }

    fn add(&mut self, id: TargetId, target: &'a TargetEntry, belief: Belief, chance: &mut Rng) {
        let (request, now) = (self.request, self.now);
        let broken = self.inner.broken_around(target);
        let mut group = self.inner.group(target.group);
        // A target may break by silence alone, with nothing that settles.
        self.inner.note_broken(target, &mut group, now);
        let Some(room) = group.room(target.slot, request, now) else {
            return;
        };
        let Some(member) = group.members.get_mut(target.slot) else {
            return;
        };
        let tried = request.tried.contains(&id);
        let condition = member.condition(broken, now);
        let due_in = forecast(member, request);
        let objective = target.objective.or(self.pool.objective);
        let left = objective.map(|objective| objective.saturating_sub(request.elapsed));
        let in_time = match (left, &due_in) {
            (Some(left), Some(forecast)) => {
                let in_time = forecast.within(left);
                // What is slower than usual is found out by a probe, and what is slow as a rule by
                // forgetting: in a while it may be worth it all the same.
                if in_time < WORTH_A_PROBE * condition.usually_in_time {
                    in_time
                } else {
                    let recent = recent(member, request, now);
                    (in_time * recent + FORGIVEN) / (recent + FORGIVEN)
                }
            }
            _ => 1.0,
        };
        let at_best = condition.at_best * condition.usually_in_time;
        let doubtful = condition.in_doubt || condition.health * in_time < WORTH_A_PROBE * at_best;
        let probe = condition.probe_due && doubtful && !tried;
        let (health, in_time) = if probe {
            (condition.at_best, condition.usually_in_time)
        } else {
            (condition.health, in_time)
        };
        let cap = request.max_output_tokens;
        let cost = target.price.map_or(0.0, |price| {
            price.of(request.prompt_tokens as f64, member.pace.length(cap))
        });
        let (latency, is_fresh) = if request.stream {
            let known = &member.first_content;
            (known.typical(), known.is_fresh(now))
        } else {
            (member.pace.typical(), member.pace.is_fresh(now))
        };
        let candidate = Candidate {
            health,
            health_mass: condition.mass,
            quality: belief.quality,
            quality_sd: belief.sd,
            exploring_sd: belief.exploring_sd,
            quality_mass: belief.cell_mass,
            validity: belief.validity,
            in_time,
            latency,
            cost,
            preference: target.preference.or(self
                .pool
                .preference
                .map(|per_rank| per_rank * target.rank as f64)),
            weight: target.weight,
            in_flight: member.in_flight,
            tried,
            ..Candidate::new(&target.name, &target.model, target.rank)
        };
        let idle = now.saturating_duration_since(member.picked);
        drop(group);

        let (tier, obstacle, free_in) = self.tier(target, room, &condition, chance);
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
            probe,
            belief,
            idle,
            due_in,
            is_fresh: is_fresh && !probe,
            bonus: 0.0,
        });
    }

    /// Says whether a target may serve now, and if not, why and until when.
    fn tier(
        &self,
        target: &TargetEntry,
        room: Room,
        condition: &Condition,
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
            _ => match (out, condition.gate) {
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
        let price = entry.and_then(|entry| entry.price).unwrap_or_default();
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

    /// What an attempt on a candidate is begun with.
    pub(super) fn plan(&self, index: usize) -> Plan {
        let standing = self.standings.get(index);
        let forecast = standing.and_then(|standing| standing.due_in.as_ref());
        Plan {
            task: self.task,
            probe: standing.is_some_and(|standing| standing.probe),
            late: forecast.map(Forecast::late),
            outlying: forecast.map(Forecast::outlying),
            objective: standing
                .and_then(|standing| self.inner.targets.get(standing.target.0 as usize))
                .and_then(|target| target.objective)
                .or(self.pool.objective),
        }
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

    /// Looks again, now that the group is locked: somebody else may have taken the last room, or
    /// the place of the probe.
    pub(super) fn still_fits(&self, index: usize, group: &mut Group, now: Instant) -> bool {
        let Some(standing) = self.standings.get(index) else {
            return false;
        };
        let target = self.inner.targets.get(standing.target.0 as usize);
        let member = target.and_then(|target| group.members.get_mut(target.slot));
        if let Some(member) = member.filter(|_| !self.sole) {
            let condition = member.health.condition(false, now);
            let broken = matches!(condition.gate, Gate::Open(_)) && standing.tier < BROKEN;
            if broken || (standing.probe && !condition.probe_due) {
                return false;
            }
        }
        let room = target.and_then(|target| group.room(target.slot, self.request, now));
        match room {
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

/// How long the answer to a request will take: to the first content of a stream, else to the end.
fn forecast(member: &Member, request: &PickRequest<'_>) -> Option<Forecast> {
    if request.stream {
        member.first_content.forecast()
    } else {
        member.pace.forecast(request.max_output_tokens)
    }
}

/// How many recent answers that rests on.
fn recent(member: &Member, request: &PickRequest<'_>, now: Instant) -> f64 {
    if request.stream {
        member.first_content.recent(now)
    } else {
        member.pace.recent(now)
    }
}

fn after_trying(tier: u8) -> u8 {
    match tier {
        FREE => TRIED,
        RETURNING => RETURNING_TRIED,
        _ => BROKEN_TRIED,
    }
}
