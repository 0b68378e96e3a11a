use std::time::Duration;

use tokio::time::Instant;

use super::{PickRequest, Price, fleet::GroupNews, spent::Spent};
use crate::{
    classify::Class,
    stats::{Capacity, Condition, Forecast, Health, Lengths, LogLatency, Pace, Room},
};

/// No more tokens than these are reserved for an answer, or for a prompt: a guess that is far too
/// high would wait for room that is never needed.
const MOST_RESERVED: u64 = 4_096;
const MOST_PROMPT: u64 = 100_000;

/// The targets that share a provider's limit, under one lock: a decision takes it once per group,
/// and a pick and a settlement touch one group each.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) capacity: Capacity,
    pub(super) members: Vec<Member>,
    /// What others are to be told, where there are any; and of that, what was sent, at hand for every pick.
    pub(super) news: Option<Box<GroupNews>>,
    pub(super) sent: Sent,
}

/// What was sent to a group since it was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) requests: u32,
    pub(super) tokens: f64,
    /// Probes that found room again.
    pub(super) reopened: u32,
}

/// What is known of one target.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) health: Health,
    pub(super) first_content: LogLatency,
    pub(super) pace: Pace,
    pub(super) picked: Instant,
    /// Whether the router that is built now has it no more.
    pub(super) retired: bool,
    /// Whether its upstream counts it as broken.
    pub(super) broken: bool,
    pub(super) in_flight: u32,
    pub(super) picks: u64,
    pub(super) settled: [u64; Class::ALL.len()],
    pub(super) late: u64,
    /// Attempts of other instances that were heard of.
    pub(super) of_others: u64,
    pub(super) spent: Spent,
}

impl Group {
    pub(super) fn new(news: Option<GroupNews>, now: Instant) -> Self {
        Self {
            capacity: Capacity::new(now),
            members: Vec::new(),
            news: news.map(Box::new),
            sent: Sent::default(),
        }
    }

    /// Says whether there is room for a request to one of its targets.
    pub(super) fn room(
        &self,
        slot: usize,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Option<Room> {
        let tokens = self.members.get(slot)?.tokens(request);
        Some(self.capacity.room(tokens, now))
    }
}

/// Estimates the tokens that a request will take from the provider's limit: its prompt, and the
/// answer up to the caller's own cap, else what answers usually have.
pub(super) fn tokens(request: &PickRequest<'_>, lengths: &Lengths) -> f64 {
    let answer = match request.max_output_tokens {
        Some(cap) => cap.min(MOST_RESERVED) as f64,
        None => lengths.expected(None).min(MOST_RESERVED as f64),
    };
    request.prompt_tokens.min(MOST_PROMPT) as f64 + answer
}

impl Member {
    pub(super) fn tokens(&self, request: &PickRequest<'_>) -> f64 {
        tokens(request, &self.pace.lengths())
    }

    /// How long an answer will take: to the first content of a stream, else to the end.
    pub(super) fn forecast(&self, stream: bool, cap: Option<u64>) -> Option<Forecast<'_>> {
        if stream {
            self.first_content.forecast()
        } else {
            self.pace.forecast(cap)
        }
    }

    /// The chance that an answer comes within a time.
    pub(super) fn in_time(&self, stream: bool, cap: Option<u64>, within: Duration) -> f64 {
        let forecast = self.forecast(stream, cap);
        forecast.map_or(1.0, |forecast| forecast.within(within))
    }

    /// How many answers that rests on, as of the last of them, and when that came.
    pub(super) fn rests_on(&self, stream: bool) -> (f64, Instant) {
        if stream {
            self.first_content.rests_on()
        } else {
            self.pace.rests_on()
        }
    }

    /// How long answers usually take.
    pub(super) fn typical(&self, stream: bool) -> Option<Duration> {
        if stream {
            self.first_content.typical()
        } else {
            self.pace.typical()
        }
    }

    /// Says how it is, where so many targets of its upstream are broken, the last by such a break.
    pub(super) fn condition(&mut self, (broken, last): (u32, u32), now: Instant) -> Condition {
        let suspect = (broken > u32::from(self.broken)).then_some(last);
        self.health.condition(suspect, now)
    }

    pub(super) fn new(price: Option<Price>, now: Instant) -> Self {
        Self {
            health: Health::new(now),
            first_content: LogLatency::new(now),
            pace: Pace::new(now),
            picked: now,
            retired: false,
            broken: false,
            in_flight: 0,
            picks: 0,
            settled: [0; Class::ALL.len()],
            late: 0,
            of_others: 0,
            spent: Spent::new(price),
        }
    }
}
