use std::mem;

use memchr::memchr_iter;

use super::{
    BOM, Event, Sink,
    held::{Held, MAX_EVENT},
    is_complete,
};

/// A JSON document on each line. Blank lines are nothing; a last line needs no end where it is
/// complete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) held: Held,
    started: bool,
}

impl Lines {
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut Sink) {
        let mut start = 0;
        for end in memchr_iter(b'\n', chunk) {
            self.end(chunk.get(start..end).unwrap_or_default(), sink);
            start = end + 1;
        }
        self.held.add(chunk.get(start..).unwrap_or_default());
    }

    pub(super) fn finish(&mut self, sink: &mut Sink) {
        let held = mem::take(&mut self.held);
        if held.is_whole() {
            let line = self.strip(held.bytes());
            if is_complete(line) {
                self.line(line, true, sink);
            }
        }
    }

    fn end(&mut self, tail: &[u8], sink: &mut Sink) {
        if self.held.is_empty() && tail.len() <= MAX_EVENT {
            return self.line(tail, true, sink);
        }
        let mut held = mem::take(&mut self.held);
        held.add(tail);
        self.line(held.bytes(), held.is_whole(), sink);
        self.held = held.cleared();
    }

    fn line(&mut self, line: &[u8], whole: bool, sink: &mut Sink) {
        let data = self.strip(line).trim_ascii();
        self.started = true;
        if !data.is_empty() {
            sink.take(Event {
                name: None,
                data,
                whole,
                exception: false,
            });
        }
    }

    fn strip<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        let marked = line.strip_prefix(BOM).filter(|_| !self.started);
        marked.unwrap_or(line)
    }
}
