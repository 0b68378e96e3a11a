use std::time::Duration;

use crate::classify::{Limits, Usage, Verdict};

/// How an attempt went.
#[derive(Clone, Debug)]
#[must_use]
pub struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) limits: Limits,
    pub(super) usage: Option<Usage>,
    pub(super) first_content: Option<Duration>,
    pub(super) largest_gap: Option<Duration>,
    pub(super) timed: bool,
}

impl Outcome {
    /// Creates an outcome.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            limits: Limits::default(),
            usage: None,
            first_content: None,
            largest_gap: None,
            timed: true,
        }
    }

    /// Adds the limits that the answer reported.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Adds the tokens that were used.
    pub fn usage(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }

    /// Adds the time from the start to the first content of a streamed answer.
    pub fn first_content(mut self, after: Option<Duration>) -> Self {
        self.first_content = after;
        self
    }

    /// Adds the longest that a stream was silent after its first content while the caller waited for
    /// more: a stall. `None` where the caller never had to wait.
    pub fn largest_gap(mut self, gap: Option<Duration>) -> Self {
        self.largest_gap = gap;
        self
    }

    /// Says that the caller's own pace decided when it ended, so that its time says nothing about the
    /// target.
    pub fn untimed(mut self) -> Self {
        self.timed = false;
        self
    }

    /// Returns how it ended.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Returns the tokens that were used, where the answer said so.
    #[must_use]
    pub fn used(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// Returns the time from the start to the first content of a streamed answer.
    #[must_use]
    pub fn first_content_after(&self) -> Option<Duration> {
        self.first_content
    }

    /// Returns the longest that a stream was silent while the caller waited for more.
    #[must_use]
    pub fn longest_gap(&self) -> Option<Duration> {
        self.largest_gap
    }

    /// Returns whether its time says something about the target.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.timed
    }
}
