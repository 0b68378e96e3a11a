use std::time::Duration;

use tower_outcome::{
    Class, Outcome, Verdict,
    classify::{LimitWindow, Limits, Usage},
    policy::Rng,
};

/// How long an attempt may take.
pub(crate) const TIMEOUT: f64 = 30.0;
/// How long a failure, or a refusal, takes.
const FAILING: f64 = 0.1;
/// Ordinary jitter of a latency, as a standard deviation of its logarithm.
const JITTER: f64 = 0.2;

/// How a scripted model answers.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    /// Probability of a server error, and of a silence until the timeout.
    pub(crate) fails: f64,
    pub(crate) hangs: f64,
    /// Probability that an answer is right, and where it is another for some tasks.
    pub(crate) right: f64,
    pub(crate) right_at: Vec<(&'static str, f64)>,
    /// Seconds to the first token, and for each.
    pub(crate) start: f64,
    pub(crate) per_token: f64,
    pub(crate) quota: Option<Quota>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            fails: 0.0,
            hangs: 0.0,
            right: 0.9,
            right_at: Vec::new(),
            start: 0.2,
            per_token: 0.004,
            quota: None,
        }
    }
}

/// A token bucket that the provider refuses by.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    limit: f64,
    /// Refill per second.
    rate: f64,
    level: f64,
    at: Duration,
    /// Whether answers carry limit headers; refusals always name a wait.
    headers: bool,
}

/// What becomes of an attempt.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) class: Class,
    pub(crate) right: bool,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

impl Model {
    /// A model that is right with this probability.
    pub(crate) fn right(right: f64) -> Self {
        Self {
            right,
            ..Self::default()
        }
    }

    /// Answers an attempt that begins at `now`.
    pub(crate) fn answer(
        &mut self,
        task: Option<&str>,
        tokens: u64,
        now: Duration,
        rng: &mut Rng,
    ) -> Answer {
        let (fate, luck, jitter) = (rng.next_f64(), rng.next_f64(), rng.next_normal());
        let refused = self.quota.as_mut().and_then(|quota| quota.take(now));
        let class = match refused {
            Some(_) => Class::RateLimited,
            None if fate < self.fails => Class::ServerError,
            None if fate < self.fails + self.hangs => Class::Timeout,
            None => Class::Success,
        };
        let special = self.right_at.iter().find(|(name, _)| Some(*name) == task);
        let took = match class {
            Class::Success => {
                (self.start + self.per_token * tokens as f64) * (JITTER * jitter).exp()
            }
            Class::Timeout => TIMEOUT,
            _ => FAILING,
        };
        let mut outcome = Outcome::new(Verdict::new(class).with_retry_after(refused));
        if class == Class::Success {
            outcome = outcome.usage(Some(Usage::new(100, tokens)));
        }
        if let Some(quota) = self.quota.as_ref().filter(|quota| quota.headers) {
            outcome = outcome.limits(quota.limits());
        }
        Answer {
            class,
            right: class == Class::Success && luck < special.map_or(self.right, |at| at.1),
            took: Duration::from_secs_f64(took.min(TIMEOUT)),
            outcome,
        }
    }
}

impl Quota {
    /// A full bucket of so many requests, which refills in a minute.
    pub(crate) fn per_minute(limit: f64, headers: bool) -> Self {
        Self {
            limit,
            rate: limit / 60.0,
            level: limit,
            at: Duration::ZERO,
            headers,
        }
    }

    /// Takes one request, or returns the wait.
    fn take(&mut self, now: Duration) -> Option<Duration> {
        let dt = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + dt * self.rate).min(self.limit);
        self.at = self.at.max(now);
        if self.level >= 1.0 {
            self.level -= 1.0;
            return None;
        }
        // In whole seconds, as most providers say it.
        Some(Duration::from_secs_f64(
            ((1.0 - self.level) / self.rate).ceil(),
        ))
    }

    fn limits(&self) -> Limits {
        let mut window = LimitWindow::default();
        window.limit = Some(self.limit as u64);
        window.remaining = Some(self.level as u64);
        let mut limits = Limits::default();
        limits.requests = Some(window);
        limits
    }
}
