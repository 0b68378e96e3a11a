use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, response};

use super::names::Names;
use crate::{
    hints::{Call, Routed},
    router::{Decision, Reason},
};

/// As many headers as an answer gets.
const TOLD: usize = 8;
/// Long enough for a pool of a dozen targets, short enough for every proxy.
const LONGEST_EXPLANATION: usize = 1024;

impl Names {
    /// Tells who served, and why where that was asked for.
    pub(in crate::gateway) fn tell(&self, parts: &mut response::Parts, call: &Call) {
        let routed = parts.extensions.remove::<Routed>();
        if let Some(routed) = routed.or_else(|| call.last()) {
            self.tell_routed(&mut parts.headers, &routed, call);
        }
        let decision = parts.extensions.remove::<Arc<Decision>>();
        self.explain(&mut parts.headers, decision.or_else(|| call.decision()));
    }

    /// Tells who served a request, or was the last to fail it.
    pub(in crate::gateway) fn tell_routed(
        &self,
        headers: &mut HeaderMap,
        routed: &Routed,
        call: &Call,
    ) {
        let reason = match routed.reason() {
            Reason::Preferred => HeaderValue::from_static("preferred"),
            reason => visible(&reason.to_string()),
        };
        let id = HeaderValue::from_bytes(&routed.outcome_id().digits());
        // It grows once then; where it cannot, it is full of what an upstream sent.
        if headers.try_reserve(TOLD).is_err() {
            return;
        }
        headers.insert(self.model.clone(), visible(routed.model()));
        headers.insert(self.requested.clone(), visible(routed.requested_model()));
        headers.insert(self.target.clone(), visible(routed.target()));
        headers.insert(self.reason.clone(), reason);
        headers.insert(self.attempts.clone(), HeaderValue::from(call.attempts()));
        // Hexadecimal digits.
        if let Ok(id) = id {
            headers.insert(self.id.clone(), id);
        }
    }

    /// Tells the decision in one line, where there is one to be told.
    pub(in crate::gateway) fn explain(
        &self,
        headers: &mut HeaderMap,
        decision: Option<Arc<Decision>>,
    ) {
        if let Some(decision) = decision {
            headers.insert(self.explanation.clone(), explanation(&decision.to_string()));
        }
    }

    /// Tells how long the gateway itself worked.
    pub(in crate::gateway) fn tell_overhead(&self, headers: &mut HeaderMap, overhead: Duration) {
        let micros = u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX);
        headers.insert(self.overhead.clone(), HeaderValue::from(micros));
    }
}

fn explanation(told: &str) -> HeaderValue {
    let lines: Vec<_> = told.lines().map(str::trim).collect();
    let line = lines.join(" | ");
    let escaped = escape(&line);
    if escaped.len() <= LONGEST_EXPLANATION {
        return visible(&line);
    }
    let most = LONGEST_EXPLANATION - "...".len();
    let whole = escaped.get(..most).unwrap_or_default();
    // Not within an escape.
    let begun = whole.len().saturating_sub(2);
    let end = whole.get(begun..).and_then(|end| end.find('%'));
    let whole = whole.get(..end.map_or(most, |at| begun + at));
    let cut = format!("{}...", whole.unwrap_or_default());
    HeaderValue::from_str(&cut).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Writes a text into a header value: what is not visible ASCII is percent-encoded.
fn visible(text: &str) -> HeaderValue {
    // All of it is visible now.
    HeaderValue::from_str(&escape(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn escape(text: &str) -> Cow<'_, str> {
    let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.bytes().all(is_visible) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if is_visible(byte) && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_is_one_bounded_line_of_ascii() {
        assert_eq!(
            explanation("a is picked\n  a: 9 %\n  b: c"),
            "a is picked | a: 9 % | b: c"
        );
        for padding in 0..12 {
            let long = format!("{}{}", "x".repeat(padding), "\u{e9}".repeat(400));
            let told = explanation(&long);
            let told = told.to_str().unwrap();
            assert!(
                told.len() <= 1024 && told.len() > 1024 - 6,
                "{}",
                told.len()
            );
            let whole = told.strip_suffix("...").unwrap();
            assert!(escape(&long).starts_with(whole));
            assert_eq!((whole.len() - padding) % 3, 0, "an escape is cut");
        }
    }

    #[test]
    fn f20_header_values_are_visible_ascii() {
        for (text, value) in [
            ("gpt-4o", "gpt-4o"),
            ("100 %", "100 %"),
            ("a\r\nset-cookie: b", "a%0D%0Aset-cookie: b"),
            ("modèle 9%\0", "mod%C3%A8le 9%25%00"),
        ] {
            assert_eq!(visible(text), value);
        }
    }
}
