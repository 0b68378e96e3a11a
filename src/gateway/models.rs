use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::router::OutcomeRouter;

/// Lists what may be named as a model: pools, aliases and the models of targets.
pub(super) fn list(router: &OutcomeRouter, headers: &HeaderMap) -> Response<Body> {
    let anthropic = is_anthropic(headers);
    let names = names(router);
    let data: Vec<Value> = names.iter().map(|name| model(name, anthropic)).collect();
    let list = if anthropic {
        json!({
            "data": data,
            "first_id": names.first(),
            "has_more": false,
            "last_id": names.last(),
        })
    } else {
        json!({ "object": "list", "data": data })
    };
    answer(&list)
}

/// Tells about one model, if it is served. The name is percent-encoded, as it stands in a path.
pub(super) fn retrieve(
    router: &OutcomeRouter,
    headers: &HeaderMap,
    name: &str,
) -> Option<Response<Body>> {
    let name = decoded(name)?;
    router
        .knows(&name)
        .then(|| answer(&model(&name, is_anthropic(headers))))
}

/// Undoes the percent-encoding of a segment of a path; `None` if that gives no text.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = segment.bytes();
    let mut plain = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

/// Answers with a JSON document.
pub(super) fn answer(document: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn names(router: &OutcomeRouter) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pool in router.snapshot().pools {
        let models = pool.targets.iter().map(|target| target.model.to_string());
        for name in std::iter::once(pool.name.to_string())
            .chain(pool.aliases)
            .chain(models)
        {
            // The pool of models that were declared without one has no name of its own.
            if router.knows(&name) && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn model(name: &str, anthropic: bool) -> Value {
    // When a model was made is not known here, and SDKs insist on a date.
    if anthropic {
        json!({
            "type": "model",
            "id": name,
            "display_name": name,
            "created_at": "1970-01-01T00:00:00Z",
        })
    } else {
        json!({ "id": name, "object": "model", "created": 0, "owned_by": "tower-outcome" })
    }
}

fn is_anthropic(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_paths_are_decoded() {
        for (segment, name) in [
            ("gpt-4o", Some("gpt-4o")),
            ("meta%2Fllama%203", Some("meta/llama 3")),
            ("mod%c3%a8le", Some("modèle")),
            ("100%", None),
            ("%+1", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(segment).as_deref(), name, "{segment}");
        }
    }
}
