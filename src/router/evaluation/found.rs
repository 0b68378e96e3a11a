use std::time::Duration;

use super::{Evaluation, FORGIVEN, WORTH_A_PROBE};
use crate::{
    router::{
        TargetEntry,
        group::tokens,
        posted::{FRESH, nanos},
    },
    stats::{Gate, Room, remains},
};

/// What is found of a target, posted or under its group's lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) room: Room,
    pub(super) gate: Gate,
    pub(super) health: f64,
    pub(super) health_mass: f64,
    pub(super) in_time: f64,
    /// Whether its latency rests on recent answers.
    pub(super) is_fresh: bool,
    pub(super) probe: bool,
    /// Tokens that the answer is expected to have.
    pub(super) length: f64,
    pub(super) latency: Option<Duration>,
    pub(super) in_flight: u32,
    /// Nanoseconds since it was picked.
    pub(super) idle: u64,
}

impl Evaluation<'_> {
    /// Reads what is posted of a target, where that is all that there is to know.
    pub(super) fn posted(&self, target: &TargetEntry, tried: bool, at: u64) -> Option<Found> {
        let (inner, request) = (self.inner, self.request);
        let cap = request.max_output_tokens;
        let objective = inner.objective(target);
        let usual = request.elapsed.is_zero() && (request.stream || cap.is_none());
        if !(objective.is_none() || usual) || inner.broken_around(target).0 > 0 {
            return None;
        }
        let seen = target.posted.read(request.stream, at)?;
        let room = inner.groups.get(target.group)?.shared.room.get();
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
    pub(super) fn locked(&self, target: &TargetEntry, tried: bool) -> Option<Found> {
        let (inner, request, now) = (self.inner, self.request, self.now);
        let mut group = inner.group(target.group);
        // A target may break by silence alone, with nothing that settles.
        inner.note_broken(target, &mut group, now);
        let broken = inner.broken_around(target);
        let room = match group.room(target.slot, request, now)? {
            Room::Probe => match inner.may_probe(&mut group, now) {
                Ok(()) => Room::Probe,
                Err(at) => Room::Expected(at),
            },
            room => room,
        };
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
        let due = member.health.is_probe_due(now);
        let asks = (doubtful || condition.gate == Gate::Probe) && !tried && due;
        let half_open = member.health.is_half_open();
        let length = member.pace.length(cap);
        let latency = member.typical(request.stream);
        let (in_flight, idle) = (member.in_flight, nanos(member.picked, now));
        let denied = if asks && half_open && room != Room::Probe {
            inner.may_probe(&mut group, now).err()
        } else {
            None
        };
        let gate = match (condition.gate, denied) {
            (Gate::Probe, Some(at)) => Gate::Open(at),
            (gate, _) => gate,
        };
        let probe = doubtful && !tried && due && denied.is_none();
        let (health, in_time) = if probe {
            (condition.at_best, condition.usually_in_time)
        } else {
            (condition.health, in_time)
        };
        Some(Found {
            room,
            gate,
            health,
            health_mass: condition.mass,
            in_time,
            is_fresh: recent >= FRESH,
            probe,
            length,
            latency,
            in_flight,
            idle,
        })
    }
}

/// The chance of an answer within the objective, given the answers that it rests on.
fn forgiven(in_time: f64, recent: f64, objective: Option<Duration>) -> f64 {
    match objective {
        Some(_) => (in_time * recent + FORGIVEN) / (recent + FORGIVEN),
        None => 1.0,
    }
}
