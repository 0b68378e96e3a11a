use std::collections::VecDeque;

use super::{ATTEMPTS, End, Failure, Policy, Step, Turn};
use crate::setting::Setting;

/// LiteLLM 1.109 with a router strategy: any deployment, or the one with the lowest latency, among
/// those that do not cool down. A failed call may be tried again where it failed.
struct LiteLlm {
    by_latency: bool,
    models: Vec<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    cools_until_s: f64,
    latencies: VecDeque<f64>,
    /// Of the clock minute.
    minute: f64,
    calls: f64,
    failures: f64,
}

/// After a 429 that names no wait, and after too many failures.
const COOLDOWN_S: f64 = 5.0;
/// Latencies that the mean is taken of.
const LATENCIES: usize = 10;
/// What a timeout counts as.
const TIMEOUT_S: f64 = 1000.0;
/// Calls in a minute before their failures count.
const LEAST_CALLS: f64 = 5.0;
const MOST_FAILURES: f64 = 0.5;

pub(super) fn shuffle(setting: &Setting) -> Box<dyn Policy> {
    make(setting, false)
}

pub(super) fn latency(setting: &Setting) -> Box<dyn Policy> {
    make(setting, true)
}

fn make(setting: &Setting, by_latency: bool) -> Box<dyn Policy> {
    Box::new(LiteLlm {
        by_latency,
        models: vec![Known::default(); setting.models.len()],
    })
}

impl Known {
    fn latency_s(&self) -> f64 {
        let n = self.latencies.len().max(1) as f64;
        self.latencies.iter().sum::<f64>() / n
    }
}

impl Policy for LiteLlm {
    fn next(&mut self, turn: &Turn<'_>) -> Step {
        if turn.failed.len() >= ATTEMPTS {
            return Step::GiveUp;
        }
        let all = self.models.iter().enumerate();
        let mut free: Vec<usize> = all
            .filter(|(_, known)| known.cools_until_s <= turn.now_s)
            .map(|(model, _)| model)
            .collect();
        if self.by_latency {
            let latency_s = |model: &usize| self.models[*model].latency_s();
            let least = free.iter().map(latency_s).fold(f64::INFINITY, f64::min);
            free.retain(|model| latency_s(model) <= least);
        }
        if free.is_empty() {
            return Step::GiveUp;
        }
        Step::Call(free[turn.draws().below(free.len())])
    }

    fn ends(&mut self, end: &End) {
        let known = &mut self.models[end.model];
        let minute = (end.now_s / 60.0).floor();
        if known.minute != minute {
            (known.minute, known.calls, known.failures) = (minute, 0.0, 0.0);
        }
        known.calls += 1.0;
        known.failures += f64::from(u8::from(end.failure.is_some()));
        let latency_s = match end.failure {
            None => Some(end.latency_s),
            Some(Failure::Timeout) => Some(TIMEOUT_S),
            Some(_) => None,
        };
        if let Some(latency_s) = latency_s {
            known.latencies.push_back(latency_s);
            if known.latencies.len() > LATENCIES {
                known.latencies.pop_front();
            }
        }
        let cooldown_s = match end.failure {
            None => return,
            Some(Failure::RateLimited { retry_after_s }) => retry_after_s.unwrap_or(COOLDOWN_S),
            Some(_)
                if known.calls >= LEAST_CALLS && known.failures / known.calls > MOST_FAILURES =>
            {
                COOLDOWN_S
            }
            Some(_) => return,
        };
        known.cools_until_s = known.cools_until_s.max(end.now_s + cooldown_s);
    }
}
