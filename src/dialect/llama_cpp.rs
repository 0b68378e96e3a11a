use super::{Addressed, Anthropic, Dialect, EndpointKind, OpenAi, path};

/// The server of llama.cpp: OpenAI's wire and Anthropic's messages, and completions of its own. The
/// base URL is that of the server: `http://127.0.0.1:8080`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlamaCpp;

impl Dialect for LlamaCpp {
    fn name(&self) -> &'static str {
        "llama-cpp"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && OPERATIONS.contains(&operation)
            || dialect == Anthropic.name()
                && matches!(operation, "/v1/messages" | "/v1/messages/count_tokens")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        path::below_version(base, request)
    }
}

const OPERATIONS: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
];

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/completion", EndpointKind::Completion),
    ("/infill", EndpointKind::Completion),
];
