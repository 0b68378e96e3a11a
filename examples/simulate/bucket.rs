//! The provider's two token buckets: one for requests, one for tokens.

use crate::script::Script;

/// The limits of a model, before any event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) rpm: f64,
    pub(crate) tpm: f64,
    pub(crate) burst_s: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    limits: Limits,
    requests: f64,
    tokens: f64,
    at_s: f64,
    scale: f64,
}

/// What limit headers say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) limit_requests: f64,
    pub(crate) remaining_requests: f64,
    pub(crate) limit_tokens: f64,
    pub(crate) remaining_tokens: f64,
}

/// Less than this is missing only because sums are rounded.
const ROUNDING: f64 = 1e-6;

impl Limits {
    fn request_capacity(&self) -> f64 {
        self.rpm * self.burst_s / 60.0
    }

    fn token_capacity(&self) -> f64 {
        self.tpm * self.burst_s / 60.0
    }
}

impl Buckets {
    /// Full ones.
    pub(crate) fn new(limits: Limits, script: &Script) -> Self {
        let scale = script.limit(0.0);
        Self {
            limits,
            requests: limits.request_capacity() * scale,
            tokens: limits.token_capacity() * scale,
            at_s: 0.0,
            scale,
        }
    }

    /// Refills up to now, through all that happened to the limits since the last time.
    pub(crate) fn refill(&mut self, script: &Script, now_s: f64) {
        if now_s <= self.at_s {
            return;
        }
        for bend in script.bends(self.at_s, now_s) {
            self.stretch(script, bend);
        }
        self.stretch(script, now_s);
    }

    /// Refills over a stretch in which the limits change evenly.
    fn stretch(&mut self, script: &Script, to_s: f64) {
        let end = script.limit_before(to_s);
        let minutes = (to_s - self.at_s) / 60.0 * f64::midpoint(self.scale, end);
        self.requests += self.limits.rpm * minutes;
        self.tokens += self.limits.tpm * minutes;
        self.at_s = to_s;
        self.scale = script.limit(to_s);
        let lowest = end.min(self.scale);
        self.requests = self.requests.min(self.limits.request_capacity() * lowest);
        self.tokens = self.tokens.min(self.limits.token_capacity() * lowest);
    }

    /// Returns the seconds until a request of so many tokens would be let in, as of the last
    /// refill; 0 if it would be now.
    pub(crate) fn wait_s(&self, tokens: f64) -> f64 {
        let needed = tokens.min(self.limits.token_capacity());
        let wait = |missing: f64, per_minute: f64| {
            if missing <= ROUNDING {
                0.0
            } else {
                missing * 60.0 / (per_minute * self.scale)
            }
        };
        let requests = wait(1.0 - self.requests, self.limits.rpm);
        requests.max(wait(needed - self.tokens, self.limits.tpm))
    }

    pub(crate) fn take(&mut self, tokens: f64) {
        self.requests -= 1.0;
        self.tokens -= tokens;
    }

    /// Returns what limit headers say now. Their limit is the one per minute, as at real
    /// providers: it tells how fast the rest comes back. What remains is what is in the bucket,
    /// which a short burst window keeps far below that.
    pub(crate) fn room(&self) -> Room {
        Room {
            limit_requests: (self.limits.rpm * self.scale).floor(),
            remaining_requests: self.requests.max(0.0).floor(),
            limit_tokens: (self.limits.tpm * self.scale).floor(),
            remaining_tokens: self.tokens.max(0.0).floor(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::tests::limit;

    const LIMITS: Limits = Limits {
        rpm: 60.0,
        tpm: 6000.0,
        burst_s: 10.0,
    };

    #[test]
    fn a_bucket_starts_full_and_refills_to_its_brim() {
        let script = limit(&[]);
        let mut buckets = Buckets::new(LIMITS, &script);
        for _ in 0..10 {
            assert_eq!(buckets.wait_s(100.0), 0.0);
            buckets.take(100.0);
        }
        assert_eq!(buckets.wait_s(10.0), 1.0);
        buckets.refill(&script, 1.0);
        assert_eq!(buckets.wait_s(10.0), 0.0);
        assert_eq!(buckets.wait_s(300.0), 2.0);
        buckets.refill(&script, 500.0);
        assert_eq!((buckets.requests, buckets.tokens), (10.0, 1000.0));
    }

    #[test]
    fn a_request_larger_than_the_bucket_needs_a_full_one() {
        let script = limit(&[]);
        let mut buckets = Buckets::new(LIMITS, &script);
        assert_eq!(buckets.wait_s(5000.0), 0.0);
        buckets.take(5000.0);
        assert_eq!(buckets.tokens, -4000.0);
        assert_eq!(buckets.wait_s(5000.0), 50.0);
        assert_eq!(buckets.room().remaining_tokens, 0.0);
    }

    #[test]
    fn a_limit_event_scales_rate_and_capacity() {
        let script = limit(&[(100.0, 200.0, [0.5, 0.5])]);
        let mut buckets = Buckets::new(LIMITS, &script);
        buckets.refill(&script, 100.0);
        assert_eq!(buckets.requests, 5.0);
        assert_eq!(buckets.room().limit_requests, 30.0);
        for _ in 0..5 {
            buckets.take(0.0);
        }
        buckets.refill(&script, 101.0);
        assert_eq!(buckets.requests, 0.5);
        // To the brim of the event, and from there for two seconds more.
        buckets.refill(&script, 202.0);
        assert_eq!(buckets.requests, 7.0);
    }

    #[test]
    fn a_limit_that_changes_evenly_refills_its_mean() {
        let script = limit(&[(0.0, 10.0, [0.0, 1.0])]);
        let mut buckets = Buckets::new(LIMITS, &script);
        assert_eq!(buckets.requests, 0.0);
        assert!(buckets.wait_s(1.0).is_infinite());
        buckets.refill(&script, 10.0);
        assert!((buckets.requests - 5.0).abs() < 1e-9);
    }
}
