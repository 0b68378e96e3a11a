use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{Method, StatusCode, Uri, header, request::Parts};
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, json_response, read},
};
use crate::{
    gateway::{
        headers::{self, Headers, Trust},
        models::decoded,
    },
    route::DryRun,
    router::Passed,
};

/// Where most requests go.
const PATH: &str = "/v1/chat/completions";

/// Says what would become of a request, by the code that would serve it. Says nothing of what is in
/// its body but the model, where that is one of ours.
pub(super) async fn explain(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Result<Response, Failure> {
    let router = shared.router()?;
    let (mut parts, body) = request.into_parts();
    let path = path(&parts)?;
    parts.method = Method::POST;
    parts.uri = path.clone();
    // The token is none of the request's own credentials.
    parts.headers.remove(header::AUTHORIZATION);
    headers::enter(&mut parts);
    take_hints(&shared, &mut parts);
    let Ok(_permit) = shared.explaining.try_acquire() else {
        return Err(Failure::unavailable(
            "too many requests are explained at a time",
        ));
    };
    let body = read(body, router.max_body()).await?;
    let run = match DryRun::new(&router, parts, body) {
        Ok(run) => run,
        Err(why) => return Ok(unrouted(&path, why)),
    };
    let (decision, text) = match &run.decision {
        Ok(decision) => (Some(decision), decision.to_string()),
        Err(unavailable) => (None, unavailable.to_string()),
    };
    Ok(json_response(&json!({
        "routed": true,
        "path": path.path(),
        "dialect": run.dialect,
        "operation": run.operation,
        "requested_model": run.model,
        "stream": run.stream,
        "mode": run.mode,
        "decision": decision,
        "text": text,
    })))
}

/// Takes the hints as the gateway does. Whoever runs it is trusted with all of them.
fn take_hints(shared: &Shared, parts: &mut Parts) {
    let trust = Trust::NONE.pin().exclude();
    if let Some(gateway) = &shared.gateway {
        let live = gateway.live();
        live.rules.headers.take(parts, trust, live.rules.deadline);
    } else if let Ok(names) = Headers::new().build() {
        names.take(parts, trust, Duration::MAX);
    }
}

/// Returns the path that the request would come by.
fn path(parts: &Parts) -> Result<Uri, Failure> {
    let query = parts.uri.query().unwrap_or_default();
    let mut given = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("path="));
    let path = given.next().map_or_else(|| Some(PATH.into()), decoded);
    let path = path.filter(|path| path.starts_with('/'));
    let path = path.and_then(|path| path.parse::<Uri>().ok());
    path.ok_or_else(|| Failure::bad("path must be a path, such as /v1/chat/completions"))
}

fn unrouted(path: &Uri, why: Passed) -> Response {
    let text = match why {
        Passed::NotInference => "No request to this path is routed.",
        Passed::ContentType => "The content-type is none that is looked into at this path.",
        Passed::Encoded => "It is compressed: the gateway would decode it first. Send it plain.",
        Passed::Signed => "It is covered by a digest or signature.",
        Passed::TooLarge | Passed::UploadFailed => "It is larger than the limit.",
        Passed::NotJson => "Its body is no JSON object.",
        Passed::NotForm => "Its body is no form, as its content-type says.",
        Passed::TooDeep => "Its body is nested deeper than 128 levels.",
        Passed::NoModel => "It names no model.",
        Passed::UnknownModel => "It names a model that no pool serves.",
        Passed::Off => "Its pool is switched off.",
    };
    let mut response = json_response(&json!({
        "routed": false,
        "path": path.path(),
        "passed": why,
        "text": text,
    }));
    if why == Passed::TooLarge {
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    }
    response
}
