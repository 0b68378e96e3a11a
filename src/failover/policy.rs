use std::{future, sync::Arc};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use tower::retry::Policy;

use super::{
    budget::Budget,
    layer::FailoverLayer,
    rules::{self, Repeat, ended, repeat, repeat_routed, says_no},
};
use crate::{
    classify::{Class, Processed, Verdict},
    hints::{AttemptIndex, Call, Deadline, Mark},
    router::{Next, OutcomeRouter, Routed, TargetId},
};

/// A `tower::retry::Policy` with the rules of [`FailoverLayer`]: what may be repeated, how often,
/// and within which budget.
///
/// For those who stack `tower::retry::RetryLayer` over routing themselves. The request must be
/// `Clone`. Put a [`CallLayer`](crate::CallLayer) above the retry layer: without it the policy
/// sees only statuses, and routing does not know what was tried; under a hedge put one below the
/// hedge, too, so that each branch looks at its own attempts. It repeats at once; where that would
/// hit the same target, [`FailoverLayer`] would pause. It does not
/// [cascade](crate::Pool::cascade): `tower::retry` keeps no answer.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    router: OutcomeRouter,
    settings: super::layer::Settings,
    budget: Arc<Budget>,
    attempts: u32,
    /// When the first attempt began.
    started: Option<Instant>,
    /// The attempt that was looked at last.
    attempt: Option<AttemptIndex>,
}

impl RetryPolicy {
    /// Creates a policy with the settings of a failover layer, whose budget it shares.
    #[must_use]
    pub fn new(layer: &FailoverLayer) -> Self {
        Self {
            router: layer.router.clone(),
            settings: layer.settings,
            budget: layer.budget.clone(),
            attempts: 0,
            started: None,
            attempt: None,
        }
    }

    /// Says whether a routed attempt may be repeated, by the rules of failover.
    fn may_repeat<B>(
        &self,
        request: &Request<B>,
        call: &Call,
        (target, routed): (TargetId, &Routed),
        (verdict, says_no): (&Verdict, bool),
        now: Instant,
    ) -> bool {
        let settings = &self.settings;
        let deadline = request.extensions().get::<Deadline>();
        let deadline = deadline.map(|deadline| deadline.0).or(settings.deadline);
        let late = self
            .started
            .zip(deadline)
            .is_some_and(|(started, within)| now.saturating_duration_since(started) >= within);
        if late {
            return false;
        }
        let judged = (verdict, says_no);
        match repeat_routed(&self.router, settings, call, (target, routed), judged) {
            Repeat::Never => false,
            Repeat::Anywhere => true,
            Repeat::Elsewhere => {
                let (extensions, path) = (request.extensions(), request.uri().path());
                let model = routed.requested_model();
                let next = rules::next(&self.router, call, extensions, path, model, now);
                matches!(next, Some(Next::Other | Next::Nobody { tried: false, .. }))
            }
        }
    }
}

impl<B: Clone, R, E: 'static> Policy<Request<B>, Response<R>, E> for RetryPolicy {
    type Future = future::Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Self::Future> {
        let now = self.router.now();
        self.attempts += 1;
        if self.attempts == 1 {
            self.budget.deposit(now);
        }
        let call = request.extensions().get::<Call>();
        let attempt = call.and_then(|call| {
            let mark = request.extensions().get::<Mark>();
            let index = mark.map_or_else(|| call.last_attempt(), Mark::get)?;
            // What routing refused by itself leaves the attempt before it.
            let new = self.attempt.replace(index) != Some(index);
            call.attempt(index).filter(|_| new)
        });
        let verdict = match (&attempt, call) {
            (Some((_, _, verdict)), _) => ended(verdict.clone(), result),
            // Not routed, or refused by ourselves.
            (None, Some(_)) => return None,
            (None, None) => match &*result {
                Ok(response) => by_status(response.status()),
                Err(_) => ended(None, result),
            },
        };
        let Some(verdict) = verdict.filter(|verdict| verdict.class != Class::Success) else {
            if self.attempts > 1 {
                self.budget.refund(now);
            }
            return None;
        };
        let allowed = match (call, &attempt) {
            (Some(call), Some((target, routed, _))) => {
                let says_no = says_no(result);
                self.may_repeat(request, call, (*target, routed), (&verdict, says_no), now)
            }
            _ => repeat(&verdict, self.settings.replay) == Repeat::Anywhere && !says_no(result),
        };
        if !allowed || self.attempts >= self.settings.attempts || !self.budget.withdraw(now) {
            return None;
        }
        self.router
            .counters()
            .repeated(verdict.processed != Processed::No);
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        if self.attempts == 0 {
            self.started = Some(self.router.now());
        }
        Some(request.clone())
    }
}

/// What a status says by itself.
fn by_status(status: StatusCode) -> Option<Verdict> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(Verdict::new(Class::RateLimited)),
        status if status.is_server_error() => Some(Verdict::new(Class::ServerError)),
        _ => None,
    }
}
