use std::{fmt, slice};

use bytes::Bytes;

use super::{
    Error,
    blocks::{Step, Walk},
    ending_quote, ends_in_escape,
};

/// A place in a body that is held in chunks.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    /// What is left of the chunk.
    rest: &'a [u8],
    later: slice::Iter<'a, Bytes>,
    /// Where `rest` starts in the body.
    offset: usize,
    /// Where the body, or the part of it that may be read, ends.
    end: usize,
}

impl fmt::Debug for Cursor<'_> {
    /// Shows no part of the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({}..{})", self.offset, self.end)
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(chunks: &'a [Bytes]) -> Self {
        let end = chunks
            .iter()
            .fold(0_usize, |len, chunk| len.saturating_add(chunk.len()));
        Self {
            rest: &[],
            later: chunks.iter(),
            offset: 0,
            end,
        }
    }

    /// Returns the part from here to the place where `end` stands.
    pub(super) fn until(&self, end: &Self) -> Self {
        let len = end.offset.saturating_sub(self.offset);
        Self {
            rest: self.rest.get(..len).unwrap_or(self.rest),
            later: self.later.clone(),
            offset: self.offset,
            end: end.offset,
        }
    }

    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// Returns all that may be read, if it lies in one chunk.
    pub(super) fn contiguous(&self) -> Option<&'a [u8]> {
        (self.rest.len() == self.end - self.offset).then_some(self.rest)
    }

    /// Returns the bytes up to the end of the chunk: none only at the end.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        while self.rest.is_empty() && self.offset < self.end {
            let Some(chunk) = self.later.next() else {
                self.end = self.offset;
                break;
            };
            self.rest = chunk.get(..self.end - self.offset).unwrap_or(chunk);
        }
        self.rest
    }

    pub(super) fn peek(&mut self) -> Option<u8> {
        self.piece().first().copied()
    }

    /// Hands out all that may be read, the last piece first and each with its place in the body,
    /// until there is an answer.
    pub(super) fn pieces_back<T>(
        &self,
        mut read: impl FnMut(usize, &'a [u8]) -> Option<T>,
    ) -> Option<T> {
        let mut later = 0;
        let mut end = self.offset + self.rest.len();
        for chunk in self.later.clone() {
            if end >= self.end {
                break;
            }
            later += 1;
            end += chunk.len();
        }
        for chunk in self.later.as_slice().get(..later)?.iter().rev() {
            let start = end - chunk.len();
            let piece = chunk.get(..self.end - start).unwrap_or(chunk);
            if let Some(found) = read(start, piece) {
                return Some(found);
            }
            end = start;
        }
        read(self.offset, self.rest)
    }

    /// Returns the part of it from one place in the body to another.
    pub(super) fn within(&self, start: usize, end: usize) -> Self {
        let mut part = self.clone();
        while part.offset < start && !part.piece().is_empty() {
            let len = part.rest.len().min(start - part.offset);
            part.advance(len);
        }
        part.end = end.clamp(part.offset, self.end);
        let len = part.end - part.offset;
        part.rest = part.rest.get(..len).unwrap_or(part.rest);
        part
    }

    /// Steps over `len` bytes of the piece.
    pub(super) fn advance(&mut self, len: usize) {
        let len = len.min(self.rest.len());
        self.rest = self.rest.get(len..).unwrap_or_default();
        self.offset += len;
    }

    /// Steps over the bytes up to the first that is none of these.
    pub(super) fn skip_while(&mut self, is: impl Fn(u8) -> bool) {
        loop {
            let piece = self.piece();
            let Some(len) = piece.iter().position(|byte| !is(*byte)) else {
                if piece.is_empty() {
                    return;
                }
                self.advance(piece.len());
                continue;
            };
            return self.advance(len);
        }
    }

    pub(super) fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    /// Steps over this byte, and fails on any other.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(Error::not_json(self.offset));
        }
        self.advance(1);
        Ok(())
    }

    /// Steps over a string, from one quote to the other.
    pub(super) fn skip_string(&mut self) -> Result<(), Error> {
        self.expect(b'"')?;
        loop {
            let piece = self.piece();
            if piece.is_empty() {
                return Err(Error::not_json(self.offset));
            }
            if let Some(at) = ending_quote(piece) {
                self.advance(at + 1);
                return Ok(());
            }
            self.advance(piece.len());
            if ends_in_escape(piece) {
                // The escaped byte, in the next chunk.
                self.piece();
                self.advance(1);
            }
        }
    }

    /// Steps over an object or array of at most `limit` levels.
    pub(super) fn skip_nested(&mut self, limit: u32) -> Result<(), Error> {
        let mut walk = Walk::new(limit);
        loop {
            let piece = self.piece();
            if piece.is_empty() {
                return Err(Error::not_json(self.offset));
            }
            match walk.feed(piece) {
                Step::On => self.advance(piece.len()),
                Step::End(at) => {
                    self.advance(at + 1);
                    return Ok(());
                }
                Step::Wrong(at) => return Err(Error::not_json(self.offset + at)),
                Step::TooDeep(at) => return Err(Error::too_deep(self.offset + at)),
            }
        }
    }
}
