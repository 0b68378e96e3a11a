//! What about a request a target could not take.

use std::sync::Arc;

use super::{codes::Word, error_view::ErrorView, messages};

/// What about a request a model could not take, so that the next one like it need not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unfit {
    /// Prompt and answer together are too long.
    Context {
        /// The most tokens it takes, where it said.
        limit: Option<u64>,
    },
    /// It does not take this parameter, or not this value of it: the name of a member at the top of
    /// the body, at most 64 bytes.
    Parameter(Arc<str>),
    /// It takes no images.
    Images,
    /// It takes no tools.
    Tools,
    /// It has no JSON mode.
    JsonMode,
    /// There is no such model, or not for such requests.
    Model,
}

/// Says what did not fit, by codes first and by words where no code tells.
pub(super) fn unfit(view: &ErrorView) -> Option<Unfit> {
    let named = view.codes().find_map(|code| by_code(code, view));
    named.or_else(|| by_words(&messages::head(view.message()?)))
}

fn by_code(code: &str, view: &ErrorView) -> Option<Unfit> {
    let word = Word::of(code);
    match word.as_str() {
        "contextlengthexceeded"
        | "contextwindowexceeded"
        | "exceedcontextsize"
        | "tokenslimitreached" => {
            let words = || limit(&messages::head(view.message()?));
            let limit = view
                .context_size()
                .filter(|limit| is_limit(*limit))
                .or_else(words);
            Some(Unfit::Context { limit })
        }
        "modelnotfound"
        | "deploymentnotfound"
        | "unknownmodel"
        | "invalidmodel"
        | "modeldecommissioned"
        | "modelnotactive"
        | "modelnotavailable" => Some(Unfit::Model),
        word if word.starts_with("unsupported") => parameter(view.param()?),
        _ => None,
    }
}

/// A parameter by its name. What lies further inside is the content of a request: its place tells
/// nothing of other requests.
fn parameter(name: &str) -> Option<Unfit> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_letter) {
        return None;
    }
    match name {
        "model" | "messages" | "input" | "prompt" | "contents" | "system" | "instructions"
        | "stream" => None,
        "tools" | "functions" => Some(Unfit::Tools),
        _ => Some(Unfit::Parameter(name.into())),
    }
}

fn by_words(head: &str) -> Option<Unfit> {
    let says = |parts: &[&str]| parts.iter().any(|part| head.contains(part));
    if says(CONTEXT) || (head.contains("input token count") && head.contains("exceeds the maximum"))
    {
        return Some(Unfit::Context { limit: limit(head) });
    }
    // What is quoted comes from the request, or names what it is about.
    if says(&[
        "not support",
        "no endpoints found that support",
        "not available",
    ]) {
        if says(&["image", "vision", "multimodal"]) {
            return Some(Unfit::Images);
        }
        if says(&["response_format", "json mode", "json_object", "json_schema"]) {
            return Some(Unfit::JsonMode);
        }
        if says(&["tools", "tool use", "tool calling", "function calling"]) {
            return Some(Unfit::Tools);
        }
    }
    if says(&["image_url is only supported by"]) {
        return Some(Unfit::Images);
    }
    if let Some(name) = after(head, "unsupported parameter: '") {
        return parameter(name.split('\'').next()?);
    }
    let about_model = head.starts_with("model:")
        || (head.contains("model") && says(&["does not exist", "not found", "decommissioned"]));
    (about_model || says(MODEL)).then_some(Unfit::Model)
}

/// The number behind the words that announce it.
fn limit(head: &str) -> Option<u64> {
    let number = |start: &&str| {
        let rest = after(head, start)?.trim_start();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ',' | '_')));
        let digits = rest.get(..end.unwrap_or(rest.len()))?;
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    LIMITS
        .iter()
        .find_map(number)
        .filter(|limit| is_limit(*limit))
}

fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start).map(|(_, rest)| rest)
}

/// Whether a number of tokens can be what a model takes: neither a status nor nonsense.
fn is_limit(tokens: u64) -> bool {
    (600..=1_000_000_000).contains(&tokens)
}

/// Longer than the name of any parameter, bytes.
const LONGEST_NAME: usize = 64;

const CONTEXT: &[&str] = &[
    "maximum context length",
    "context length is",
    "prompt is too long",
    "exceed context limit",
    "input is too long for requested model",
    "exceeds the context window",
    "available context size",
    "maximum model length",
    "too many tokens: ",
    "exceeded model token limit",
    // Groq, of what can never fit into the tokens of a minute.
    "request too large",
];

const LIMITS: &[&str] = &[
    "maximum context length is ",
    "maximum context length of ",
    "maximum context length: ",
    "context length is only ",
    "context length is ",
    "number of tokens allowed (",
    "available context size (",
    "maximum model length of ",
    "exceeded model token limit: ",
    "limit for this model is ",
    "prediction) cannot exceed ",
    // Anthropic: "… 210000 tokens > 200000 maximum".
    " > ",
    ": limit ",
];

const MODEL: &[&str] = &[
    "provided model identifier is invalid",
    "is not a valid model id",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::classify::{Class, judge};

    fn of(status: u16, body: &str) -> Option<Unfit> {
        let view = ErrorView::parse(body.as_bytes()).unwrap_or_default();
        let verdict = judge::refused(&view, status, std::time::SystemTime::UNIX_EPOCH);
        assert_eq!(verdict.class, Class::ModelError, "{body}");
        verdict.unfit
    }

    fn context(limit: impl Into<Option<u64>>) -> Option<Unfit> {
        Some(Unfit::Context {
            limit: limit.into(),
        })
    }

    #[test]
    fn a_prompt_that_is_too_long_tells_the_limit_where_it_is_said() {
        for (status, body, limit) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 20011 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
                Some(8192),
            ),
            (
                400,
                r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}}"#,
                None,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                Some(200_000),
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length"}}"#,
                Some(200_000),
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#,
                Some(1_048_576),
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}"#,
                Some(4096),
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 32,768 tokens.","type":"BadRequestError","param":null,"code":400}"#,
                Some(32_768),
            ),
            (
                400,
                r#"{"message":"Input is too long for requested model."}"#,
                None,
            ),
            (
                400,
                r#"{"message":"too many tokens: total number of tokens (prompt and prediction) cannot exceed 4096 - received 5000."}"#,
                Some(4096),
            ),
            (
                400,
                r#"{"message":"too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs. The limit for this model is 128000 tokens."}"#,
                Some(128_000),
            ),
            (
                400,
                r#"{"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}}"#,
                Some(8192),
            ),
            (
                400,
                r#"{"error":{"object":"error","type":"invalid_request_error","message":"The prompt is too long: 139264, model maximum context length: 131071"}}"#,
                Some(131_071),
            ),
            (
                413,
                r#"{"error":{"message":"Request too large for model `x` in organization `org_1` on tokens per minute (TPM): Limit 6000, Requested 7000","type":"tokens","code":"rate_limit_exceeded"}}"#,
                Some(6000),
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 5 tokens.","code":"context_length_exceeded"}}"#,
                None,
            ),
        ] {
            assert_eq!(of(status, body), context(limit), "{body}");
        }
    }

    #[test]
    fn a_parameter_is_named_only_where_it_stands_at_the_top() {
        let body = |param: &str, code: &str| {
            format!(
                r#"{{"error":{{"message":"m","type":"invalid_request_error","param":{param},"code":"{code}"}}}}"#
            )
        };
        let parameter = |name: &str| Some(Unfit::Parameter(name.into()));
        for (param, code, expected) in [
            (
                r#""max_tokens""#,
                "unsupported_parameter",
                parameter("max_tokens"),
            ),
            (
                r#""temperature""#,
                "unsupported_value",
                parameter("temperature"),
            ),
            (r#""tools""#, "unsupported_parameter", Some(Unfit::Tools)),
            (r#""messages""#, "unsupported_value", None),
            (r#""messages[0].role""#, "unsupported_value", None),
            (r#""reasoning.effort""#, "unsupported_value", None),
            ("null", "unsupported_parameter", None),
            (r#""\u00e9""#, "unsupported_parameter", None),
        ] {
            assert_eq!(of(400, &body(param, code)), expected, "{param}");
        }
        let long = format!("\"{}\"", "x".repeat(65));
        assert_eq!(of(400, &body(&long, "unsupported_parameter")), None);
        let words = r#"{"error":{"message":"Unsupported parameter: 'top_k' is not supported with this model.","code":"invalid_request_error"}}"#;
        assert_eq!(of(400, words), parameter("top_k"));
    }

    #[test]
    fn what_a_model_is_not_able_to_is_found_in_words() {
        let error = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#);
        for (status, message, expected) in [
            (
                400,
                "registry.ollama.ai/library/gemma:2b does not support tools",
                Unfit::Tools,
            ),
            (400, "this model does not support vision", Unfit::Images),
            (
                400,
                "This model does not support image input.",
                Unfit::Images,
            ),
            (
                404,
                "No endpoints found that support image input",
                Unfit::Images,
            ),
            (
                404,
                "No endpoints found that support tool use. To learn more",
                Unfit::Tools,
            ),
            (
                400,
                "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
                Unfit::JsonMode,
            ),
        ] {
            assert_eq!(of(status, &error(message)), Some(expected), "{message}");
        }
    }

    #[test]
    fn an_unknown_model_is_told_from_an_unknown_path() {
        for (status, body) in [
            (
                404,
                r#"{"error":{"message":"The model `x` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
            ),
            (
                404,
                r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
            ),
            (
                404,
                r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#,
            ),
            (
                404,
                r#"{"error":{"code":404,"message":"models/x is not found for API version v1beta","status":"NOT_FOUND"}}"#,
            ),
            (
                404,
                r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
            ),
            (
                404,
                r#"{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error"}}"#,
            ),
            (
                400,
                r#"{"message":"The provided model identifier is invalid."}"#,
            ),
        ] {
            assert_eq!(of(status, body), Some(Unfit::Model), "{body}");
        }
        for (status, body) in [
            (404, "<html>not found</html>"),
            (404, r#"{"detail":"Not Found"}"#),
            (
                404,
                r#"{"error":{"message":"Invalid URL (POST /v1/x)","type":"invalid_request_error"}}"#,
            ),
            (405, ""),
        ] {
            assert_eq!(of(status, body), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(head in "\\PC*", number in "[0-9,_ ]{0,30}") {
            let _ = (by_words(&head), limit(&format!(" > {number}")), parameter(&head));
        }
    }
}
