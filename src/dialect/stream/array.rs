use std::mem;

use memchr::memchr2;

use super::{
    BOM, Event, Sink,
    held::{Held, MAX_EVENT},
};

/// One JSON array that grows item by item, as Gemini streams without `alt=sse`.
///
/// An answer that is one object instead, an error for example, is one event. Brackets are counted
/// and not told apart: whether an item is sound is seen where it is parsed.
#[derive(Debug, Default)]
pub(super) struct Array {
    pub(super) held: Held,
    place: Place,
    /// Whether the root is an array.
    listed: bool,
    /// How many brackets of the current item are open.
    depth: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the root.
    #[default]
    Before,
    /// Between two items.
    Between,
    /// In an item, outside of its strings.
    Nested,
    /// In a string.
    Text,
    /// In a string, behind a backslash.
    Escape,
    /// In an item without brackets or quotes.
    Scalar,
    /// Behind the root, or behind what is none.
    After,
}

impl Array {
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut Sink) {
        // Where the current item begins, as far as it is in this chunk.
        let mut start = 0;
        let mut at = 0;
        while let Some(rest) = chunk.get(at..)
            && let Some(first) = rest.first()
        {
            let end = match self.place {
                Place::After => return,
                Place::Before | Place::Between => {
                    start = at;
                    at += 1;
                    self.begin(*first, sink);
                    continue;
                }
                Place::Escape => {
                    self.place = Place::Text;
                    at += 1;
                    continue;
                }
                Place::Text => {
                    let Some(mark) = memchr2(b'"', b'\\', rest) else {
                        break;
                    };
                    at += mark + 1;
                    if rest.get(mark) == Some(&b'\\') {
                        self.place = Place::Escape;
                        continue;
                    }
                    self.place = Place::Nested;
                    at
                }
                Place::Nested => {
                    let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
                    let Some(mark) = rest.iter().position(is_mark) else {
                        break;
                    };
                    at += mark + 1;
                    match rest.get(mark) {
                        Some(b'"') => self.place = Place::Text,
                        Some(b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                        _ => self.depth = self.depth.saturating_sub(1),
                    }
                    at
                }
                Place::Scalar => {
                    let ends = |byte: &u8| {
                        matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace()
                    };
                    let Some(mark) = rest.iter().position(ends) else {
                        break;
                    };
                    at += mark;
                    self.place = Place::Nested;
                    at
                }
            };
            if self.depth == 0 && self.place == Place::Nested {
                self.end(chunk.get(start..end).unwrap_or_default(), sink);
                start = end;
            }
        }
        if !matches!(self.place, Place::Before | Place::Between | Place::After) {
            self.held.add(chunk.get(start..).unwrap_or_default());
        }
    }

    /// Takes in the first byte of something.
    fn begin(&mut self, first: u8, sink: &mut Sink) {
        self.place = match (first, self.place) {
            (b' ' | b'\n' | b'\r' | b'\t', place) => place,
            (b',', Place::Between) => Place::Between,
            (b']', Place::Between) => Place::After,
            (b'[', Place::Before) => {
                self.listed = true;
                Place::Between
            }
            (mark, Place::Before) if BOM.contains(&mark) => Place::Before,
            (b'{', _) | (b'[', Place::Between) => {
                self.depth = 1;
                Place::Nested
            }
            (b'"', Place::Between) => Place::Text,
            (b'}', _) | (_, Place::Before) => {
                sink.malformed();
                Place::After
            }
            _ => Place::Scalar,
        };
    }

    fn end(&mut self, tail: &[u8], sink: &mut Sink) {
        let mut event = Event {
            name: None,
            data: tail,
            whole: true,
            exception: false,
        };
        if self.held.is_empty() && tail.len() <= MAX_EVENT {
            sink.take(event);
        } else {
            let mut held = mem::take(&mut self.held);
            held.add(tail);
            (event.data, event.whole) = (held.bytes(), held.is_whole());
            sink.take(event);
            self.held = held.cleared();
        }
        self.place = if self.listed {
            Place::Between
        } else {
            Place::After
        };
    }
}
