//! Judges an error by its codes, its status and, last, its words.

use std::time::SystemTime;

use super::{
    class::{Class, Scope, Verdict},
    codes::{self, Meaning},
    endings::Ending,
    error_view::ErrorView,
    messages,
    transport::Processed,
    unfit::unfit,
};

/// Judges an error that came inside an answer with a good status, whole or as an event.
pub(crate) fn in_answer(view: &ErrorView) -> Verdict {
    // The status said that it was accepted; what was done before it failed is unknown.
    judge(view, None, None).with_processed(Processed::Maybe)
}

/// Judges the answer to a request that was refused with `status`.
pub(super) fn refused(view: &ErrorView, status: u16, wall: SystemTime) -> Verdict {
    judge(view, Some(status), Some(wall))
}

fn judge(view: &ErrorView, status: Option<u16>, wall: Option<SystemTime>) -> Verdict {
    let meaning = view.codes().filter_map(codes::meaning).max();
    let status = status.or(view.number());
    let mut verdict = match status {
        Some(status) => by_status(view, meaning, status),
        None => by_code(view, meaning.unwrap_or(Meaning::Server)),
    };
    if verdict.waits() {
        // Words can echo a prompt: they are believed only where a limit is what they are about.
        let limited = matches!(verdict.class, Class::RateLimited | Class::QuotaExhausted);
        let words = || messages::wait(view.message().filter(|_| limited)?);
        verdict.retry_after = view.wait(wall).or_else(words);
    }
    if verdict.class == Class::ModelError {
        verdict.unfit = unfit(view);
    }
    verdict
}

/// Codes that are more exact than any status go first; of the others a status knows better.
fn by_status(view: &ErrorView, meaning: Option<Meaning>, status: u16) -> Verdict {
    use Meaning::{Auth, Filter, Malformed, Model, Overload, Quota, RateLimit, Timeout};
    match (meaning, status) {
        (Some(exact @ (Quota | Filter | Malformed | Model | Overload)), _) => by_code(view, exact),
        (Some(RateLimit), 400 | 403 | 429 | 500..) => by_code(view, RateLimit),
        (_, 402 | 403) => denied(view, status),
        (Some(Auth), 400..=428 | 430..=499) => by_code(view, Auth),
        (Some(Timeout), 400 | 408 | 500..) => by_code(view, Timeout),
        (_, 400 | 422) => bad_request(view, meaning, status),
        (_, 404) => not_found(view),
        (_, 413) => too_large(view, meaning),
        (_, 429) => rate_limited(view),
        (_, 498) => nonstandard(view),
        _ => Ending::Status(status).verdict(),
    }
}

fn by_code(view: &ErrorView, meaning: Meaning) -> Verdict {
    match meaning {
        Meaning::Quota => Verdict::new(Class::QuotaExhausted),
        Meaning::Filter => filtered_prompt(),
        Meaning::Malformed => Verdict::new(Class::Degraded),
        Meaning::Model => Verdict::new(Class::ModelError),
        Meaning::Auth => Verdict::new(Class::AuthError),
        Meaning::Overload => Verdict::new(Class::Overloaded),
        Meaning::Timeout => Verdict::new(Class::Timeout),
        Meaning::RateLimit => rate_limited(view),
        Meaning::NotFound => not_found(view),
        Meaning::Server => Verdict::new(Class::ServerError),
        Meaning::Caller => bad_request(view, Some(meaning), 400),
    }
}

/// A 400 is the caller's fault unless its words say otherwise, and they are heard only where there
/// is no code: what they echo of the prompt must not count.
fn bad_request(view: &ErrorView, meaning: Option<Meaning>, status: u16) -> Verdict {
    if meaning == Some(Meaning::NotFound) {
        return not_found(view);
    }
    let silent = view.code().is_none_or(|code| {
        code.parse::<i64>().is_ok() || codes::meaning(code) == Some(Meaning::Caller)
    });
    let words = view.message().filter(|_| silent);
    match words.and_then(messages::about_request) {
        Some(meaning) => by_code(view, meaning),
        None => Ending::Status(status).verdict(),
    }
}

/// 402 and 403: a bill or a credential, but also a flagged prompt, a budget, one model.
fn denied(view: &ErrorView, status: u16) -> Verdict {
    if view.is_flagged() {
        return filtered_prompt();
    }
    match view.limit_source() {
        Some(source) if source.contains("in_flight") => return rate_limited(view),
        Some(_) => return Verdict::new(Class::QuotaExhausted),
        None => {}
    }
    match view.message() {
        Some(words) if messages::is_quota(words) => Verdict::new(Class::QuotaExhausted),
        Some(words) if status == 403 && messages::denies_model(words) => {
            Verdict::new(Class::ModelError)
        }
        _ => Ending::Status(status).verdict(),
    }
}

/// On an inference path the only thing to be found is the model, unless a parameter is named.
fn not_found(view: &ErrorView) -> Verdict {
    match view.param() {
        Some(param) if param != "model" => Verdict::new(Class::ClientError),
        _ => Verdict::new(Class::ModelError),
    }
}

/// Groq refuses with 413 what can never fit into the tokens per minute.
fn too_large(view: &ErrorView, meaning: Option<Meaning>) -> Verdict {
    let words = view.message().is_some_and(messages::is_too_large);
    if meaning == Some(Meaning::RateLimit) || words {
        Verdict::new(Class::ModelError).with_scope(Some(Scope::Tokens))
    } else {
        Ending::Status(413).verdict()
    }
}

fn rate_limited(view: &ErrorView) -> Verdict {
    let words = view.message().unwrap_or_default();
    if messages::is_too_large(words) {
        return Verdict::new(Class::ModelError).with_scope(Some(Scope::Tokens));
    }
    if messages::is_quota(words) {
        return Verdict::new(Class::QuotaExhausted);
    }
    if is_long(view, words) {
        return Verdict::new(Class::QuotaExhausted).with_reset();
    }
    let code = view.codes().find_map(codes::scope);
    let scope = code
        .or_else(|| quota_scope(view))
        .or_else(|| messages::scope(words));
    Verdict::new(Class::RateLimited).with_scope(scope)
}

/// Google names its quotas; the words it puts beside them speak of plans and billing always.
fn is_long(view: &ErrorView, words: &str) -> bool {
    let mut quotas = view.quotas().peekable();
    if quotas.peek().is_some() {
        quotas.any(|quota| quota.contains("PerDay"))
    } else {
        messages::is_long(words)
    }
}

fn quota_scope(view: &ErrorView) -> Option<Scope> {
    let quota = view.quotas().next()?;
    if quota.contains("Token") {
        Some(Scope::Tokens)
    } else if quota.contains("Request") {
        Some(Scope::Requests)
    } else {
        None
    }
}

/// 498 is Groq's "no capacity" (with a code) and everybody else's "invalid token".
fn nonstandard(view: &ErrorView) -> Verdict {
    let words = view.message().unwrap_or_default().to_ascii_lowercase();
    let of_credential = words.contains("token") || words.contains("api key");
    if of_credential && !words.contains("capacity") {
        Verdict::new(Class::AuthError)
    } else {
        Ending::Status(498).verdict()
    }
}

/// Neutral: it tells of the prompt, not of the model.
fn filtered_prompt() -> Verdict {
    Verdict::new(Class::ContentFilter).with_neutral(true)
}
