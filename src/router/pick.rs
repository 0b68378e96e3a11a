use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Decision, Mode, Name, Next, OutcomeRouter, PickRequest, Reason, Routed, TargetId, Ticket,
    Unavailable,
    error::UnavailableKind,
    evaluation::Evaluation,
    group::Group,
    ticket::{Booking, Plan},
};

/// Picks that may lose the race for the last room before the answer is that there is none.
const RACES: u32 = 8;

impl OutcomeRouter {
    /// Says what a pick would do now, and why. Opens no attempt. `now` must not be ahead of the time
    /// that attempts are settled by: open ones would count as overdue.
    ///
    /// # Errors
    ///
    /// If no pool serves the requested model.
    pub fn decide(&self, request: &PickRequest<'_>, now: Instant) -> Result<Decision, Unavailable> {
        let number = self.inner.lasting.decisions.peek();
        self.inner.explain(request, number, now)
    }

    /// Picks a target and opens a ticket for the attempt.
    ///
    /// # Errors
    ///
    /// If no pool serves the requested model, if no target of the pool may serve it, or if none is
    /// free; the error says for how long.
    pub fn pick_at(&self, request: &PickRequest<'_>, now: Instant) -> Result<Ticket, Unavailable> {
        let number = self.inner.lasting.decisions.take();
        self.pick_numbered(request, number, now)
    }

    /// Picks a target; where nobody serves, a request that asks for it is told the decision.
    pub(crate) fn pick_or_tell(
        &self,
        request: &PickRequest<'_>,
        now: Instant,
    ) -> Result<Ticket, (Unavailable, Option<Arc<Decision>>)> {
        let number = self.inner.lasting.decisions.take();
        self.pick_numbered(request, number, now)
            .map_err(|unavailable| {
                let asked = request
                    .explain
                    .then(|| self.inner.explain(request, number, now));
                let decision = asked.and_then(Result::ok).map(Arc::new);
                (unavailable, decision)
            })
    }

    fn pick_numbered(
        &self,
        request: &PickRequest<'_>,
        number: u64,
        now: Instant,
    ) -> Result<Ticket, Unavailable> {
        let name = self.inner.name(request.model)?;
        if self.inner.pool(name)?.mode() != Mode::Route {
            return self.observe(request, name, number, now);
        }
        for _ in 0..RACES {
            let pool = self.inner.pool(name)?;
            // In its place: it is large.
            let mut evaluation = Evaluation::new(&self.inner, request, name, pool, number, now);
            evaluation.look()?;
            let (chosen, mut reason) = evaluation.choose()?;
            if request.shadow {
                if !evaluation.has_free() {
                    return Err(UnavailableKind::NobodyFree.into());
                }
                reason = Reason::Shadow;
            }
            if let Some(ticket) = self.open(&evaluation, chosen, reason) {
                return Ok(ticket);
            }
        }
        Err(Unavailable {
            retry_in: Some(Duration::from_millis(10)),
            ..UnavailableKind::NobodyFree.into()
        })
    }

    /// Picks a target now; see [`pick_at`](Self::pick_at).
    ///
    /// # Errors
    ///
    /// As [`pick_at`](Self::pick_at).
    pub fn pick(&self, request: &PickRequest<'_>) -> Result<Ticket, Unavailable> {
        self.pick_at(request, self.now())
    }

    /// Returns whether another target than those tried is free now, for a call that named `model`.
    pub(crate) fn alternative(&self, request: &PickRequest<'_>, now: Instant) -> Option<Next> {
        let number = self.inner.lasting.decisions.peek();
        let name = self.inner.name(request.model).ok()?;
        let evaluation = self.inner.evaluate(request, name, number, now).ok()?;
        Some(evaluation.next())
    }

    /// Returns whether a target is free now, and neither failing nor returning from a rate limit.
    pub(crate) fn has_free(&self, request: &PickRequest<'_>, now: Instant) -> bool {
        let number = self.inner.lasting.decisions.peek();
        let name = self.inner.name(request.model);
        name.and_then(|name| self.inner.evaluate(request, name, number, now))
            .is_ok_and(|evaluation| evaluation.has_free())
    }

    /// Returns whether the next target, one that the call has not tried, is free now and not believed
    /// to be worse than `failed`, whose answer failed its checks.
    pub(crate) fn better_alternative(
        &self,
        request: &PickRequest<'_>,
        failed: TargetId,
        now: Instant,
    ) -> bool {
        let number = self.inner.lasting.decisions.peek();
        let name = self.inner.name(request.model);
        name.and_then(|name| self.inner.evaluate(request, name, number, now))
            .is_ok_and(|evaluation| evaluation.has_better_than(failed))
    }

    /// Serves the requested target whatever its state, and notes what would have been picked.
    fn observe(
        &self,
        request: &PickRequest<'_>,
        name: &Name,
        number: u64,
        now: Instant,
    ) -> Result<Ticket, Unavailable> {
        let target = self
            .inner
            .requested_id(name)
            .ok_or(UnavailableKind::NoCandidate)?;
        let decision = self.inner.explain(request, number, now).ok();
        let observed = decision
            .as_ref()
            .and_then(|decision| decision.target().map(Arc::from));
        let reason = Reason::Observed;
        let plan = Plan {
            task: self.inner.task_key(request),
            ..Plan::default()
        };
        let ticket = self
            .ticket(request, name, target, reason, now, |_| Some(plan))
            .ok_or(UnavailableKind::NoCandidate)?;
        let ticket = ticket.observing(observed);
        self.announce(&ticket, now);
        let decision = decision.map(Arc::new);
        if let Some(decision) = decision.as_ref().filter(|_| self.is_to_be_told(&ticket)) {
            self.tell(&ticket, decision);
        }
        Ok(match decision.filter(|_| request.explain) {
            Some(decision) => ticket.explained(decision),
            None => ticket,
        })
    }

    fn open(&self, evaluation: &Evaluation<'_>, chosen: usize, reason: Reason) -> Option<Ticket> {
        let target = evaluation.target(chosen)?;
        let (request, now) = (evaluation.request, evaluation.now);
        let again = (request.explain || self.is_observed()).then(|| reason.clone());
        let ticket = self.ticket(request, evaluation.name, target, reason, now, |group| {
            evaluation.plan(chosen, group, now)
        })?;
        if let Some(key) = request.session_key {
            let entry = self.inner.targets.get(target.0 as usize)?;
            self.inner.lasting.sessions.remember(key, entry.key);
        }
        let Some(reason) = again else {
            return Some(ticket);
        };
        self.announce(&ticket, now);
        let is_to_be_told = self.is_to_be_told(&ticket);
        if !(is_to_be_told || request.explain) {
            return Some(ticket);
        }
        let decision = Arc::new(evaluation.told(Some((chosen, reason))));
        if is_to_be_told {
            self.tell(&ticket, &decision);
        }
        Some(if request.explain {
            ticket.explained(decision)
        } else {
            ticket
        })
    }

    fn announce(&self, ticket: &Ticket, now: Instant) {
        let routed = ticket.routed();
        let inner = &self.inner;
        inner.observers.tell(&inner.lasting.counters, |observer| {
            observer.picked(routed, now);
        });
    }

    fn is_to_be_told(&self, ticket: &Ticket) -> bool {
        let inner = &self.inner;
        let observers = &inner.observers;
        observers.want_decision(&inner.lasting.counters, ticket.routed())
    }

    fn tell(&self, ticket: &Ticket, decision: &Arc<Decision>) {
        let routed = ticket.routed();
        let inner = &self.inner;
        let observers = &inner.observers;
        observers.tell(&inner.lasting.counters, |observer| {
            observer.decided(routed, decision);
        });
    }

    /// Books an attempt under the group's lock, if `admit` gives a plan for it.
    fn ticket(
        &self,
        request: &PickRequest<'_>,
        name: &Name,
        id: TargetId,
        reason: Reason,
        now: Instant,
        admit: impl FnOnce(&mut Group) -> Option<Plan>,
    ) -> Option<Ticket> {
        let target = self.inner.targets.get(id.0 as usize)?;
        let (task, booking) = {
            let mut group = self.inner.group(target.group);
            let plan = admit(&mut group)?;
            let booking = Booking::new(&mut group, target.slot, request, plan, now)?;
            self.inner.post_pick(target, &mut group, now);
            (plan.task, booking)
        };
        let trial = target.fit.begin(request, self.inner.epoch, now);
        if let Some(credential) = target
            .credential
            .and_then(|at| self.inner.credentials.get(at))
        {
            credential.state.begin(self.inner.epoch, now);
        }
        let routed = Routed {
            inner: self.handles.own(),
            name: name.index,
            target: id,
            reason,
            attempt: request.attempts.saturating_add(1),
            id: self.inner.lasting.ledger.open(target.key, task),
            observed: None,
        };
        Some(Ticket::new(routed, booking.with_trial(trial)))
    }
}
