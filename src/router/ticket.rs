use std::{fmt, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Decision, Outcome, OutcomeId, PickRequest, Routed, Settled, TargetId,
    fit::Attempted,
    group::{Group, Member},
};
use crate::{
    classify::{Class, LimitWindow, Usage, Verdict},
    stats::{Evidence, Late, Reading, TaskKey, Trial, Watch},
};

/// An open attempt. It settles exactly once: by [`settle_at`](Self::settle_at), or when it is
/// dropped, then with the outcome noted last by [`head_at`](Self::head_at), or as abandoned where
/// there is none.
#[must_use = "dropping a ticket settles it as abandoned"]
pub struct Ticket {
    routed: Routed,
    booking: Booking,
    provisional: Option<Outcome>,
    decision: Option<Arc<Decision>>,
    /// Content has come: whoever leaves now does not leave because nothing came.
    has_content: bool,
    settled: bool,
}

/// What was booked when the attempt was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booking {
    started: Instant,
    tokens: f64,
    prompt_tokens: u64,
    max_output_tokens: Option<u64>,
    operation: Option<&'static str>,
    trial: Trial,
    mark: (f64, f64),
    plan: Plan,
    watch: Watch,
    /// Since when this attempt is the probe after a rate limit.
    capacity_probe: Option<Instant>,
    /// The refusal that the head already brought.
    refusal: Option<(Option<Duration>, bool)>,
}

/// What the decision said about the attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) task: TaskKey,
    /// It is a probe of the target's health.
    pub(super) probe: bool,
    /// The age past which it is late.
    pub(super) late: Option<Late>,
    /// The age that nine of ten answers do not reach.
    pub(super) outlying: Option<Late>,
    pub(super) objective: Option<Duration>,
}

impl Ticket {
    pub(super) fn new(routed: Routed, booking: Booking) -> Self {
        Self {
            routed,
            booking,
            provisional: None,
            decision: None,
            has_content: false,
            settled: false,
        }
    }

    pub(super) fn explained(mut self, decision: Arc<Decision>) -> Self {
        self.decision = Some(decision);
        self
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

    /// Returns the whole decision, where the request asked for it.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_deref()
    }

    /// Returns the whole decision, to be shared.
    pub(crate) fn told(&self) -> Option<&Arc<Decision>> {
        self.decision.as_ref()
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

    /// Takes in the head of an answer: limits count and a refusal acts at once. A failed one is
    /// what a drop settles.
    pub fn head_at(&mut self, outcome: Outcome, now: Instant) {
        {
            let target = self.routed.entry();
            let mut group = self.routed.inner.group(target.group);
            self.booking.read(&mut group, &outcome, now);
            if outcome.verdict.class != Class::Success {
                self.booking.refuse(&mut group, &outcome.verdict, now);
            }
            self.routed.inner.post_room(target, &group, now);
        }
        self.provisional = Some(outcome);
    }

    /// Notes that the first content of the answer has come: it is no longer waited for.
    pub fn content_at(&mut self, now: Instant) {
        self.has_content = true;
        let target = self.routed.entry();
        let mut group = self.routed.inner.group(target.group);
        if let Some(member) = group.members.get_mut(target.slot) {
            member.health.answered(&mut self.booking.watch, now);
            target.posted.picked(member, self.routed.inner.epoch, now);
        }
    }

    /// Says how the attempt ended. Returns what it cost, in dollars, where its usage and the
    /// target's price are known.
    #[allow(clippy::needless_pass_by_value, reason = "an outcome is said once")]
    #[allow(clippy::must_use_candidate, reason = "it is done for its effect")]
    pub fn settle_at(mut self, outcome: Outcome, now: Instant) -> Option<f64> {
        self.finish(&outcome, now)
    }

    /// Says how the attempt ended, now; as [`settle_at`](Self::settle_at).
    #[allow(clippy::must_use_candidate, reason = "it is done for its effect")]
    pub fn settle(self, outcome: Outcome) -> Option<f64> {
        let now = self.routed.inner.clock.now();
        self.settle_at(outcome, now)
    }

    /// Drops the ticket of an answer that has reported this much of its usage. Returns the cost.
    pub(crate) fn drop_used(mut self, usage: Option<Usage>) -> Option<f64> {
        self.abandon(usage)
    }

    fn abandon(&mut self, usage: Option<Usage>) -> Option<f64> {
        let now = self.routed.inner.clock.now();
        let outcome = self
            .provisional
            .clone()
            .filter(|outcome| outcome.verdict.class != Class::Success)
            .unwrap_or_else(|| Outcome::new(Verdict::new(Class::Abandoned)));
        let usage = usage.or(outcome.usage);
        self.finish(&outcome.usage(usage), now)
    }

    /// Returns whether a drop now would be taken as evidence against the target: nothing came for
    /// longer than its answers ever take.
    fn is_late(&self, now: Instant) -> bool {
        if self.has_content {
            return false;
        }
        let age = now.saturating_duration_since(self.booking.started);
        self.booking
            .plan
            .late
            .is_some_and(|late| late.is_exceeded_by(age))
    }

    fn finish(&mut self, outcome: &Outcome, now: Instant) -> Option<f64> {
        if mem::replace(&mut self.settled, true) {
            return None;
        }
        let inner = &self.routed.inner;
        let target = self.routed.entry();
        let class = outcome.verdict.class;
        if let Some(credential) = target
            .credential
            .and_then(|index| inner.credentials.get(index))
        {
            match class {
                Class::AuthError => {
                    credential
                        .state
                        .refused(inner.epoch, self.booking.started, now);
                }
                Class::Success => credential.state.accepted(inner.epoch, self.booking.started),
                _ => {}
            }
        }
        inner.learn_fit(target, &outcome.verdict, &self.booking.attempted(), now);
        let late_drop = class == Class::Abandoned && self.is_late(now);
        let (cost, late) = {
            let mut group = inner.group(target.group);
            if self.provisional.is_none() {
                self.booking.read(&mut group, outcome, now);
            }
            let settled = self
                .booking
                .settle(&mut group, target.slot, outcome, late_drop, now);
            inner.note_broken(target, &mut group, now);
            inner.post(target, &mut group, now);
            settled
        };
        let settled = Settled {
            outcome,
            took: now.saturating_duration_since(self.booking.started),
            cost,
            late: late || late_drop,
            now,
        };
        inner.observers.tell(&inner.lasting.counters, |observer| {
            observer.settled(&self.routed, &settled);
        });
        let usage = outcome.usage;
        tracing::debug!(
            target = %target.name,
            class = class.as_str(),
            attempt = self.routed.attempt,
            largest_gap = ?outcome.largest_gap,
            outcome = %self.routed.id,
            input_tokens = usage.map(|usage| usage.input),
            output_tokens = usage.map(|usage| usage.output),
            cached_tokens = usage.map(|usage| usage.cached),
            dollars = cost,
            "attempt settled",
        );
        cost
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settled {
            self.abandon(None);
        }
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
        plan: Plan,
        now: Instant,
    ) -> Option<Self> {
        let tokens = group.members.get(slot)?.tokens(request);
        let was_returning = group.capacity.is_returning();
        let capacity_probe = group.capacity.take(tokens, now);
        if let Some(news) = &mut group.news {
            group.sent.requests = group.sent.requests.saturating_add(1);
            group.sent.tokens += tokens;
            if !was_returning && group.capacity.is_returning() {
                group.sent.reopened = group.sent.reopened.saturating_add(1);
            }
            if plan.probe || capacity_probe.is_some() {
                news.lease.used();
            }
        }
        let mark = group.capacity.mark(now);
        let member = group.members.get_mut(slot)?;
        let within = plan.outlying.map(Late::after);
        let watch = member.health.begin(plan.probe, within, now);
        member.picked = now;
        member.picks = member.picks.saturating_add(1);
        member.in_flight = member.in_flight.saturating_add(1);
        Some(Self {
            started: now,
            tokens,
            prompt_tokens: request.prompt_tokens,
            max_output_tokens: request.max_output_tokens,
            operation: request.operation,
            trial: Trial::default(),
            mark,
            plan,
            watch,
            capacity_probe,
            refusal: None,
        })
    }

    /// Says what the attempt finds out about its target.
    pub(super) fn with_trial(mut self, trial: Trial) -> Self {
        self.trial = trial;
        self
    }

    /// Returns what may be learned from about what fits.
    fn attempted(&self) -> Attempted {
        Attempted {
            started: self.started,
            prompt: self.prompt_tokens,
            output: self.max_output_tokens.unwrap_or(0),
            operation: self.operation,
            trial: self.trial,
        }
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
        let left = group
            .capacity
            .read(requests, tokens, self.started, self.mark, now);
        if let Some(news) = &mut group.news {
            news.read(left);
        }
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
        group.capacity.refused(asked, quota, self.tokens, now);
        if let Some(news) = &mut group.news {
            news.refused(asked, quota, self.tokens);
        }
    }

    /// Books the end of the attempt; the group is locked. Returns what it cost, and whether it was
    /// late.
    fn settle(
        &mut self,
        group: &mut Group,
        slot: usize,
        outcome: &Outcome,
        late_drop: bool,
        now: Instant,
    ) -> (Option<f64>, bool) {
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
            return (None, false);
        };
        member.in_flight = member.in_flight.saturating_sub(1);
        if let Some(count) = member.settled.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
        let usage = outcome.usage.as_ref();
        let cost = usage.and_then(|usage| member.spent.add(usage, class));
        let took = now.saturating_duration_since(self.started);
        let evidence = match class {
            Class::Success => Some(self.punctuality(member, outcome, took)),
            Class::ServerError | Class::Overloaded | Class::Timeout | Class::Truncated => {
                (!verdict.neutral).then_some(Evidence::Bad)
            }
            Class::Abandoned if late_drop => Some(Evidence::Bad),
            _ => None,
        };
        let late = class == Class::Success && evidence != Some(Evidence::Good);
        if class == Class::Success {
            member.late = member.late.saturating_add(u64::from(late));
            match outcome.first_content {
                Some(first_content) => {
                    member.first_content.record(first_content, now);
                    if let Some(news) = &mut group.news {
                        news.first_content(slot, first_content);
                    }
                }
                None if outcome.timed => {
                    let tokens = outcome.usage.map(|usage| usage.output);
                    if let Some(news) = &mut group.news {
                        let expected = member.pace.length(self.max_output_tokens);
                        news.answered(slot, expected, tokens, took);
                    }
                    member
                        .pace
                        .record(tokens, self.max_output_tokens, took, now);
                }
                None => {}
            }
        }
        match evidence {
            Some(evidence) => {
                let health = &mut member.health;
                let outdated = health.record(evidence, self.watch, self.started, now);
                if let Some(news) = &mut group.news {
                    news.went(slot, evidence, outdated, self.watch.probe);
                }
            }
            None => member.health.release(self.watch, now),
        }
        (cost, late)
    }

    /// Says whether an answer was on time: within the objective where there is one, else within what
    /// such answers of the target ever take.
    fn punctuality(&self, member: &Member, outcome: &Outcome, took: Duration) -> Evidence {
        let whole = outcome.timed.then_some(took);
        let Some(answered) = outcome.first_content.or(whole) else {
            return Evidence::Good;
        };
        if let Some(objective) = self.plan.objective {
            return if answered > objective {
                Evidence::Slow
            } else {
                Evidence::Good
            };
        }
        // How long a whole answer takes is mostly how long it is.
        let late = match (outcome.first_content, outcome.usage) {
            (Some(first), _) => self
                .plan
                .late
                .is_some_and(|late| late.is_exceeded_by(first)),
            (None, Some(usage)) => member.pace.is_late(usage.output, took),
            (None, None) => false,
        };
        if late { Evidence::Late } else { Evidence::Good }
    }
}
