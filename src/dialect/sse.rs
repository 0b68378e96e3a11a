//! Server-sent events, taken apart as they arrive.
//!
//! The [`Observer`] frames events as the WHATWG specification says, however the stream is cut into
//! chunks, and hands each to a [`Dialect`] that knows what it means. It only looks: the bytes go on
//! to the caller untouched.
//!
//! It departs from the specification where providers do, and only to see more:
//! * An event that the end of the stream cuts off before its blank line is taken in all the same
//!   where its data is complete (`[DONE]`, or valid JSON): the provider did say it.
//! * A field named `error`, and lines of bare JSON in place of fields, are data.
//!
//! An event within one chunk is looked at where it lies; only what is left over at the end of a
//! chunk is kept. Beyond 1 MiB no event is kept: its first KiB must do.
//!
//! # When
//!
//! The routing layer watches every answer of type `text/event-stream` so. On its own it serves
//! wherever a stream passes by and its end should be judged:
//!
//! ```
//! use tower_outcome::dialect::{detect, sse::Observer};
//!
//! let (dialect, _) = detect("/v1/chat/completions").unwrap();
//! let mut observer = Observer::new(dialect);
//! observer.feed(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n");
//! observer.feed(b"\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
//! observer.finish();
//! let summary = observer.summary();
//! assert_eq!(summary.first_content, Some(0));
//! assert!(summary.terminal);
//! ```

use std::{fmt, sync::LazyLock};

use memchr::{memchr2, memchr2_iter, memmem::Finder};

use super::Dialect;
use crate::classify::{ErrorView, Json, Object, StreamSummary, in_answer};

/// One dispatched event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The `event` field, if any.
    pub name: Option<&'a [u8]>,
    /// The `data` field, lines joined by a newline.
    pub data: &'a [u8],
    /// Whether this is all of the event. Of one that is too long to keep only the beginning is
    /// here, which is no valid JSON.
    pub whole: bool,
    /// Whether the framing itself says that it is an error: the name is then that of the error.
    pub exception: bool,
}

impl Event<'_> {
    /// Parses the data and has it read; of what is no JSON only the name can tell anything.
    pub(super) fn read(
        &self,
        summary: &mut StreamSummary,
        read: impl FnOnce(Option<&[u8]>, &Object<'_>, &mut StreamSummary),
    ) {
        match Object::parse(self.data) {
            Ok(data) => read(self.name, &data, summary),
            Err(_) if self.name == Some(b"error") => {
                summary.add_error(in_answer(&ErrorView::default()));
            }
            Err(_) => {}
        }
    }
}

/// Watches a stream of events go by and sums it up.
pub struct Observer {
    dialect: &'static dyn Dialect,
    summary: StreamSummary,
    lines: Lines,
    /// The beginning of an event that has not ended yet; of a long one only its first part.
    pending: Vec<u8>,
    /// Length of that event so far.
    length: usize,
    /// Scratch for data of several lines.
    joined: Vec<u8>,
    started: bool,
}

impl fmt::Debug for Observer {
    /// Shows no part of an answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("dialect", &self.dialect.name())
            .field("summary", &self.summary)
            .field("pending", &self.length)
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// Creates an observer for a stream in the given dialect.
    #[must_use]
    pub fn new(dialect: &'static dyn Dialect) -> Self {
        Self {
            dialect,
            summary: StreamSummary::default(),
            lines: Lines::new(),
            pending: Vec::new(),
            length: 0,
            joined: Vec::new(),
            started: false,
        }
    }

    /// Takes in the next chunk, of any length.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while let Some(end) = self.lines.block_end(chunk) {
            let (block, rest) = chunk.split_at_checked(end).unwrap_or((chunk, &[]));
            self.end_block(block);
            chunk = rest;
        }
        self.keep(chunk);
    }

    /// Takes in the end of the stream. To be called once, where the body ended or failed.
    pub fn finish(&mut self) {
        let block = std::mem::take(&mut self.pending);
        let whole = self.length <= MAX_EVENT;
        self.length = 0;
        self.block(&block, whole, true);
    }

    /// Returns what was seen so far.
    #[must_use]
    pub fn summary(&self) -> &StreamSummary {
        &self.summary
    }

    /// Returns the summary, giving the observer up.
    #[must_use]
    pub fn into_summary(self) -> StreamSummary {
        self.summary
    }

    fn end_block(&mut self, tail: &[u8]) {
        let length = self.length.saturating_add(tail.len());
        if self.length == 0 && length <= MAX_EVENT {
            return self.block(tail, true, false);
        }
        self.keep(tail);
        let mut block = std::mem::take(&mut self.pending);
        self.length = 0;
        self.block(&block, length <= MAX_EVENT, false);
        block.clear();
        self.pending = block;
    }

    /// Keeps the beginning of an event, or its first part where it is too long.
    fn keep(&mut self, part: &[u8]) {
        self.length = self.length.saturating_add(part.len());
        if self.length <= MAX_EVENT {
            self.pending.extend_from_slice(part);
        } else {
            let room = KEPT_OF_LONG.saturating_sub(self.pending.len());
            self.pending
                .extend_from_slice(part.get(..room).unwrap_or(part));
            self.pending.truncate(KEPT_OF_LONG);
            self.pending.shrink_to(KEPT_OF_LONG);
        }
    }

    /// Takes apart the lines of one event, or of what stands between two.
    fn block(&mut self, mut block: &[u8], whole: bool, cut_off: bool) {
        if !std::mem::replace(&mut self.started, true) {
            block = block.strip_prefix(BOM).unwrap_or(block);
        }
        if matches!(block.first(), Some(b'{' | b'[')) {
            return self.dispatch(None, block, whole, cut_off);
        }

        let mut joined = std::mem::take(&mut self.joined);
        let (mut name, mut data): (_, Option<&[u8]>) = (None, None);
        let mut data_lines = 0_usize;
        while !block.is_empty() {
            let (line, rest) = split_line(block);
            block = rest;
            if line.first() == Some(&b':') {
                self.summary.keep_alives += 1;
                continue;
            }
            let (field, value) = match line.first() {
                Some(b'{') => (&b"data"[..], line),
                _ => split_field(line),
            };
            match field {
                b"event" => name = Some(value),
                b"data" | b"error" => {
                    if field == b"error" {
                        name = Some(field);
                    }
                    data_lines += 1;
                    if data_lines == 2 {
                        joined.clear();
                        joined.extend_from_slice(data.unwrap_or_default());
                    }
                    if data_lines >= 2 {
                        joined.push(b'\n');
                        joined.extend_from_slice(value);
                    }
                    data = Some(value);
                }
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty());
        match data {
            Some(_) if data_lines >= 2 => self.dispatch(name, &joined, whole, cut_off),
            Some(data) => self.dispatch(name, data, whole, cut_off),
            // A name without data is never dispatched.
            None if name.is_some() && !cut_off => self.summary.keep_alives += 1,
            None => {}
        }
        joined.shrink_to(KEPT_OF_LONG);
        self.joined = joined;
    }

    fn dispatch(&mut self, name: Option<&[u8]>, data: &[u8], whole: bool, cut_off: bool) {
        if cut_off && !(whole && is_complete(data)) {
            return;
        }
        if !whole {
            self.summary.oversized += 1;
        }
        if data.is_empty() {
            self.summary.keep_alives += 1;
        } else {
            self.dialect.event(
                Event {
                    name,
                    data,
                    whole,
                    exception: false,
                },
                &mut self.summary,
            );
        }
        // After the dialect, which sees the number of events before this one as its index.
        self.summary.events += 1;
    }
}

/// Where lines and blocks of lines end.
#[derive(Debug)]
pub(crate) struct Lines {
    /// The last byte was a CR, to which a following LF belongs.
    after_cr: bool,
    /// Whether the current line has no byte yet.
    line_empty: bool,
    /// Whether the current line is the first of its block.
    first_line: bool,
    /// Whether the current line is a comment.
    comment: bool,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self {
            after_cr: false,
            line_empty: true,
            first_line: true,
            comment: false,
        }
    }

    /// Returns the end of the first block that ends within `chunk`, or takes in all of it.
    ///
    /// A block ends with a blank line. A comment before an event is a block of its own, so that
    /// comments never pile up; so is the LF of a CR LF that follows a block.
    pub(crate) fn block_end(&mut self, chunk: &[u8]) -> Option<usize> {
        if chunk.is_empty() {
            return None;
        }
        let mut start = 0;
        if std::mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
            start = 1;
            if self.first_line && self.line_empty {
                return Some(start);
            }
        }
        for at in memchr2_iter(b'\r', b'\n', chunk) {
            if at < start {
                continue;
            }
            let line = chunk.get(start..at).unwrap_or_default();
            self.add(line);
            let end = at + 1;
            let is_cr = chunk.get(at) == Some(&b'\r');
            let ends_block = self.line_empty || (self.first_line && self.comment);
            self.line_empty = true;
            self.comment = false;
            self.first_line = ends_block;
            if ends_block {
                self.after_cr = is_cr;
                return Some(end);
            }
            start = end;
            if is_cr {
                match chunk.get(end) {
                    Some(b'\n') => start = end + 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.add(chunk.get(start..).unwrap_or_default());
        None
    }

    fn add(&mut self, part: &[u8]) {
        if self.line_empty
            && let Some(first) = part.first()
        {
            self.line_empty = false;
            self.comment = *first == b':';
        }
    }
}

fn split_line(block: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr2(b'\r', b'\n', block).unwrap_or(block.len());
    let (line, rest) = block.split_at_checked(end).unwrap_or((block, &[]));
    let rest = rest
        .strip_prefix(b"\r\n")
        .or_else(|| rest.get(1..))
        .unwrap_or_default();
    (line, rest)
}

fn split_field(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(line.len());
    let (field, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
    let value = value.get(1..).unwrap_or_default();
    (field, value.strip_prefix(b" ").unwrap_or(value))
}

/// Hands out the data of every event of a stream that has ended, its lines joined by a newline.
pub(crate) fn each_data(stream: &[u8], mut take: impl FnMut(&[u8])) {
    let mut rest = stream.strip_prefix(BOM).unwrap_or(stream);
    let mut data: Option<Vec<u8>> = None;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        rest = after;
        if line.is_empty() {
            if let Some(data) = data.take() {
                take(&data);
            }
            continue;
        }
        let (field, value) = split_field(line);
        if field == b"data" {
            match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            }
        }
    }
    if let Some(data) = data {
        take(&data);
    }
}

/// Returns the one delta that data holds, found without parsing: unchecked, and in doubt none.
pub(super) fn only_delta(data: &[u8]) -> Option<Json<'_>> {
    static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"delta\":"));
    // Within a string the quotes would be escaped.
    let mut deltas = DELTA.find_iter(data);
    let start = deltas.next()? + DELTA.needle().len();
    let delta = Json::skim(data.get(start..)?)?;
    (deltas.next().is_none() && delta.is_object()).then_some(delta)
}

fn is_complete(data: &[u8]) -> bool {
    data == b"[DONE]" || Json::parse(data).is_ok()
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The longest event that is kept, bytes with its field names. An image in one event is longer,
/// but nothing needs to be known of it.
const MAX_EVENT: usize = 1 << 20;

/// What is kept of a longer one: enough for its name and type.
const KEPT_OF_LONG: usize = 1 << 10;

#[cfg(test)]
mod tests;
