use std::{collections::VecDeque, ops::Range, slice};

use bytes::Bytes;

/// A body in which something was replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spliced {
    /// The chunks, none of them empty.
    pub chunks: VecDeque<Bytes>,
    /// Their length in bytes: what a `content-length` has to say.
    pub len: u64,
}

impl Spliced {
    fn push(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        self.len = self.len.saturating_add(chunk.len() as u64);
        self.chunks.push_back(chunk);
    }
}

/// What is to stand in the place of a range of a body; an empty range is an insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// The range that is replaced.
    pub range: Range<usize>,
    /// What replaces it.
    pub with: Bytes,
}

impl Edit {
    /// Creates an edit.
    #[must_use]
    pub fn new(range: Range<usize>, with: impl Into<Bytes>) -> Self {
        Self {
            range,
            with: with.into(),
        }
    }
}

/// Replaces the given ranges of a body, sharing all other bytes with it.
///
/// The ranges must be in order. One that overlaps the range before it, or does not lie within the
/// body, is left as it is.
#[must_use]
pub fn splice(body: &[Bytes], ranges: &[Range<usize>], with: &Bytes) -> Spliced {
    replace(body, ranges.iter().map(|range| (range, with)))
}

/// Replaces several ranges of a body, each by something of its own; otherwise as [`splice`].
#[must_use]
pub fn edit(body: &[Bytes], edits: &[Edit]) -> Spliced {
    replace(body, edits.iter().map(|edit| (&edit.range, &edit.with)))
}

fn replace<'a>(
    body: &[Bytes],
    edits: impl Iterator<Item = (&'a Range<usize>, &'a Bytes)>,
) -> Spliced {
    let len = body
        .iter()
        .fold(0_usize, |len, chunk| len.saturating_add(chunk.len()));
    let mut spliced = Spliced::default();
    let mut rest = Rest {
        chunk: Bytes::new(),
        later: body.iter(),
        offset: 0,
    };
    for (range, with) in edits {
        if range.start < rest.offset || range.end < range.start || range.end > len {
            continue;
        }
        rest.take(range.start, |chunk| spliced.push(chunk));
        rest.take(range.end, drop);
        spliced.push(with.clone());
    }
    rest.take(len, |chunk| spliced.push(chunk));
    spliced
}

/// Writes a text as a JSON string, quotes included.
#[must_use]
pub fn escape(text: &str) -> Bytes {
    Bytes::from(serde_json::Value::from(text).to_string())
}

/// What is left of a body.
struct Rest<'a> {
    chunk: Bytes,
    later: slice::Iter<'a, Bytes>,
    offset: usize,
}

impl Rest<'_> {
    /// Hands out the bytes up to an offset.
    fn take(&mut self, until: usize, mut to: impl FnMut(Bytes)) {
        while self.offset < until {
            if self.chunk.is_empty() {
                let Some(chunk) = self.later.next() else {
                    return;
                };
                self.chunk = chunk.clone();
                continue;
            }
            let len = self.chunk.len().min(until - self.offset);
            to(self.chunk.split_to(len));
            self.offset += len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_across_chunks_and_the_rest_is_shared() {
        let body = ["{\"model\":\"g", "pt-4", "o\",\"n\":1}"].map(Bytes::from);
        let site = 9..17;
        let spliced = splice(&body, slice::from_ref(&site), &escape("mini"));
        assert_eq!(spliced.chunks, ["{\"model\":", "\"mini\"", ",\"n\":1}"]);
        assert_eq!(spliced.len, 22);
        assert_eq!(spliced.chunks[0].as_ptr(), body[0].as_ptr());
    }

    #[test]
    fn every_range_is_replaced() {
        let body = [Bytes::from_static(b"0123456789")];
        let spliced = splice(&body, &[0..1, 1..3, 9..10], &Bytes::from_static(b"ab"));
        assert_eq!(spliced.len, 12);
        assert_eq!(concat(spliced), b"abab345678ab");
    }

    #[test]
    fn each_edit_brings_its_own_and_an_empty_range_inserts() {
        let body = ["{\"a\":1", ",\"b\":2}"].map(Bytes::from);
        let edits = [
            Edit::new(1..1, "\"c\":0,"),
            Edit::new(5..6, "10"),
            Edit::new(6..12, ""),
        ];
        assert_eq!(concat(edit(&body, &edits)), br#"{"c":0,"a":10}"#);
    }

    #[test]
    fn nothing_to_replace_leaves_the_body_as_it_was() {
        let body = ["01", "", "23"].map(Bytes::from);
        let spliced = splice(&body, &[], &Bytes::from_static(b"x"));
        assert_eq!(spliced.chunks, ["01", "23"]);
        assert_eq!(spliced.len, 4);
        assert_eq!(splice(&[], &[], &Bytes::new()), Spliced::default());
    }

    #[test]
    fn ranges_that_cannot_be_are_ignored() {
        let body = ["01", "23"].map(Bytes::from);
        #[allow(clippy::reversed_empty_ranges, reason = "that is the trap")]
        let ranges = [
            1..2,
            0..1,
            3..2,
            3..5,
            4..usize::MAX,
            usize::MAX..usize::MAX,
        ];
        let spliced = splice(&body, &ranges, &Bytes::from_static(b"x"));
        assert_eq!(concat(spliced), b"0x23");
    }

    #[test]
    fn a_value_may_be_replaced_by_nothing() {
        let spliced = splice(&[Bytes::from_static(b"abc")], &[1..2, 2..2], &Bytes::new());
        assert_eq!(spliced.chunks, ["a", "c"]);
    }

    fn concat(spliced: Spliced) -> Vec<u8> {
        Vec::from(spliced.chunks).concat()
    }

    #[test]
    fn any_name_becomes_a_valid_string() {
        for name in [
            "gpt-4o",
            "",
            "a\"b\\c",
            "\r\n\0\u{7f}",
            "é\u{2028}😀",
            "../x",
        ] {
            let literal = escape(name);
            assert!(literal.iter().all(|byte| *byte >= 0x20));
            assert_eq!(serde_json::from_slice::<String>(&literal).unwrap(), name);
        }
    }
}
