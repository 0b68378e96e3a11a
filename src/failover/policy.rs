use std::{future, sync::Arc};

use http::{Request, Response, StatusCode};
use tower::retry::Policy;

use super::{
    budget::Budget,
    layer::FailoverLayer,
    rules::{Repeat, repeat},
};
use crate::{
    classify::{Class, Processed, Transport, Verdict},
    hints::Call,
    router::{OutcomeRouter, Reason},
};

/// A `tower::retry::Policy` with the rules of [`FailoverLayer`]: what may be repeated, how often,
/// and within which budget.
///
/// For those who stack `tower::retry::RetryLayer` over routing themselves. The request must be
/// `Clone`. Put a [`CallLayer`](crate::CallLayer) above the retry layer: without it the policy
/// sees only statuses, and routing does not know what was tried. It repeats at once; where that
/// would hit the same target, [`FailoverLayer`] would pause.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    router: OutcomeRouter,
    settings: super::layer::Settings,
    budget: Arc<Budget>,
    attempts: u32,
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
        }
    }

    fn may_repeat(&self, call: Option<&Call>, verdict: &Verdict) -> bool {
        let side_effects = call.is_some_and(Call::has_side_effects);
        let observed = call
            .and_then(Call::last)
            .is_some_and(|r| *r.reason() == Reason::Observed);
        self.attempts < self.settings.attempts
            && (!side_effects || self.settings.side_effects)
            && !observed
            && repeat(verdict, self.settings.replay) != Repeat::Never
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
        let verdict = call.and_then(Call::verdict);
        let verdict = match (verdict, &*result) {
            (Some(verdict), Err(_)) if verdict.class != Class::Abandoned => Some(verdict),
            (_, Err(error)) => Some(Transport::of(error).into()),
            (Some(verdict), Ok(_)) => Some(verdict),
            (None, Ok(_)) if call.is_some() => None,
            (None, Ok(response)) => by_status(response.status()),
        };
        let Some(verdict) = verdict.filter(|verdict| verdict.class != Class::Success) else {
            if self.attempts > 1 {
                self.budget.refund(now);
            }
            return None;
        };
        if !self.may_repeat(call, &verdict) || !self.budget.withdraw(now) {
            return None;
        }
        self.router
            .counters()
            .repeated(verdict.processed != Processed::No);
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
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
