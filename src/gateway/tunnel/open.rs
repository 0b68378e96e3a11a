use http::request::Parts;

use super::asked;
use crate::{
    gateway::{refuse::dialect_of, upstreams::address},
    hints::{Candidates, Risk, Session, Strict, Task, Tenant},
    router::{Mode, OutcomeRouter, PickRequest, Ticket, Unavailable, Upstream},
};

/// Picks a target for the model that a request for a websocket names, and makes the request one to
/// it. There is no ticket where the pool is switched off.
pub(super) fn route(
    router: &OutcomeRouter,
    pool: &str,
    parts: &mut Parts,
    model: &str,
) -> Result<Option<Ticket>, Unavailable> {
    if router.mode(pool) == Some(Mode::Off) {
        if let Some((upstream, _, model)) = router.off_upstream(model) {
            send_to(parts, &model, Some(&upstream));
        }
        return Ok(None);
    }
    let ticket = router.pick(&request(parts, model))?;
    let routed = ticket.routed();
    send_to(
        parts,
        routed.model(),
        routed.upstream().map(|upstream| &**upstream),
    );
    Ok(Some(ticket))
}

fn request<'a>(parts: &'a Parts, model: &'a str) -> PickRequest<'a> {
    let extensions = &parts.extensions;
    let mut request = PickRequest::new(model)
        .stream(true)
        .dialect(dialect_of(&parts.headers).name())
        .strict(extensions.get::<Strict>().is_some())
        .risk_averse(extensions.get::<Risk>().is_some());
    if let Some(task) = extensions.get::<Task>() {
        request = request.task(task.as_str());
    }
    if let Some(tenant) = extensions.get::<Tenant>() {
        request = request.tenant(tenant.as_str());
    }
    if let Some(session) = extensions.get::<Session>() {
        request = request.session(session.as_str());
    }
    if let Some(candidates) = extensions.get::<Candidates>() {
        request = request.candidates(candidates);
    }
    request
}

fn send_to(parts: &mut Parts, model: &str, upstream: Option<&Upstream>) {
    asked::rename(&mut parts.uri, model);
    if let Some(upstream) = upstream {
        address(parts, upstream);
    }
}
