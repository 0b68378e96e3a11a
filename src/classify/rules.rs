use std::sync::Arc;

use http::{HeaderMap, header::CONTENT_TYPE};

use super::{
    Classify, Seen, answer,
    class::{Class, Scope, Verdict},
    endings::Ending,
    error_view::ErrorView,
    finish::Finish,
    judge,
    limits::Limits,
    peek::{Object, document},
    response_id,
    retry_after::{epoch_reset, retry_after},
    seen::{BodySeen, StreamSummary},
    transport::Transport,
    usage::Usage,
};

/// The rules that ship. See [the module](super) for what they decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultClassifier;

impl Classify for DefaultClassifier {
    fn classify(&self, seen: &Seen<'_>) -> Verdict {
        judge(seen, parse(&seen.body).as_ref())
    }
}

/// What an answer says beside what it is judged by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Tokens, as far as reported.
    pub(crate) usage: Option<Usage>,
    /// What the provider calls it, where it came whole.
    pub(crate) response_id: Option<Arc<str>>,
}

/// Judges by the rules that ship, and reads what else is said from the same parse.
pub(crate) fn classify_and_read(seen: &Seen<'_>) -> (Verdict, Said) {
    let json = parse(&seen.body);
    let verdict = judge(seen, json.as_ref());
    (verdict, said(&seen.body, json.as_ref()))
}

/// Reads what an answer says beside what it is judged by.
pub(crate) fn read(body: &BodySeen<'_>) -> Said {
    said(body, parse(body).as_ref())
}

fn said(body: &BodySeen<'_>, json: Option<&Parsed<'_>>) -> Said {
    match (body, json) {
        (BodySeen::Stream(summary), _) => Said {
            usage: summary.usage,
            response_id: None,
        },
        (_, Some(Ok(json))) => Said {
            usage: Usage::within(json),
            response_id: response_id::of_answer(json),
        },
        _ => Said::default(),
    }
}

/// The JSON of a body that came whole, unless it is too long.
type Parsed<'a> = serde_json::Result<Object<'a>>;

fn parse<'a>(body: &'a BodySeen<'_>) -> Option<Parsed<'a>> {
    match body {
        BodySeen::Whole(body) if body.len() <= MAX_BODY => Some(Object::parse(body)),
        _ => None,
    }
}

fn judge(seen: &Seen<'_>, json: Option<&Parsed<'_>>) -> Verdict {
    let mut verdict = match (seen.status, seen.transport) {
        (Some(status), _) if status.is_success() || status.is_informational() => {
            accepted(seen, json, status.as_u16())
        }
        // What a body that broke off would have added is unknown; the status stands.
        (Some(status), _) => refused(seen, json, status.as_u16()),
        (None, Some(transport)) => Ending::Transport(transport).verdict(),
        (None, None) => Verdict::new(Class::Abandoned),
    };
    if verdict.waits() && seen.status.is_some() {
        add_headers(&mut verdict, seen);
    }
    verdict.transport = seen.transport;
    verdict
}

fn accepted(seen: &Seen<'_>, json: Option<&Parsed<'_>>, status: u16) -> Verdict {
    match (&seen.body, seen.transport) {
        (BodySeen::Stream(summary), transport) => streamed(summary, transport),
        (_, Some(transport)) => Ending::Cut(transport).verdict(),
        (BodySeen::Whole(body), None) => whole(body, json, seen.headers, status),
        (BodySeen::Unread | BodySeen::Opaque, None) => Ending::Status(status).verdict(),
    }
}

fn refused(seen: &Seen<'_>, json: Option<&Parsed<'_>>, status: u16) -> Verdict {
    let mut view = match &seen.body {
        // Some servers refuse in the form of a stream. Without a telling code its error is judged
        // a server error, and then the status knows better.
        BodySeen::Stream(StreamSummary {
            error: Some(error), ..
        }) if error.class != Class::ServerError => {
            return error.clone();
        }
        _ => {
            let json = json.and_then(|json| json.as_ref().ok());
            let view = json.and_then(|json| ErrorView::of_failure(json.json()));
            view.unwrap_or_default()
        }
    };
    view.add_headers(seen.headers);
    judge::refused(&view, status, seen.wall)
}

/// Judges a stream. After its error or its terminal event nothing that happens is missed.
fn streamed(summary: &StreamSummary, transport: Option<Transport>) -> Verdict {
    if let Some(error) = &summary.error {
        return error.clone();
    }
    if summary.malformed {
        // The caller's client cannot read on either.
        return Verdict::new(Class::Truncated);
    }
    match (summary.finish, transport) {
        (Some(finish), _) if summary.terminal => finish.judge(summary.answered),
        (_, Some(transport)) => Ending::Cut(transport).verdict(),
        (_, None) => Verdict::new(Class::Truncated),
    }
}

/// Judges a body that came whole.
fn whole(body: &[u8], json: Option<&Parsed<'_>>, headers: &HeaderMap, status: u16) -> Verdict {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let text = document(body);
    let looks_json = matches!(text.first(), Some(b'{' | b'['));
    if text.is_empty() {
        // Only a 200 promises content.
        return if status == 200 {
            Finish::Done.judge(false)
        } else {
            Ending::Status(status).verdict()
        };
    }
    if is_html(text) {
        return Verdict::new(Class::ServerError);
    }
    if !looks_json && !kind.is_some_and(is_json) {
        // Audio, plain text: not ours to judge.
        return Ending::Status(status).verdict();
    }
    match json {
        Some(Ok(json)) => answer::judge(json),
        // Not said to be JSON: lines of it, for one.
        Some(Err(_)) if !kind.is_none_or(is_json) => Ending::Status(status).verdict(),
        Some(Err(error)) if error.is_eof() => Verdict::new(Class::Truncated),
        Some(Err(_)) => Verdict::new(Class::Degraded),
        None => Ending::Status(status).verdict(),
    }
}

fn add_headers(verdict: &mut Verdict, seen: &Seen<'_>) {
    let asked = retry_after(seen.headers, seen.wall).or(verdict.retry_after);
    verdict.retry_after = asked;
    if matches!(verdict.class, Class::RateLimited | Class::QuotaExhausted) {
        let limits = Limits::from_headers(seen.headers, seen.wall);
        verdict.scope = verdict
            .scope
            .or(limits.exhausted())
            .or_else(|| policy_scope(seen.headers));
        let reset = limits
            .exhausted_reset()
            .or_else(|| epoch_reset(seen.headers, seen.wall));
        verdict.retry_after = asked.or(reset);
    }
}

/// Azure names the policy that refused: `DeploymentRatelimit-Token`.
fn policy_scope(headers: &HeaderMap) -> Option<Scope> {
    let policy = headers.get("policy-id")?.to_str().ok()?;
    match policy.rsplit('-').next()? {
        "Token" => Some(Scope::Tokens),
        "Request" => Some(Scope::Requests),
        _ => None,
    }
}

/// Whether a content type is JSON, parameters aside.
pub(crate) fn is_json(content_type: &str) -> bool {
    // What nearly everybody sends.
    if content_type == "application/json" {
        return true;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    let subtype = subtype.rsplit('+').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application") && subtype.eq_ignore_ascii_case("json")
}

fn is_html(text: &[u8]) -> bool {
    let starts = |start: &[u8]| {
        text.get(..start.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(start))
    };
    starts(b"<!doctype html") || starts(b"<html")
}

/// Longer answers are not parsed; they are judged by their status.
const MAX_BODY: usize = 1 << 20;

#[cfg(test)]
mod tests;
