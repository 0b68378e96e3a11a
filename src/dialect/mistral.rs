use super::{Addressed, Dialect, EndpointKind, OpenAi, is_below, path};

/// Mistral: OpenAI's chat, embeddings, moderations and transcriptions, and endpoints of its own for
/// filling in the middle and for reading documents. Agents name no model and pass through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mistral;

impl Dialect for Mistral {
    fn name(&self) -> &'static str {
        "mistral"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name() || dialect == OpenAi.name() && OPERATIONS.contains(&operation)
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.mistral.ai") || is_below(host, "codestral.mistral.ai")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        path::below_version(base, request)
    }
}

const OPERATIONS: &[&str] = &[
    "/chat/completions",
    "/embeddings",
    "/moderations",
    "/audio/transcriptions",
];

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/fim/completions", EndpointKind::Completion),
    ("/ocr", EndpointKind::Document),
];
