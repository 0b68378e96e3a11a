use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::{Inner, TargetEntry};
use crate::stats::{Capacity, Condition, Gate, Room};

/// Below this health a target is degraded: of ten attempts one fails, or more.
const DEGRADED: f64 = 0.9;

/// How a target is doing, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Nothing is the matter.
    Healthy,
    /// It fails or is late too often, and still serves.
    Degraded,
    /// It is at its provider's limit: rate limited, or about to be.
    Walled,
    /// It is coming back, by a probe or by a growing share of the traffic.
    Probing,
    /// It serves nothing: taken out by hand, its breaker open, or its credential refused.
    Out,
}

impl State {
    /// Every state, from the best to the worst.
    pub const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Degraded,
        Self::Probing,
        Self::Walled,
        Self::Out,
    ];

    /// Returns its name, such as `walled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Walled => "walled",
            Self::Probing => "probing",
            Self::Out => "out",
        }
    }
}

impl Inner {
    /// Says how a target is doing, and for how long it will at least, where that is known.
    pub(super) fn state(
        &self,
        target: &TargetEntry,
        capacity: &Capacity,
        condition: &Condition,
        now: Instant,
    ) -> (State, Option<Duration>) {
        let until = |at: Instant| Some(at.saturating_duration_since(now));
        if target.is_drained() {
            return (State::Out, None);
        }
        if let Some(out) = self.refused_for(target, now) {
            return (State::Out, Some(out));
        }
        if let Gate::Open(at) = condition.gate {
            return (State::Out, until(at));
        }
        match capacity.room(0.0, now) {
            Room::Told(at) | Room::Expected(at) if !capacity.is_probing() => {
                (State::Walled, until(at))
            }
            Room::Told(_) | Room::Expected(_) | Room::Probe | Room::Ramp(_) => {
                (State::Probing, None)
            }
            Room::Free if condition.gate == Gate::Probe => (State::Probing, None),
            Room::Free if condition.health < DEGRADED => (State::Degraded, None),
            Room::Free => (State::Healthy, None),
        }
    }

    /// Returns for how long a target's credential is out of rotation.
    pub(super) fn refused_for(&self, target: &TargetEntry, now: Instant) -> Option<Duration> {
        self.credentials
            .get(target.credential?)?
            .state
            .out_for(self.epoch, now)
    }
}
