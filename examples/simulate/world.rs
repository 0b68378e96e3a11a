//! The provider, and what became of every request.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    bucket::{Buckets, Room},
    draws::{Draws, Use},
    setting::Setting,
    traffic::{Request, requests},
};

/// One cell of a benchmark: a scenario, played with one seed to one policy.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) setting: Arc<Setting>,
    pub(crate) seed: u64,
    pub(crate) requests: Vec<Request>,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    buckets: Vec<Buckets>,
    records: Vec<Record>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    /// The model of the first attempt.
    pub(crate) first: Option<usize>,
    pub(crate) attempts: u32,
    /// Attempts that brought an answer.
    pub(crate) answers: u32,
    pub(crate) usd: f64,
    pub(crate) delivered: Option<Delivered>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    /// Seconds from arrival.
    pub(crate) after_s: f64,
    pub(crate) model: usize,
    pub(crate) right: bool,
}

/// What the provider does with one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) after_s: f64,
    pub(crate) what: What,
    /// What its limit headers say, if it sends any.
    pub(crate) room: Option<Room>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    RateLimited {
        retry_after_s: Option<f64>,
    },
    /// No answer ever comes, or later than the client waits.
    Silence,
    ServerError,
    Answer {
        right: bool,
    },
}

/// The longest wait a provider asks for, where its limit is as good as nothing.
const LONGEST_WAIT_S: f64 = 3600.0;

impl World {
    pub(crate) fn new(setting: Arc<Setting>, seed: u64) -> Self {
        let requests = requests(&setting, seed);
        let models = setting.models.iter();
        let state = State {
            buckets: models
                .map(|model| Buckets::new(model.limits, &model.script))
                .collect(),
            records: vec![Record::default(); requests.len()],
        };
        Self {
            setting,
            seed,
            requests,
            start: Instant::now(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub(crate) fn instant(&self, at_s: f64) -> Instant {
        self.start + Duration::from_secs_f64(at_s)
    }

    pub(crate) fn into_records(self) -> Vec<Record> {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).records
    }

    /// Returns the seconds until a model would let a request in; 0 if it would now.
    pub(crate) fn wait_s(&self, request: usize, model: usize, now_s: f64) -> f64 {
        let tokens = self.requests[request].input_tokens + self.requests[request].output_tokens;
        let buckets = &mut self.state().buckets[model];
        buckets.refill(&self.setting.models[model].script, now_s);
        buckets.wait_s(tokens)
    }

    /// Plays one call. The output tokens are charged when the call begins, as providers do that count
    /// what a request may need against its limit.
    pub(crate) fn call(&self, index: usize, attempt: usize, model: usize) -> Reply {
        let now_s = self.now_s();
        let request = &self.requests[index];
        let of = &self.setting.models[model];
        let now = of.script.at(now_s);
        let mut draws = Draws::new(self.seed, Use::Provider, [index, attempt, model]);
        let tokens = request.input_tokens + request.output_tokens;

        let mut state = self.state();
        let State { buckets, records } = &mut *state;
        let (buckets, record) = (&mut buckets[model], &mut records[index]);
        record.first.get_or_insert(model);
        record.attempts += 1;
        buckets.refill(&of.script, now_s);
        let wait_s = buckets.wait_s(tokens);
        if wait_s <= 0.0 {
            buckets.take(tokens);
        }
        let room = of.sends_limit_headers.then(|| buckets.room());
        let reply = |after_s, what| Reply {
            after_s,
            what,
            room,
        };

        // Every number is drawn whether it is needed or not, so that one event does not change
        // the luck of what comes after it.
        let refusal_s = draws.between(0.05, 0.30);
        let hangs = draws.chance(now.hang);
        let fails = draws.chance(now.error);
        let failure_s = draws.between(0.3, 1.5);
        let speed = of.speeds[draws.below(of.speeds.len())];
        let drops = draws.chance(now.quality_drop);

        if wait_s > 0.0 {
            let asked = wait_s.ceil().clamp(1.0, LONGEST_WAIT_S);
            let retry_after_s = of.sends_retry_after.then_some(asked);
            return reply(refusal_s, What::RateLimited { retry_after_s });
        }
        if hangs {
            return reply(self.setting.timeout_s, What::Silence);
        }
        if fails {
            return reply(failure_s, What::ServerError);
        }
        let latency_s = speed.latency_s(request.output_tokens) * now.latency;
        if latency_s > self.setting.timeout_s {
            return reply(self.setting.timeout_s, What::Silence);
        }
        let usd = of.usd(request.input_tokens, request.output_tokens, now_s);
        record.answers += 1;
        record.usd += usd;
        let right = of.right[request.question] && !drops;
        reply(latency_s, What::Answer { right })
    }

    /// Notes that a request got its answer now.
    pub(crate) fn deliver(&self, index: usize, model: usize, right: bool) {
        let after_s = self.now_s() - self.requests[index].at_s;
        self.state().records[index].delivered = Some(Delivered {
            after_s,
            model,
            right,
        });
    }

    /// Returns what the caller says of an answer, and how long after it.
    pub(crate) fn score(&self, index: usize, right: bool) -> Option<(f64, Duration)> {
        let feedback = &self.setting.feedback;
        let after_s = self.requests[index].scored_after_s?;
        if feedback.only_wrong && right {
            return None;
        }
        let score = feedback.fixed.unwrap_or(f64::from(u8::from(right)));
        Some((score, Duration::from_secs_f64(after_s)))
    }
}
