use std::{fmt, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{OutcomeId, PickRequest, Routed, TargetId, group::Group};
use crate::{
    classify::{Class, LimitWindow, Limits, Usage, Verdict},
    stats::{Evidence, Late, Reading},
};

/// An open attempt. It settles exactly once: by [`settle_at`](Self::settle_at), or when it is
/// dropped, then with the outcome noted last by [`head_at`](Self::head_at), or as abandoned where
/// there is none.
#[must_use = "dropping a ticket settles it as abandoned"]
pub struct Ticket {
    routed: Routed,
    booking: Booking,
    provisional: Option<Outcome>,
    /// Content has come: whoever leaves now does not leave because nothing came.
    has_content: bool,
    settled: bool,
}

/// What was booked when the attempt was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booking {
    started: Instant,
    tokens: u64,
    mark: (f64, f64),
    late_after: Option<Late>,
    /// Since when this attempt is the probe after a rate limit.
    capacity_probe: Option<Instant>,
    /// Until when this attempt is the probe of a half-open breaker.
    health_probe: Option<Instant>,
    /// The refusal that the head already brought.
    refusal: Option<(Option<Duration>, bool)>,
}

/// How an attempt went.
#[derive(Clone, Debug)]
#[must_use]
pub struct Outcome {
    verdict: Verdict,
    limits: Limits,
    usage: Option<Usage>,
    first_content: Option<Duration>,
    timed: bool,
}

impl Outcome {
    /// Creates an outcome.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            limits: Limits::default(),
            usage: None,
            first_content: None,
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
}

impl Ticket {
    pub(super) fn new(routed: Routed, booking: Booking) -> Self {
        Self {
            routed,
            booking,
            provisional: None,
            has_content: false,
            settled: false,
        }
    }

    pub(super) fn observing(mut self, would_have_been: Option<Arc<str>>) -> Self {
        self.routed.observed = would_have_been;
        self
    }

    /// Returns the name of the target.
    #[must_use]
    pub fn target(&self) -> &str {
        self.routed.target()
    }

    /// Returns the model to ask for.
    #[must_use]
    pub fn model(&self) -> &str {
        self.routed.model()
    }

    /// Returns the id under which the answer can be scored.
    #[must_use]
    pub fn outcome_id(&self) -> OutcomeId {
        self.routed.id
    }

    /// Returns the decision as the caller may see it.
    #[must_use]
    pub fn routed(&self) -> &Routed {
        &self.routed
    }

    /// Returns the target within its router, for [`PickRequest::tried`].
    #[must_use]
    pub fn target_id(&self) -> TargetId {
        self.routed.target
    }

    /// Returns when the attempt started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.booking.started
    }

    /// Returns about how many tokens the request was booked with.
    pub(crate) fn tokens(&self) -> u64 {
        self.booking.tokens
    }

    /// Takes in the head of an answer: limits count and a refusal acts at once. A failed one is
    /// what a drop settles.
    pub fn head_at(&mut self, outcome: Outcome, now: Instant) {
        {
            let mut group = self.routed.inner.group(self.routed.entry().group);
            self.booking.read(&mut group, &outcome, now);
            if outcome.verdict.class != Class::Success {
                self.booking.refuse(&mut group, &outcome.verdict, now);
            }
        }
        self.provisional = Some(outcome);
    }

    /// Notes that the first content of the answer has come.
    pub fn content(&mut self) {
        self.has_content = true;
    }

    /// Says how the attempt ended.
    #[allow(clippy::needless_pass_by_value, reason = "an outcome is said once")]
    pub fn settle_at(mut self, outcome: Outcome, now: Instant) {
        self.finish(&outcome, now);
    }

    /// Says how the attempt ended, now.
    pub fn settle(self, outcome: Outcome) {
        let now = self.routed.inner.clock.now();
        self.settle_at(outcome, now);
    }

    /// Returns whether a drop now would be taken as evidence against the target: nothing came for
    /// longer than its answers ever take.
    fn is_late(&self, now: Instant) -> bool {
        if self.has_content {
            return false;
        }
        let age = now.saturating_duration_since(self.booking.started);
        self.booking
            .late_after
            .is_some_and(|late| late.is_exceeded_by(age))
    }

    fn finish(&mut self, outcome: &Outcome, now: Instant) {
        if mem::replace(&mut self.settled, true) {
            return;
        }
        let inner = &self.routed.inner;
        let target = self.routed.entry();
        let class = outcome.verdict.class;
        if let Some(credential) = target
            .credential
            .and_then(|index| inner.credentials.get(index))
        {
            match class {
                Class::AuthError => credential.refused(inner.epoch, self.booking.started, now),
                Class::Success => credential.accepted(inner.epoch, self.booking.started),
                _ => {}
            }
        }
        let late_drop = class == Class::Abandoned && self.is_late(now);
        {
            let mut group = inner.group(target.group);
            if self.provisional.is_none() {
                self.booking.read(&mut group, outcome, now);
            }
            self.booking
                .settle(&mut group, target.slot, outcome, late_drop, now);
        }
        tracing::debug!(
            target = %target.name,
            class = class.as_str(),
            attempt = self.routed.attempt,
            outcome = %self.routed.id,
            "attempt settled",
        );
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let now = self.routed.inner.clock.now();
        let outcome = self
            .provisional
            .clone()
            .filter(|outcome| outcome.verdict.class != Class::Success)
            .unwrap_or_else(|| Outcome::new(Verdict::new(Class::Abandoned)));
        self.finish(&outcome, now);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("routed", &self.routed)
            .finish_non_exhaustive()
    }
}

impl Booking {
    /// Books an attempt; the group is locked.
    pub(super) fn new(
        group: &mut Group,
        slot: usize,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Option<Self> {
        let capacity_probe = group.capacity.take(request.tokens as f64, now);
        let mark = group.capacity.mark();
        let member = group.members.get_mut(slot)?;
        let health_probe = member.health.begin(now);
        member.picks = member.picks.saturating_add(1);
        member.in_flight = member.in_flight.saturating_add(1);
        let latency = if request.stream {
            &member.first_content
        } else {
            &member.total
        };
        Some(Self {
            started: now,
            tokens: request.tokens,
            mark,
            late_after: latency.late_after(now),
            capacity_probe,
            health_probe,
            refusal: None,
        })
    }

    fn read(&self, group: &mut Group, outcome: &Outcome, now: Instant) {
        let reading = |window: Option<LimitWindow>| {
            let window = window.unwrap_or_default();
            Reading {
                limit: window.limit.map(|limit| limit as f64),
                remaining: window.remaining.map(|left| left as f64),
                reset: window.reset,
            }
        };
        let limits = &outcome.limits;
        let (requests, tokens) = (reading(limits.requests), reading(limits.tokens));
        group
            .capacity
            .read(requests, tokens, self.started, self.mark, now);
    }

    /// Lets a refusal act, once: what the end of the body repeats is not counted again.
    fn refuse(&mut self, group: &mut Group, verdict: &Verdict, now: Instant) {
        let quota = verdict.class == Class::QuotaExhausted;
        let refused = quota || verdict.class == Class::RateLimited;
        let asked = verdict
            .retry_after
            .filter(|_| refused || matches!(verdict.class, Class::Overloaded | Class::ServerError));
        if !refused && asked.is_none() {
            return;
        }
        let refusal = (asked, quota);
        if self.refusal == Some(refusal) {
            return;
        }
        self.refusal = Some(refusal);
        group.capacity.refused(asked, quota, now);
    }

    fn settle(
        &mut self,
        group: &mut Group,
        slot: usize,
        outcome: &Outcome,
        late_drop: bool,
        now: Instant,
    ) {
        let verdict = &outcome.verdict;
        let class = verdict.class;
        match class {
            Class::Abandoned => {}
            Class::Success | Class::Degraded | Class::ContentFilter => group.capacity.accepted(),
            _ => self.refuse(group, verdict, now),
        }
        let unanswered = class == Class::Abandoned || verdict.transport.is_some();
        if let Some(probe) = self.capacity_probe.filter(|_| unanswered) {
            group.capacity.release(probe, now);
        }
        let Some(member) = group.members.get_mut(slot) else {
            return;
        };
        member.in_flight = member.in_flight.saturating_sub(1);
        if let Some(count) = member.settled.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
        if let Some(usage) = outcome.usage {
            member.input_tokens = member.input_tokens.saturating_add(usage.input);
            member.output_tokens = member.output_tokens.saturating_add(usage.output);
        }
        // How long a whole answer takes is mostly how long it is: only what comes first can be late.
        let late = outcome.first_content.is_some_and(|first_content| {
            self.late_after
                .is_some_and(|late| late.is_exceeded_by(first_content))
        });
        let evidence = match class {
            Class::Success if late => Some(Evidence::Late),
            Class::Success => Some(Evidence::Good),
            Class::ServerError | Class::Overloaded | Class::Timeout | Class::Truncated => {
                (!verdict.neutral).then_some(Evidence::Bad)
            }
            Class::Abandoned if late_drop => Some(Evidence::Bad),
            _ => None,
        };
        if class == Class::Success {
            member.late = member.late.saturating_add(u64::from(late));
            match outcome.first_content {
                Some(first_content) => member.first_content.record(first_content, now),
                None if outcome.timed => {
                    member
                        .total
                        .record(now.saturating_duration_since(self.started), now);
                }
                None => {}
            }
        }
        match (evidence, self.health_probe) {
            (Some(evidence), _) => member.health.record(evidence, self.started, now),
            (None, Some(lease)) => member.health.release(lease),
            (None, None) => {}
        }
    }
}
