use http::{Extensions, Response};
use tokio::time::Instant;

use super::layer::Settings;
use crate::{
    classify::{Class, Processed, Transport, Verdict},
    dialect,
    hints::{Call, Candidates, Strict, Task, Tenant},
    router::{Next, OutcomeRouter, PickRequest, Reason, Routed, TargetId},
};

/// Which failed attempts may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// Those that failed before any content was delivered, by rate limits, server errors,
    /// overload, resets and timeouts, as the official SDKs do. A provider may have worked on some
    /// of them, and charge for them; those are counted.
    #[default]
    Standard,
    /// Only those that were provably not processed: refused connections, HTTP/2 refusals, and
    /// requests that were turned away.
    Safe,
}

/// Where a failed attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Nowhere.
    Never,
    /// On another target only: on the same one it would fail again.
    Elsewhere,
    /// Anywhere.
    Anywhere,
}

/// Says where an attempt that ended with this verdict may be repeated.
pub(super) fn repeat(verdict: &Verdict, replay: Replay) -> Repeat {
    if replay == Replay::Safe && verdict.processed != Processed::No {
        return Repeat::Never;
    }
    match verdict.class {
        _ if !verdict.failover => Repeat::Never,
        Class::RateLimited
        | Class::Overloaded
        | Class::ServerError
        | Class::Timeout
        | Class::Truncated => Repeat::Anywhere,
        Class::QuotaExhausted | Class::ModelError | Class::AuthError => Repeat::Elsewhere,
        _ => Repeat::Never,
    }
}

/// Says where a routed attempt of a call may be repeated.
pub(super) fn repeat_routed(
    router: &OutcomeRouter,
    settings: &Settings,
    call: &Call,
    (target, routed): (TargetId, &Routed),
    (verdict, says_no): (&Verdict, bool),
) -> Repeat {
    let forbidden = (call.has_side_effects() && !settings.side_effects)
        || *routed.reason() == Reason::Observed
        || (verdict.class == Class::AuthError && !router.has_own_credential(target));
    match repeat(verdict, settings.replay) {
        _ if forbidden => Repeat::Never,
        Repeat::Anywhere if says_no => Repeat::Elsewhere,
        repeat => repeat,
    }
}

/// Says how an attempt ended, where that is known. `None` is an answer that is still open, or was
/// never routed.
pub(super) fn ended<R, E: 'static>(
    verdict: Option<Verdict>,
    result: &Result<Response<R>, E>,
) -> Option<Verdict> {
    match (verdict, result) {
        (Some(verdict), _) if verdict.class != Class::Abandoned => Some(verdict),
        // A layer between us and routing gave up on it.
        (_, Err(error)) => Some(Transport::of(error).into()),
        (verdict, Ok(_)) => verdict,
    }
}

/// Looks for somebody to repeat a request on.
pub(super) fn next(
    router: &OutcomeRouter,
    call: &Call,
    extensions: &Extensions,
    path: &str,
    model: &str,
    now: Instant,
) -> Option<Next> {
    with_request(call, extensions, path, model, |request| {
        router.alternative(request, now)
    })
}

/// Looks for somebody better than the target whose answer failed its checks.
pub(super) fn better(
    router: &OutcomeRouter,
    call: &Call,
    extensions: &Extensions,
    path: &str,
    (target, model): (TargetId, &str),
    now: Instant,
) -> bool {
    with_request(call, extensions, path, model, |request| {
        router.better_alternative(request, target, now)
    })
}

/// Asks as routing would for the next attempt of a call.
fn with_request<T>(
    call: &Call,
    extensions: &Extensions,
    path: &str,
    model: &str,
    ask: impl FnOnce(&PickRequest<'_>) -> T,
) -> T {
    let tried = call.tried();
    let classified = call.task();
    let needs = call.needs();
    let dialect = dialect::detect(path).map(|(dialect, _)| dialect.name());
    let mut request = PickRequest::new(model)
        .tried(&tried)
        .needs(&needs)
        .strict(extensions.get::<Strict>().is_some());
    let task = extensions.get::<Task>().map(Task::as_str);
    if let Some(task) = task.or(classified.as_deref()) {
        request = request.task(task);
    }
    if let Some(tenant) = extensions.get::<Tenant>() {
        request = request.tenant(tenant.as_str());
    }
    if let Some(candidates) = extensions.get::<Candidates>() {
        request = request.candidates(candidates);
    }
    if let Some(dialect) = dialect {
        request = request.dialect(dialect);
    }
    ask(&request)
}

/// Returns whether the provider says that repeating is pointless.
pub(super) fn says_no<R, E>(result: &Result<Response<R>, E>) -> bool {
    let headers = result.as_ref().ok().map(Response::headers);
    let advice = headers.and_then(|headers| headers.get("x-should-retry"));
    advice.is_some_and(|advice| advice.as_bytes().eq_ignore_ascii_case(b"false"))
}
