use std::{
    fmt,
    time::{Duration, SystemTime},
};

use http::HeaderMap;

use super::{
    duration,
    peek::{Json, Object, says},
};

/// The fields of an error body that tell something, whatever its envelope.
///
/// Understood are `{"error":{…}}`, the same in a one-element array, Anthropic's
/// `{"type":"error","error":{…}}`, flat `{"object":"error","message":…}`, `{"message":…}`,
/// `{"error":"…"}` and `{"detail":…}`. Anything else has no view: never a reason to fail.
///
/// The message can echo a prompt. It is for matching only: bounded, never stored, and left out of
/// `Debug`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ErrorView {
    kind: Option<String>,
    code: Option<String>,
    status: Option<String>,
    param: Option<String>,
    message: Option<String>,
    /// A status as a number: an integer code, or a string that is one.
    number: Option<u16>,
    /// Codes from further inside, which are more exact than the outer ones.
    details: Vec<String>,
    /// Google's names of the quotas that were exceeded.
    quotas: Vec<String>,
    /// OpenRouter: the input was flagged.
    flagged: bool,
    /// OpenRouter: whose limit it is.
    limit_source: Option<String>,
    /// How long the body asks us to wait, as a field of its own.
    delay: Option<Duration>,
    /// llama.cpp: the tokens that fit into its context.
    context_size: Option<u64>,
    /// When the body says that a limit is lifted.
    reset_at: Option<SystemTime>,
}

impl ErrorView {
    /// Looks into the body of an answer whose status says that it is an error.
    ///
    /// `None` where the body is longer than 1 MiB, no JSON, or of no known shape.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_BODY {
            return None;
        }
        Self::of_failure(Json::parse(body).ok()?)
    }

    /// Looks for an error in something that should be an answer; only an explicit one counts.
    pub(crate) fn within_answer(answer: &Object<'_>) -> Option<Self> {
        let answer = unwrap_array(answer.json());
        let [error, kind, object] = answer.fields(["error", "type", "object"])?;
        let is_error = |value: Option<Json<'_>>| {
            value
                .and_then(Json::text)
                .is_some_and(|text| text == "error")
        };
        if says(error) || is_error(kind) || is_error(object) {
            Self::of_failure(answer)
        } else {
            None
        }
    }

    /// Looks at an error that the framing of a stream names; what it sends with that is JSON or a
    /// message.
    pub(crate) fn of_exception(name: &str, data: &[u8]) -> Self {
        let mut view = match Json::parse(data) {
            Ok(json) => Self::of_failure(json).unwrap_or_default(),
            Err(_) => Self {
                message: Some(clip(&String::from_utf8_lossy(data), MAX_MESSAGE)),
                ..Self::default()
            },
        };
        view.details.push(clip(bare_code(name), MAX_CODE));
        view
    }

    /// Adds the codes that stand in headers.
    pub(crate) fn add_headers(&mut self, headers: &HeaderMap) {
        let Some(kind) = headers
            .get("x-amzn-errortype")
            .and_then(|value| value.to_str().ok())
        else {
            return;
        };
        self.details.push(clip(bare_code(kind), MAX_CODE));
    }

    /// Returns the `type`, such as `rate_limit_error`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns the `code`, an integer one as its digits.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the status word, such as Google's `RESOURCE_EXHAUSTED`.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        self.status.as_deref()
    }

    /// Returns the name of the parameter that the error is about.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// Returns the message, cut at 2 KiB. It may hold parts of a prompt.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Returns the HTTP status that the body itself names.
    pub(crate) fn number(&self) -> Option<u16> {
        self.number
    }

    /// Returns every code, the most exact first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &str> {
        let outer = [&self.code, &self.kind, &self.status];
        let inner = self.details.iter().map(String::as_str);
        inner.chain(outer.into_iter().filter_map(Option::as_deref))
    }

    pub(super) fn context_size(&self) -> Option<u64> {
        self.context_size
    }

    pub(crate) fn quotas(&self) -> impl Iterator<Item = &str> {
        self.quotas.iter().map(String::as_str)
    }

    pub(crate) fn is_flagged(&self) -> bool {
        self.flagged
    }

    pub(crate) fn limit_source(&self) -> Option<&str> {
        self.limit_source.as_deref()
    }

    /// Returns how long the fields of the body (not its message) ask us to wait.
    pub(crate) fn wait(&self, wall: Option<SystemTime>) -> Option<Duration> {
        let until = || Some(duration::until(self.reset_at?, wall?));
        self.delay.or_else(until).filter(|wait| !wait.is_zero())
    }

    /// Looks into the JSON of an answer whose status says that it is an error.
    pub(crate) fn of_failure(json: Json<'_>) -> Option<Self> {
        let json = unwrap_array(json);
        let mut view = Self::default();
        let [error, detail] = json.fields(["error", "detail"])?;
        match error {
            Some(error) if error.is_object() => view.read(error),
            Some(error) if error.is_string() => {
                view.read(json);
                view.message = Some(clip(&error.text()?, MAX_MESSAGE));
            }
            _ => view.read(json),
        }
        if view.message.is_none() {
            view.message = detail.and_then(detail_text);
        }
        view.says_something().then_some(view)
    }

    fn says_something(&self) -> bool {
        self.message.is_some() || self.codes().next().is_some()
    }

    fn read(&mut self, error: Json<'_>) {
        let Some([kind, code, status, param, message, raw_status]) = error.fields([
            "type",
            "code",
            "status",
            "param",
            "message",
            "raw_status_code",
        ]) else {
            return;
        };
        let Some(
            [
                details,
                inner,
                inner_too,
                number,
                aws_kind,
                aws_message,
                hf_kind,
                metadata,
                context_size,
            ],
        ) = error.fields([
            "details",
            "innererror",
            "inner_error",
            "error_code",
            "__type",
            "Message",
            "error_type",
            "metadata",
            "n_ctx",
        ])
        else {
            return;
        };
        // A flat envelope calls itself "error": that is its shape, not its kind.
        self.kind = [kind, aws_kind, hf_kind]
            .into_iter()
            .flatten()
            .find_map(word);
        self.kind = self.kind.take().filter(|kind| kind != "error");
        self.code = code.and_then(word);
        self.status = status.filter(|status| status.is_string()).and_then(word);
        self.param = param.and_then(word);
        self.message = message.or(aws_message).and_then(message_text);
        self.number = [code, raw_status, status]
            .into_iter()
            .flatten()
            .find_map(http_status);
        self.details.extend(number.and_then(word));
        for inner in [inner, inner_too].into_iter().flatten() {
            self.details.extend(inner.field("code").and_then(word));
        }
        self.context_size = context_size.and_then(Json::count);
        if let Some(details) = details {
            self.read_details(details);
        }
        if let Some(metadata) = metadata {
            self.read_metadata(metadata);
        }
    }

    /// Anthropic's object with an `error_code`, or Google's list of typed objects.
    fn read_details(&mut self, details: Json<'_>) {
        self.details
            .extend(details.field("error_code").and_then(word));
        for detail in details.items().take(MAX_DETAILS) {
            let Some([reason, violations, delay]) =
                detail.fields(["reason", "violations", "retryDelay"])
            else {
                continue;
            };
            self.details.extend(reason.and_then(word));
            if let Some(delay) = delay.and_then(Json::text) {
                self.delay = self.delay.or_else(|| duration::go(&delay));
            }
            let violations = violations
                .into_iter()
                .flat_map(Json::items)
                .take(MAX_DETAILS);
            self.quotas
                .extend(violations.filter_map(|violation| word(violation.field("quotaId")?)));
        }
    }

    /// OpenRouter.
    fn read_metadata(&mut self, metadata: Json<'_>) {
        let Some([flagged, source, headers]) =
            metadata.fields(["flagged_input", "limit_source", "headers"])
        else {
            return;
        };
        self.flagged = says(flagged);
        self.limit_source = source.and_then(word);
        let reset = headers.and_then(|headers| {
            let [reset, lower] = headers.fields(["X-RateLimit-Reset", "x-ratelimit-reset"])?;
            reset.or(lower)
        });
        self.reset_at = reset.and_then(number).and_then(duration::epoch);
    }
}

impl fmt::Debug for ErrorView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorView")
            .field("kind", &self.kind)
            .field("code", &self.code)
            .field("status", &self.status)
            .field("details", &self.details)
            .finish_non_exhaustive()
    }
}

fn unwrap_array(json: Json<'_>) -> Json<'_> {
    // Google wraps errors in an array where the answer would have been one.
    if json.is_array() {
        json.items().next().unwrap_or(json)
    } else {
        json
    }
}

/// A code: a string, or a number as its digits.
fn word(value: Json<'_>) -> Option<String> {
    let text = match value.text() {
        Some(text) => text,
        None => value.number().map(|_| value.raw().into())?,
    };
    (!text.is_empty()).then(|| clip(&text, MAX_CODE))
}

/// A message: a string; where it is something else (Mistral sends objects), that as it is written.
fn message_text(value: Json<'_>) -> Option<String> {
    let text = value.text().unwrap_or_else(|| value.raw().into());
    Some(clip(&text, MAX_MESSAGE))
}

/// FastAPI's detail: a string, or a list of `{"loc":…,"msg":…}`.
fn detail_text(detail: Json<'_>) -> Option<String> {
    let first = detail.items().next().unwrap_or(detail);
    let [msg, message] = first.fields(["msg", "message"]).unwrap_or_default();
    message_text(msg.or(message).unwrap_or(first))
}

/// A number, or a string that is one.
fn number(value: Json<'_>) -> Option<f64> {
    match value.text() {
        Some(text) => text.trim().parse().ok(),
        None => value.number(),
    }
}

fn http_status(value: Json<'_>) -> Option<u16> {
    let status = number(value).filter(|status| (400.0..600.0).contains(status))?;
    Some(status as u16)
}

/// AWS writes "ThrottlingException:http://internal.amazon.com/…", sometimes with a "namespace#".
fn bare_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default()
}

fn clip(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default())
        .unwrap_or_default()
        .to_owned()
}

/// Longer bodies are not parsed: no provider writes errors of that size.
const MAX_BODY: usize = 1 << 20;

/// What is kept of a message, bytes. The longest that anything is matched in.
const MAX_MESSAGE: usize = 2048;

/// What is kept of a code, bytes.
const MAX_CODE: usize = 128;

/// How many details and violations are read.
const MAX_DETAILS: usize = 16;

#[cfg(test)]
mod tests;
