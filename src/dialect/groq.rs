use super::{Dialect, OpenAi, is_below};

/// Groq: OpenAI's wire below `/openai/v1`. Its request limits are per day, its token limits per
/// minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Groq;

impl Dialect for Groq {
    fn name(&self) -> &'static str {
        "groq"
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == OpenAi.name() && OPERATIONS.contains(&operation)
    }

    fn is_at(&self, host: &str) -> bool {
        is_below(host, "api.groq.com")
    }
}

const OPERATIONS: &[&str] = &[
    "/chat/completions",
    "/responses",
    "/embeddings",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
];
