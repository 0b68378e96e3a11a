use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, header};
use serde_json::{Value, json};

use super::{access::Caller, refuse::dialect_of};
use crate::router::OutcomeRouter;

/// Where SDKs look for models.
const PATHS: [&str; 3] = ["/v1/models", "/v1beta/models", "/openai/v1/models"];

/// What callers may name as a model: pools, their aliases and the models of their targets.
#[derive(Debug)]
pub(super) struct Catalog {
    /// Each with the name of its pool.
    names: Vec<(String, String)>,
    /// Whether models beside these go to the default upstream.
    passes_unknown: bool,
}

impl Catalog {
    pub(super) fn new(router: &OutcomeRouter, passes_unknown: bool) -> Self {
        let mut names: Vec<(String, String)> = Vec::new();
        for pool in router.snapshot().pools {
            let models = pool.targets.iter().map(|target| target.model.to_string());
            for name in std::iter::once(pool.name.to_string())
                .chain(pool.aliases)
                .chain(models)
            {
                // The pool of models that were declared without one has no name of its own.
                let Some(pool) = router.pool_of(&name) else {
                    continue;
                };
                if names.iter().all(|(other, _)| *other != name) {
                    names.push((name, pool.to_owned()));
                }
            }
        }
        Self {
            names,
            passes_unknown,
        }
    }

    /// Returns what a caller may name.
    pub(super) fn names<'a>(&'a self, caller: Caller<'a>) -> impl Iterator<Item = &'a str> {
        let open = move |(_, pool): &&(String, String)| caller.opens(pool);
        self.names
            .iter()
            .filter(open)
            .map(|(name, _)| name.as_str())
    }

    /// Answers what asks for the models that are served, or for one that is.
    pub(super) fn answer(
        &self,
        headers: &HeaderMap,
        path: &str,
        caller: Caller<'_>,
    ) -> Option<Response<Body>> {
        let rest = PATHS.iter().find_map(|it| path.strip_prefix(it))?;
        let shape = Shape::of(headers);
        if rest.is_empty() {
            let passes_unknown = self.passes_unknown && caller.opens_all();
            let names: Vec<_> = self.names(caller).collect();
            return Some(answer(&shape.list(&names, passes_unknown)));
        }
        // As it stands in a path: percent-encoded.
        let name = decoded(rest.strip_prefix('/')?)?;
        let is_there = self.names(caller).any(|it| it == name);
        is_there.then(|| answer(&shape.model(&name)))
    }
}

/// Undoes the percent-encoding of a segment of a path; `None` if that gives no text.
pub(super) fn decoded(segment: &str) -> Option<Cow<'_, str>> {
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

/// How an SDK wants to be told of models.
#[derive(Clone, Copy)]
enum Shape {
    Anthropic,
    Cohere,
    Gemini,
    Mistral,
    OpenAi,
}

impl Shape {
    fn of(headers: &HeaderMap) -> Self {
        match dialect_of(headers).name() {
            "anthropic" => Self::Anthropic,
            "cohere" => Self::Cohere,
            "gemini" => Self::Gemini,
            "mistral" => Self::Mistral,
            _ => Self::OpenAi,
        }
    }

    fn list(self, names: &[&str], passes_unknown: bool) -> Value {
        let models: Vec<Value> = names.iter().map(|name| self.model(name)).collect();
        match self {
            Self::Anthropic => json!({
                "data": models,
                "first_id": names.first(),
                "has_more": false,
                "last_id": names.last(),
            }),
            Self::Cohere | Self::Gemini => json!({ "models": models }),
            Self::OpenAi if passes_unknown => json!({
                "object": "list",
                "data": models,
                "passes_unknown_models": true,
            }),
            Self::Mistral | Self::OpenAi => json!({ "object": "list", "data": models }),
        }
    }

    fn model(self, name: &str) -> Value {
        // When a model was made is not known here, and SDKs insist on a date.
        let mut model = match self {
            Self::Anthropic => json!({
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "1970-01-01T00:00:00Z",
            }),
            Self::Cohere => json!({ "name": name }),
            Self::Gemini => json!({ "name": format!("models/{name}"), "displayName": name }),
            Self::Mistral | Self::OpenAi => {
                json!({ "id": name, "object": "model", "created": 0, "owned_by": "tower-outcome" })
            }
        };
        if let (Self::Mistral, Value::Object(fields)) = (self, &mut model) {
            // The SDK insists on these, too, and takes what is not said for its defaults.
            fields.insert("type".to_owned(), json!("base"));
            fields.insert("capabilities".to_owned(), json!({}));
        }
        model
    }
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
