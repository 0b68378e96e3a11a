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

/// Replaces the given ranges of a body, sharing all other bytes with it.
///
/// The ranges must be in order. One that overlaps the range before it, or does not lie within the
/// body, is left as it is.
#[must_use]
pub fn splice(body: &[Bytes], ranges: &[Range<usize>], with: &Bytes) -> Spliced {
    let len = body
        .iter()
        .fold(0_usize, |len, chunk| len.saturating_add(chunk.len()));
    let mut spliced = Spliced::default();
    let mut rest = Rest {
        chunk: Bytes::new(),
        later: body.iter(),
        offset: 0,
    };
    for range in ranges {
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
