use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Repeats that every call pays in for: at total failure there are at most this many per call.
const PER_CALL: f64 = 0.2;
/// Repeats per second that are free, so that a client with little traffic can fail over, too.
const RESERVE: f64 = 10.0;
/// What calls pay in is forgotten with this time constant: a quiet, healthy hour does not save up
/// for a storm.
const MEMORY_S: f64 = 10.0;

/// A token bucket for repeats.
///
/// A repeat costs one token and gets it back when it succeeds. Failing over to a healthy target is
/// thus free, while at total failure attempts stay within 1.2 per call and ten per second.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    /// Decayed count of recent calls, which bounds what can be saved up.
    calls: f64,
    at: Option<Instant>,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                tokens: RESERVE,
                calls: 0.0,
                at: None,
            }),
        }
    }

    /// Notes a call.
    pub(super) fn deposit(&self, now: Instant) {
        self.with(now, |state| {
            state.calls += 1.0;
            state.tokens = (state.tokens + PER_CALL).min(state.cap());
        });
    }

    /// Takes a token for a repeat, if there is one.
    pub(super) fn withdraw(&self, now: Instant) -> bool {
        self.with(now, |state| {
            let granted = state.tokens >= 1.0;
            if granted {
                state.tokens -= 1.0;
            }
            granted
        })
    }

    /// Gives a token back: the repeat succeeded.
    pub(super) fn refund(&self, now: Instant) {
        self.with(now, |state| {
            state.tokens = (state.tokens + 1.0).min(state.cap());
        });
    }

    fn with<T>(&self, now: Instant, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let dt = state
            .at
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        state.calls *= (-dt / MEMORY_S).exp();
        state.tokens = (state.tokens + RESERVE * dt).min(state.cap());
        state.at = Some(state.at.map_or(now, |at| at.max(now)));
        f(&mut state)
    }
}

impl State {
    fn cap(&self) -> f64 {
        RESERVE + PER_CALL * self.calls
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn f35_at_total_failure_attempts_stay_within_the_budget() {
        for rate in [1_u32, 10, 100, 1000] {
            let t0 = Instant::now();
            let budget = Budget::new();
            let seconds = 60;
            let mut attempts = 0_u32;
            for n in 0..rate * seconds {
                let now = t0 + Duration::from_secs(1) * n / rate;
                budget.deposit(now);
                attempts += 1;
                for _ in 0..2 {
                    attempts += u32::from(budget.withdraw(now));
                }
            }
            let most = f64::from(rate * seconds) * 1.2 + 10.0 * f64::from(seconds + 1);
            assert!(f64::from(attempts) <= most, "{rate}: {attempts} > {most}");
        }
    }

    #[test]
    fn failing_over_to_a_healthy_target_is_never_blocked() {
        let t0 = Instant::now();
        let budget = Budget::new();
        for n in 0..10_000_u32 {
            let now = t0 + Duration::from_millis(1) * n;
            budget.deposit(now);
            assert!(budget.withdraw(now), "call {n}");
            budget.refund(now);
        }
    }

    #[test]
    fn a_burst_in_flight_finds_what_recent_calls_paid_in() {
        let t0 = Instant::now();
        let budget = Budget::new();
        for n in 0..10_000_u32 {
            budget.deposit(t0 + Duration::from_millis(1) * n);
        }
        let now = t0 + Duration::from_secs(10);
        let granted = (0..2_000).filter(|_| budget.withdraw(now)).count();
        assert!(granted > 1_000, "{granted}");
    }
}
