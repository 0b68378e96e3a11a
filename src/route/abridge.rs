use crate::dialect::json::{ending_quote, ends_in_escape};

/// A JSON document without the inner part of its long strings: what it says, as far as it can be
/// judged, at a fraction of its length.
///
/// Written while the document streams by, in one pass, so that nothing of it has to be kept. What is
/// no JSON comes out as what is none.
#[derive(Debug, Default)]
pub(super) struct Abridged {
    text: Vec<u8>,
    /// Where in the text the string begins that is open.
    string: Option<usize>,
    /// The open string is long: the rest of it is left out.
    cut: bool,
    /// The next byte of the string is escaped.
    escaped: bool,
}

impl Abridged {
    /// Takes in the next part of the document.
    pub(super) fn feed(&mut self, mut part: &[u8]) {
        while !part.is_empty() {
            let len = match self.string {
                Some(start) => self.feed_string(part, start),
                None => self.feed_plain(part),
            };
            part = part.get(len..).unwrap_or_default();
        }
    }

    /// Returns what there is so far.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    fn feed_plain(&mut self, part: &[u8]) -> usize {
        let quote = memchr::memchr(b'"', part);
        let len = quote.map_or(part.len(), |at| at + 1);
        self.text.extend_from_slice(part.get(..len).unwrap_or(part));
        self.string = quote.map(|_| self.text.len());
        len
    }

    fn feed_string(&mut self, part: &[u8], start: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            self.keep(part.get(..1).unwrap_or(part), start);
            return 1;
        }
        let Some(end) = ending_quote(part) else {
            self.keep(part, start);
            self.escaped = ends_in_escape(part);
            return part.len();
        };
        self.keep(part.get(..end).unwrap_or(part), start);
        self.text.push(b'"');
        (self.string, self.cut) = (None, false);
        end + 1
    }

    /// Keeps a part of the string, as long as it is short.
    fn keep(&mut self, inner: &[u8], start: usize) {
        if self.cut {
            return;
        }
        let room = (start + KEPT).saturating_sub(self.text.len());
        self.text
            .extend_from_slice(inner.get(..room).unwrap_or(inner));
        if inner.len() > room {
            self.cut = true;
            let kept = self.text.get(start..).unwrap_or_default();
            let whole = start + whole_characters(kept);
            self.text.truncate(whole);
        }
    }
}

/// More than names, reasons and codes have, bytes.
const KEPT: usize = 512;

/// Returns how much of the beginning of a string has neither an escape nor a character cut off.
fn whole_characters(string: &[u8]) -> usize {
    // Mostly plain letters stand there, and nothing is longer than an escape.
    let mut last = string.iter().rev().take(6);
    if last.all(|byte| byte.is_ascii() && *byte != b'\\') {
        return string.len();
    }
    let mut at = 0;
    loop {
        let len = match (string.get(at), string.get(at + 1)) {
            (Some(b'\\'), Some(b'u')) => 6,
            (Some(b'\\'), _) => 2,
            (Some(0xf0..), _) => 4,
            (Some(0xe0..), _) => 3,
            (Some(0xc0..), _) => 2,
            (Some(_), _) => 1,
            (None, _) => return at,
        };
        if at + len > string.len() {
            return at;
        }
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn abridged(text: &[u8], len: usize) -> Vec<u8> {
        let mut abridged = Abridged::default();
        for part in text.chunks(len) {
            abridged.feed(part);
        }
        abridged.text().to_vec()
    }

    #[test]
    fn only_the_inner_part_of_long_strings_is_left_out() {
        let long = "\u{e9}\\n\"\u{1f600}".repeat(100_000);
        let document =
            json!({"choices": [{"message": {"content": long}, "finish_reason": "stop"}]});
        let text = document.to_string();
        for len in [1, 7, 1000, text.len()] {
            let short = abridged(text.as_bytes(), len);
            assert!(short.len() < 700, "{}", short.len());
            let mut short: Value = serde_json::from_slice(&short).unwrap();
            let content = short["choices"][0]["message"]["content"].take();
            assert!(long.starts_with(content.as_str().unwrap()));
            assert_eq!(short["choices"][0]["finish_reason"], "stop");
        }
    }

    #[test]
    fn an_escape_is_not_cut() {
        for pad in 0..16 {
            let string = format!("{}{}", "x".repeat(KEPT - pad), "\\u00e9\\\\".repeat(4));
            let text = format!("[\"{string}\", 1]");
            let short: Value = serde_json::from_slice(&abridged(text.as_bytes(), 3)).unwrap();
            assert_eq!(short[1], 1, "{pad}");
        }
    }

    #[test]
    fn a_document_that_is_cut_off_stays_so() {
        let text = format!("{{\"a\":\"{}", "x".repeat(10_000));
        let short = abridged(text.as_bytes(), 100);
        let error = serde_json::from_slice::<Value>(&short).unwrap_err();
        assert!(error.is_eof());
    }

    proptest! {
        #[test]
        fn what_has_no_long_string_is_left_as_it_is(text in "[\"\\\\{}:,a-z\u{e9}]{0,300}", len in 1_usize..50) {
            prop_assert_eq!(abridged(text.as_bytes(), len), text.as_bytes());
        }

        #[test]
        fn nothing_that_is_sent_panics(text in prop::collection::vec(any::<u8>(), 0..2000), len in 1_usize..600) {
            prop_assert!(abridged(&text, len).len() <= text.len());
        }
    }
}
