use std::mem;

use memchr::{memchr2, memchr2_iter};

use super::{
    BOM, Event, Sink,
    held::{Held, KEPT_OF_LONG, MAX_EVENT},
    is_complete,
};

/// Server-sent events, framed as the WHATWG specification says.
///
/// It departs from the specification where providers do, and only to see more:
/// * An event that the end of the stream cuts off before its blank line is taken in all the same
///   where its data is complete (`[DONE]`, or valid JSON): the provider did say it.
/// * A field named `error`, and lines of bare JSON in place of fields, are data.
#[derive(Debug)]
pub(super) struct Sse {
    blocks: Blocks,
    held: Held,
    /// Scratch for data of several lines.
    joined: Vec<u8>,
    started: bool,
}

impl Sse {
    pub(super) fn new() -> Self {
        Self {
            blocks: Blocks::new(),
            held: Held::default(),
            joined: Vec::new(),
            started: false,
        }
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8], sink: &mut Sink) {
        while let Some(end) = self.blocks.next_end(chunk) {
            let (block, rest) = chunk.split_at_checked(end).unwrap_or((chunk, &[]));
            self.end_block(block, sink);
            chunk = rest;
        }
        self.held.add(chunk);
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        let held = mem::take(&mut self.held);
        self.block(held.bytes(), held.is_whole(), true, sink);
    }

    fn end_block(&mut self, tail: &[u8], sink: &mut Sink) {
        if self.held.is_empty() && tail.len() <= MAX_EVENT {
            return self.block(tail, true, false, sink);
        }
        let mut held = mem::take(&mut self.held);
        held.add(tail);
        self.block(held.bytes(), held.is_whole(), false, sink);
        self.held = held.cleared();
    }

    /// Takes apart the lines of one event, or of what stands between two.
    fn block(&mut self, mut block: &[u8], whole: bool, cut_off: bool, sink: &mut Sink) {
        if !mem::replace(&mut self.started, true) {
            block = block.strip_prefix(BOM).unwrap_or(block);
        }
        if matches!(block.first(), Some(b'{' | b'[')) {
            return dispatch(None, block, whole, cut_off, sink);
        }

        // Nothing stands behind a blank line.
        while let [lines @ .., b'\r' | b'\n'] = block {
            block = lines;
        }
        let mut joined = mem::take(&mut self.joined);
        let (mut name, mut data): (_, Option<&[u8]>) = (None, None);
        let mut data_lines = 0_usize;
        while !block.is_empty() {
            let (line, rest) = split_line(block);
            block = rest;
            if line.first() == Some(&b':') {
                sink.keep_alive();
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
            Some(_) if data_lines >= 2 => dispatch(name, &joined, whole, cut_off, sink),
            Some(data) => dispatch(name, data, whole, cut_off, sink),
            // A name without data is never dispatched.
            None if name.is_some() && !cut_off => sink.keep_alive(),
            None => {}
        }
        joined.shrink_to(KEPT_OF_LONG);
        self.joined = joined;
    }
}

fn dispatch(name: Option<&[u8]>, data: &[u8], whole: bool, cut_off: bool, sink: &mut Sink) {
    if cut_off && !(whole && is_complete(data)) {
        return;
    }
    sink.take(Event {
        name,
        data,
        whole,
        exception: false,
    });
}

/// Where lines and blocks of lines end.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The last byte was a CR, to which a following LF belongs.
    after_cr: bool,
    /// Whether the current line has no byte yet.
    line_empty: bool,
    /// Whether the current line is the first of its block.
    first_line: bool,
    /// Whether the current line is a comment.
    comment: bool,
}

impl Blocks {
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
    pub(crate) fn next_end(&mut self, chunk: &[u8]) -> Option<usize> {
        if chunk.is_empty() {
            return None;
        }
        let mut start = 0;
        if mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
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

#[cfg(test)]
mod tests;
