use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio::time::Instant;
use tower_outcome::{
    Class, OutcomeId, OutcomeRouter, PickRequest, Pool, Score, Ticket,
    policy::Rng,
    router::{Clock, SystemClock, TargetId},
};

use super::{
    clock::Start,
    log::Attempt,
    provider::{Answer, Model},
};

/// Attempts per request.
const ATTEMPTS: usize = 3;
/// How long after its answer a score is reported.
const SCORED_AFTER: f64 = 5.0;
/// How long a request waits for a target.
const PATIENCE: f64 = 10.0;

/// Scripted providers, a stream of requests, and routers between them, in virtual time.
pub(crate) struct World {
    pub(crate) routers: Vec<OutcomeRouter>,
    pub(crate) models: HashMap<&'static str, Model>,
    /// Requests per second.
    pub(crate) rate: f64,
    /// How regular they are: 0 for a Poisson process, else the least of the usual gap between two.
    pub(crate) regular: f64,
    /// The tasks that requests are of, evenly.
    pub(crate) tasks: Vec<&'static str>,
    /// What is reported of an answer that is right or wrong, with a number from 0 to 1 for chance.
    pub(crate) score: fn(bool, f64) -> Option<f64>,
    /// What the caller says of a request, whose answer will have so many tokens.
    pub(crate) dress: fn(PickRequest<'_>, u64) -> PickRequest<'_>,
    pub(crate) attempts: Vec<Attempt>,
    /// Requests that found nobody free in time.
    pub(crate) turned_away: usize,
    epoch: Instant,
    now: Duration,
    next: Option<Duration>,
    requests: usize,
    rng: Rng,
    queue: BTreeMap<(Duration, u64), Event>,
    events: u64,
}

#[derive(Clone, Debug)]
struct Request {
    number: usize,
    task: Option<&'static str>,
    tokens: u64,
    begun: Duration,
    tried: Vec<TargetId>,
}

enum Event {
    Try(Request),
    Settle(Box<(Ticket, Answer)>, Request),
    Report(usize, OutcomeId, Score),
}

/// Builds the router of one pool, whose name is `pool`.
pub(crate) fn router(pool: Pool, epoch: Instant, seed: u64) -> OutcomeRouter {
    let builder = OutcomeRouter::builder().pool(pool).seed(seed);
    builder.clock(Start(epoch)).build().unwrap()
}

impl World {
    pub(crate) fn new<const N: usize>(
        pool: Pool,
        models: [(&'static str, Model); N],
        seed: u64,
    ) -> Self {
        let epoch = SystemClock.now();
        Self {
            epoch,
            routers: vec![router(pool, epoch, seed)],
            models: HashMap::from(models),
            rate: 1.0,
            regular: 0.0,
            tasks: Vec::new(),
            score: |_, _| None,
            dress: |request, _| request,
            attempts: Vec::new(),
            turned_away: 0,
            now: Duration::ZERO,
            next: None,
            requests: 0,
            rng: Rng::new(seed, 0),
            queue: BTreeMap::new(),
            events: 0,
        }
    }

    pub(crate) fn per_hour(mut self, requests: f64) -> Self {
        self.rate = requests / 3600.0;
        self
    }

    pub(crate) fn scored(mut self, score: fn(bool, f64) -> Option<f64>) -> Self {
        self.score = score;
        self
    }

    pub(crate) fn router(&self) -> &OutcomeRouter {
        &self.routers[0]
    }

    pub(crate) fn model(&mut self, name: &str) -> &mut Model {
        self.models.get_mut(name).unwrap()
    }

    /// Seconds since the beginning.
    pub(crate) fn time(&self) -> f64 {
        self.now.as_secs_f64()
    }

    pub(crate) fn instant(&self) -> Instant {
        self.epoch + self.now
    }

    /// Lets so many seconds pass.
    pub(crate) fn run(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        loop {
            let next = self.next.unwrap_or_else(|| self.draw_arrival());
            match self.queue.first_entry() {
                Some(first) if first.key().0 <= next.min(end) => {
                    let ((at, _), event) = first.remove_entry();
                    self.now = at;
                    self.handle(event);
                }
                _ if next <= end => {
                    self.now = next;
                    self.draw_arrival();
                    self.arrive();
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn draw_arrival(&mut self) -> Duration {
        let chance = 1.0 - self.rng.next_f64();
        let gap = match self.regular {
            0.0 => -chance.ln() / self.rate,
            least => (least + 2.0 * (1.0 - least) * chance) / self.rate,
        };
        let next = self.now + Duration::from_secs_f64(gap);
        self.next = Some(next);
        next
    }

    fn arrive(&mut self) {
        let pick = (self.rng.next_f64() * self.tasks.len() as f64) as usize;
        // Fifty to five hundred tokens, short ones more often.
        let tokens = (50.0 * (2.3 * self.rng.next_f64()).exp()) as u64;
        let request = Request {
            number: self.requests,
            task: self.tasks.get(pick).copied(),
            tokens,
            begun: self.now,
            tried: Vec::new(),
        };
        self.requests += 1;
        self.attempt(request);
    }

    fn attempt(&mut self, mut request: Request) {
        let now = self.instant();
        let router = &self.routers[request.number % self.routers.len()];
        let mut wanted = PickRequest::new("pool")
            .tried(&request.tried)
            .elapsed(self.now - request.begun);
        if let Some(task) = request.task {
            wanted = wanted.task(task);
        }
        let ticket = match router.pick_at(&(self.dress)(wanted, request.tokens), now) {
            Ok(ticket) => ticket,
            Err(error) => {
                let waited = (self.now - request.begun).as_secs_f64();
                match error.retry_in().map(|wait| wait.as_secs_f64().max(0.01)) {
                    Some(wait) if waited + wait <= PATIENCE => self.push(wait, Event::Try(request)),
                    _ => self.turned_away += 1,
                }
                return;
            }
        };
        let target = *self.models.get_key_value(ticket.target()).unwrap().0;
        let model = self.models.get_mut(target).unwrap();
        let answer = model.answer(request.task, request.tokens, self.now, &mut self.rng);
        request.tried.push(ticket.target_id());
        self.attempts.push(Attempt {
            at: self.time(),
            number: request.tried.len(),
            target,
            task: request.task,
            tokens: request.tokens,
            took: answer.took.as_secs_f64(),
            class: answer.class,
        });
        let took = answer.took.as_secs_f64();
        self.push(took, Event::Settle(Box::new((ticket, answer)), request));
    }

    fn handle(&mut self, event: Event) {
        let now = self.instant();
        match event {
            Event::Try(request) => self.attempt(request),
            Event::Report(router, id, score) => {
                self.routers[router].report_at(id, score, now).unwrap();
            }
            Event::Settle(settled, request) => {
                let (ticket, answer) = *settled;
                let id = ticket.outcome_id();
                ticket.settle_at(answer.outcome, now);
                if answer.class != Class::Success {
                    if request.tried.len() < ATTEMPTS {
                        self.attempt(request);
                    }
                    return;
                }
                let chance = self.rng.next_f64();
                if let Some(score) = (self.score)(answer.right, chance) {
                    let router = request.number % self.routers.len();
                    let score = Score::new(score).unwrap();
                    self.push(SCORED_AFTER, Event::Report(router, id, score));
                }
            }
        }
    }

    fn push(&mut self, seconds: f64, event: Event) {
        self.events += 1;
        let at = self.now + Duration::from_secs_f64(seconds);
        self.queue.insert((at, self.events), event);
    }
}

/// Every answer is scored as it is.
pub(crate) fn everything(right: bool, _: f64) -> Option<f64> {
    Some(f64::from(u8::from(right)))
}
