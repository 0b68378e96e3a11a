use tokio::time::Instant;

use super::{Left, bucket::Bucket};

/// The limits that are set for a group, whatever its provider says of its own.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Allowed {
    pub(super) fn new(requests: Option<f64>, tokens: Option<f64>, now: Instant) -> Self {
        let bucket = |limit: Option<f64>| limit.map(|limit| Bucket::full(limit, now));
        Self {
            requests: bucket(requests),
            tokens: bucket(tokens),
        }
    }

    /// Returns whether these are its limits.
    pub(super) fn is(&self, requests: Option<f64>, tokens: Option<f64>) -> bool {
        let limit = |bucket: &Option<Bucket>| bucket.as_ref().map(Bucket::limit);
        limit(&self.requests) == requests && limit(&self.tokens) == tokens
    }

    /// Returns when there will be room for a request of so many tokens, if that is not now.
    pub(super) fn free_at(&self, tokens: f64, turn: f64, now: Instant) -> Option<Instant> {
        let free = |bucket: &Option<Bucket>, need| bucket.as_ref()?.free_at(need, turn, now);
        free(&self.requests, 1.0).max(free(&self.tokens, tokens))
    }

    /// Returns below how many tokens a request has room now; `None` where no request has.
    pub(super) fn free_below(&self, turn: f64, now: Instant) -> Option<f64> {
        let requests = self.requests.as_ref();
        if requests.is_some_and(|requests| requests.free_at(1.0, turn, now).is_some()) {
            return None;
        }
        let tokens = self.tokens.as_ref();
        Some(tokens.map_or(f64::INFINITY, |tokens| tokens.free_below(turn, now)))
    }

    pub(super) fn take(&mut self, requests: f64, tokens: f64, now: Instant) {
        for (bucket, amount) in [(&mut self.requests, requests), (&mut self.tokens, tokens)] {
            if let Some(bucket) = bucket {
                bucket.take(amount, now);
            }
        }
    }

    /// Says what is left of them, of requests and of tokens.
    pub(super) fn outlook(&self, now: Instant) -> [Option<Left>; 2] {
        let left = |bucket: &Option<Bucket>| bucket.as_ref()?.outlook(now);
        [left(&self.requests), left(&self.tokens)]
    }
}
