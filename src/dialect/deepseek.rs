use super::{Addressed, Anthropic, Dialect, OpenAi, is_below, path};

/// DeepSeek: OpenAI's chat and, below `/beta`, completions; Anthropic's messages below `/anthropic`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeepSeek;

impl Dialect for DeepSeek {
    fn name(&self) -> &'static str {
        "deepseek"
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == OpenAi.name() && OPERATIONS.contains(&operation)
            || dialect == Anthropic.name()
                && matches!(operation, "/v1/messages" | "/v1/messages/count_tokens")
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.deepseek.com")
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        let root = ["v1", "beta", "anthropic"]
            .into_iter()
            .fold(base, path::without_last);
        let below = match request.endpoint.operation {
            _ if request.dialect == Anthropic.name() => "/anthropic",
            "/completions" => "/beta",
            _ => "",
        };
        format!("{root}{below}{}", request.shared())
    }
}

const OPERATIONS: &[&str] = &["/chat/completions", "/completions"];
