use super::{Addressed, Anthropic, Cohere, Dialect, EndpointKind, OpenAi, path};

/// vLLM: OpenAI's wire and Anthropic's messages, and endpoints of its own for scoring, reranking and
/// pooling. The base URL is that of the server: `http://127.0.0.1:8000`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vllm;

impl Dialect for Vllm {
    fn name(&self) -> &'static str {
        "vllm"
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name()
            || dialect == OpenAi.name() && OPERATIONS.contains(&operation)
            || dialect == Anthropic.name()
                && matches!(operation, "/v1/messages" | "/v1/messages/count_tokens")
            || dialect == Cohere.name() && operation.ends_with("/rerank")
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
    "/audio/transcriptions",
    "/audio/translations",
];

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/score", EndpointKind::Rerank),
    ("/rerank", EndpointKind::Rerank),
    ("/pooling", EndpointKind::Embedding),
    ("/classify", EndpointKind::Moderation),
];
