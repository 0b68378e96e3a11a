use super::{Anthropic, Dialect, OpenAi, is_below};

/// OpenRouter: OpenAI's chat, completions and responses and Anthropic's messages, for the models of
/// many. A `models` list of fallbacks in a request is the caller's own and stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenRouter;

impl Dialect for OpenRouter {
    fn name(&self) -> &'static str {
        "openrouter"
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == OpenAi.name() && OPERATIONS.contains(&operation)
            || dialect == Anthropic.name() && operation == "/v1/messages"
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "openrouter.ai")
    }
}

const OPERATIONS: &[&str] = &[
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
];
