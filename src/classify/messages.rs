//! What message texts tell, for the cases where nothing structured does.
//!
//! Providers echo prompts in messages, so only the first sentence or two is looked at, with the
//! phrase that the provider puts there, and never where a code speaks.

use std::time::Duration;

use super::{class::Scope, codes::Meaning, duration};

/// What a message says of a request that was refused with nothing but "invalid request".
pub(super) fn about_request(message: &str) -> Option<Meaning> {
    let head = head(message);
    let starts = |starts: &[&str]| starts.iter().any(|start| head.starts_with(start));
    let contains = |parts: &[&str]| parts.iter().any(|part| head.contains(part));
    let ends = |ends: &[&str]| {
        ends.iter()
            .any(|end| head.trim_end_matches('.').ends_with(end))
    };

    if starts(QUOTA_STARTS) {
        Some(Meaning::Quota)
    } else if starts(&["user location is not supported"]) {
        // Gemini. Another credential would be of another place.
        Some(Meaning::Auth)
    } else if starts(MODEL_STARTS)
        || contains(MODEL_PARTS)
        || ends(MODEL_ENDS)
        || (head.contains("input token count") && head.contains("exceeds the maximum"))
    {
        Some(Meaning::Model)
    } else {
        None
    }
}

/// Whether a message says that access to the model, not the credential as such, is missing.
pub(super) fn denies_model(message: &str) -> bool {
    let head = head(message);
    head.contains("access to the model") || head.contains("access to model")
}

/// Whether a message says that money or an account-wide cap ran out.
pub(super) fn is_quota(message: &str) -> bool {
    about_request(message) == Some(Meaning::Quota)
}

/// Whether a message says that a request can never fit into a rate.
pub(super) fn is_too_large(message: &str) -> bool {
    head(message).starts_with("request too large")
}

/// Whether a message is about a limit per day or month.
pub(super) fn is_long(message: &str) -> bool {
    let head = head(message);
    LONG_PARTS.iter().any(|part| head.contains(part))
}

/// Which rate a message is about.
pub(super) fn scope(message: &str) -> Option<Scope> {
    let head = head(message);
    let contains = |parts: &[&str]| parts.iter().any(|part| head.contains(part));
    let tokens = contains(&[
        "tokens per",
        "token rate limit",
        "too many tokens",
        "(tpm)",
        "(tpd)",
    ]);
    let requests = contains(&["requests per", "call rate limit", "(rpm)", "(rpd)"])
        // Alone, the words are only the reason phrase of the status.
        || (head.contains("too many requests") && head.len() > "too many requests.".len());
    match (requests, tokens) {
        (true, false) => Some(Scope::Requests),
        (false, true) => Some(Scope::Tokens),
        _ => None,
    }
}

/// How long a message asks us to wait: "try again in 1.8s", "retry after 6 seconds".
pub(super) fn wait(message: &str) -> Option<Duration> {
    let message = head(message);
    WAIT_STARTS
        .iter()
        .flat_map(|start| message.split(start).skip(1))
        .find_map(span)
        .filter(|wait| !wait.is_zero())
}

fn span(text: &str) -> Option<Duration> {
    let text = text.trim_start();
    if let Some((duration, _)) = duration::go_prefix(text) {
        return Some(duration);
    }
    let (number, rest) = duration::number_prefix(text)?;
    let rest = rest.trim_start();
    let scale = if rest.starts_with("ms") || rest.starts_with("millisecond") {
        1e-3
    } else if rest.starts_with("sec") || rest.starts_with("s ") {
        1.0
    } else if rest.starts_with("min") {
        60.0
    } else if rest.starts_with("hour") {
        3600.0
    } else {
        return None;
    };
    Duration::try_from_secs_f64(number * scale).ok()
}

/// The beginning of the first line, in lower case.
pub(super) fn head(message: &str) -> String {
    let line = message.trim_start().lines().next().unwrap_or_default();
    line.chars()
        .take(HEAD)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// How much of a message is looked at, characters.
const HEAD: usize = 300;

const WAIT_STARTS: &[&str] = &["try again in ", "retry in ", "retry after "];

/// Anthropic.
const QUOTA_STARTS: &[&str] = &[
    "your credit balance is too low",
    "you have reached your specified api usage limits",
    "you have reached your specified workspace api usage limits",
];

const LONG_PARTS: &[&str] = &[
    "per day",
    "per-day",
    "(rpd)",
    "(tpd)",
    "daily",
    "per month",
    "/ month",
];

const MODEL_STARTS: &[&str] = &[
    // OpenAI, vLLM.
    "this model's maximum context length",
    "this model does not support",
    // Anthropic.
    "prompt is too long",
    // Fireworks.
    "the prompt is too long",
    "input length and `max_tokens` exceed context limit",
    // Bedrock.
    "input is too long for requested model",
    "the provided model identifier is invalid",
    // llama.cpp.
    "the request exceeds the available context size",
    // Cohere, where a rate is "too many tokens," at Bedrock.
    "too many tokens: ",
];

const MODEL_PARTS: &[&str] = &[
    // vLLM, and those who pass it on.
    "maximum context length is",
    "the model's context length is",
    "exceeds the model's maximum context length",
    "longer than the maximum model length",
    // Mistral: "… too large for model with 32768 maximum context length".
    "too large for model with",
    // llama.cpp.
    "exceeds the available context size",
    // Bedrock; the apostrophe is a typographic one at times.
    "with on-demand throughput isn",
    "you don't have access to the model",
    // Several.
    "not supported with this model",
    "not supported by this model",
    "image_url is only supported by certain models",
    "exceeds the context window of this model",
    "is not a valid model id",
    // Moonshot.
    "your request exceeded model token limit",
];

/// Ollama: "… does not support tools".
const MODEL_ENDS: &[&str] = &[
    "does not support tools",
    "does not support thinking",
    "does not support chat",
    "does not support embeddings",
    "does not support vision",
    "does not support images",
    "does not support image input",
    "does not support image inputs",
    "image input is not supported",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(message: &str) -> Option<u128> {
        wait(message).map(|wait| wait.as_millis())
    }

    #[test]
    fn waits_are_found_in_sentences() {
        assert_eq!(ms("Please try again in 1.8s. Visit https://x"), Some(1800));
        assert_eq!(ms("Please try again in 20s."), Some(20_000));
        assert_eq!(ms("Please try again in 644ms. Visit"), Some(644));
        assert_eq!(ms("try again in 6m0s"), Some(360_000));
        assert_eq!(ms("Please retry after 6 seconds."), Some(6000));
        assert_eq!(ms("Please retry in 34.4s."), Some(34_400));
        assert_eq!(ms("Try again in 2 minutes"), Some(120_000));
        for message in [
            "try again in a moment",
            "Try again with a conversation",
            "try again in 0s",
            "try again in -5s",
            "retry after 5",
            "try again in 1e999s",
            "try again in",
        ] {
            assert_eq!(ms(message), None, "{message}");
        }
        assert_eq!(ms("try again in a bit, or try again in 3s"), Some(3000));
    }

    #[test]
    fn scopes_are_found_in_sentences() {
        assert_eq!(
            scope("on tokens per min (TPM): Limit 6000"),
            Some(Scope::Tokens)
        );
        assert_eq!(
            scope("on requests per min (RPM): Limit 3"),
            Some(Scope::Requests)
        );
        assert_eq!(
            scope("have exceeded token rate limit of"),
            Some(Scope::Tokens)
        );
        assert_eq!(
            scope("Too many requests, please wait"),
            Some(Scope::Requests)
        );
        assert_eq!(scope("Too Many Requests"), None);
        assert_eq!(scope("Rate limit exceeded"), None);
        assert_eq!(scope("requests per min and tokens per min"), None);
    }

    #[test]
    fn an_echoed_prompt_tells_nothing() {
        let echo = format!(
            "messages.0: {} Your credit balance is too low",
            "x".repeat(400)
        );
        assert_eq!(about_request(&echo), None);
        assert_eq!(
            about_request("Invalid: \nThis model's maximum context length is 1"),
            None
        );
        assert_eq!(
            about_request("Invalid 'text': \"prompt is too long\""),
            None
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(message in "\\PC*") {
            let _ = (wait(&message), scope(&message), about_request(&message));
        }

        #[test]
        fn f12_waits_of_any_form_do_not_panic(wait_text in "[0-9.eE+ hmsminutes\u{e9}-]{0,30}") {
            let _ = wait(&format!("try again in {wait_text}"));
        }
    }
}
