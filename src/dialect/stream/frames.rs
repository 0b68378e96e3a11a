use std::mem;

use super::{
    Event, Sink, base64,
    crc32::Crc32,
    held::{Held, KEPT_OF_LONG, MAX_EVENT},
};
use crate::classify::Json;

/// Frames of AWS's event stream: a prelude of two lengths and their checksum, headers, a payload,
/// and a checksum of it all.
///
/// Nothing marks where a frame begins: after one that is corrupt nothing can be believed, so that
/// nothing more is looked at.
#[derive(Debug, Default)]
pub(super) struct Frames {
    held: Held,
    /// Of the frame that is held, once its prelude is complete.
    prelude: Option<Prelude>,
    /// Of the frame that is held, whose end is not kept where it is long.
    crc: Crc32,
    /// The checksum that it says it has, as far as that is here.
    said: u32,
    broken: bool,
    /// Scratch for payloads that hold another document.
    decoded: Vec<u8>,
}

/// What stands before the headers, checked.
#[derive(Clone, Copy, Debug)]
struct Prelude {
    total: usize,
    headers: usize,
}

/// Why looking on is in vain.
#[derive(Debug)]
struct Corrupt;

impl Frames {
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut Sink) {
        if !self.broken && self.frames(chunk, sink).is_err() {
            self.broken = true;
            self.held = Held::default();
            sink.malformed();
        }
    }

    fn frames(&mut self, mut chunk: &[u8], sink: &mut Sink) -> Result<(), Corrupt> {
        while !chunk.is_empty() {
            if self.held.is_empty()
                && let Some(prelude) = Prelude::read(chunk)?
                && prelude.total <= MAX_EVENT
                && let Some((frame, rest)) = chunk.split_at_checked(prelude.total)
            {
                let (checked, crc) = frame.split_last_chunk().ok_or(Corrupt)?;
                if Crc32::of(checked) != u32::from_be_bytes(*crc) {
                    return Err(Corrupt);
                }
                self.frame(prelude, checked, true, sink)?;
                chunk = rest;
                continue;
            }
            let wanted = self.prelude.map_or(PRELUDE, |prelude| prelude.total);
            let missing = wanted.saturating_sub(self.held.length());
            let (part, rest) = chunk.split_at_checked(missing).unwrap_or((chunk, &[]));
            chunk = rest;
            self.hold(part);
            if self.held.length() < wanted {
                continue;
            }
            match self.prelude {
                None => self.prelude = Prelude::read(self.held.bytes())?,
                Some(prelude) => self.end(prelude, sink)?,
            }
        }
        Ok(())
    }

    fn hold(&mut self, part: &[u8]) {
        // Without a prelude only that is taken in, which is summed up.
        let total = self.prelude.map_or(usize::MAX, |prelude| prelude.total);
        let left = (total - CRC).saturating_sub(self.held.length());
        let (checked, said) = part.split_at_checked(left).unwrap_or((part, &[]));
        self.crc.add(checked);
        for byte in said {
            self.said = self.said << 8 | u32::from(*byte);
        }
        self.held.add(part);
    }

    fn end(&mut self, prelude: Prelude, sink: &mut Sink) -> Result<(), Corrupt> {
        self.prelude = None;
        let crc = mem::take(&mut self.crc).value();
        if mem::take(&mut self.said) != crc {
            return Err(Corrupt);
        }
        let held = mem::take(&mut self.held);
        let (frame, whole) = (held.bytes(), held.is_whole());
        let checked = frame.split_last_chunk::<CRC>().filter(|_| whole);
        self.frame(
            prelude,
            checked.map_or(frame, |(checked, _)| checked),
            whole,
            sink,
        )?;
        self.held = held.cleared();
        Ok(())
    }

    /// Takes in a frame, or the first part of a long one, without the checksum at its end.
    fn frame(
        &mut self,
        prelude: Prelude,
        frame: &[u8],
        whole: bool,
        sink: &mut Sink,
    ) -> Result<(), Corrupt> {
        let rest = frame.get(PRELUDE..).ok_or(Corrupt)?;
        let (headers, payload) = match rest.split_at_checked(prelude.headers) {
            Some((headers, payload)) => (Headers::read(headers)?, payload),
            None => (Headers::read_some(rest), &[][..]),
        };
        let mut event = Event {
            name: headers.event_type,
            data: payload,
            whole,
            exception: false,
        };
        match headers.message_type {
            Some(b"exception") => {
                event.name = headers.exception_type;
                event.exception = true;
            }
            Some(b"error") => {
                event.name = headers.error_code;
                event.exception = true;
                if let Some(message) = headers.error_message.filter(|_| payload.is_empty()) {
                    event.data = message;
                }
            }
            _ => {}
        }
        let mut decoded = mem::take(&mut self.decoded);
        if event.name == Some(b"chunk") && whole && unwrap(payload, &mut decoded) {
            event.data = &decoded;
        }
        sink.take(event);
        decoded.clear();
        decoded.shrink_to(KEPT_OF_LONG);
        self.decoded = decoded;
        Ok(())
    }
}

impl Prelude {
    /// Reads the prelude of a frame, `None` where it is not all there yet.
    fn read(frame: &[u8]) -> Result<Option<Self>, Corrupt> {
        let Some(prelude) = frame.first_chunk::<PRELUDE>() else {
            return Ok(None);
        };
        let [t0, t1, t2, t3, h0, h1, h2, h3, c0, c1, c2, c3] = *prelude;
        let checked = [t0, t1, t2, t3, h0, h1, h2, h3];
        if Crc32::of(&checked) != u32::from_be_bytes([c0, c1, c2, c3]) {
            return Err(Corrupt);
        }
        let length = |bytes| usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| Corrupt);
        let total = length([t0, t1, t2, t3])?;
        let headers = length([h0, h1, h2, h3])?;
        let payload = total.checked_sub(PRELUDE + CRC + headers).ok_or(Corrupt)?;
        if headers > MAX_HEADERS || payload > MAX_PAYLOAD {
            return Err(Corrupt);
        }
        Ok(Some(Self { total, headers }))
    }
}

/// The headers that tell what a frame is.
#[derive(Clone, Copy, Default)]
struct Headers<'a> {
    message_type: Option<&'a [u8]>,
    event_type: Option<&'a [u8]>,
    exception_type: Option<&'a [u8]>,
    error_code: Option<&'a [u8]>,
    error_message: Option<&'a [u8]>,
}

impl<'a> Headers<'a> {
    fn read(mut bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let mut headers = Self::default();
        while !bytes.is_empty() {
            bytes = headers.add(bytes).ok_or(Corrupt)?;
        }
        Ok(headers)
    }

    /// Reads headers of which only the first are there.
    fn read_some(mut bytes: &'a [u8]) -> Self {
        let mut headers = Self::default();
        while let Some(rest) = headers.add(bytes) {
            bytes = rest;
        }
        headers
    }

    /// Takes in the first header, and returns what follows it.
    fn add(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (length, bytes) = bytes.split_first()?;
        let (name, bytes) = bytes.split_at_checked(usize::from(*length))?;
        let (kind, bytes) = bytes.split_first()?;
        match kind {
            // True and false.
            0 | 1 => Some(bytes),
            // Integers of one, two, four and eight bytes, a timestamp, a UUID.
            2 => bytes.get(1..),
            3 => bytes.get(2..),
            4 => bytes.get(4..),
            5 | 8 => bytes.get(8..),
            9 => bytes.get(16..),
            // Bytes and strings.
            6 | 7 => {
                let (length, bytes) = bytes.split_first_chunk()?;
                let length = u16::from_be_bytes(*length);
                let (value, rest) = bytes.split_at_checked(usize::from(length))?;
                if let Some(slot) = self.slot(name).filter(|_| *kind == 7) {
                    *slot = Some(value);
                }
                Some(rest)
            }
            _ => None,
        }
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        match name {
            b":message-type" => Some(&mut self.message_type),
            b":event-type" => Some(&mut self.event_type),
            b":exception-type" => Some(&mut self.exception_type),
            b":error-code" => Some(&mut self.error_code),
            b":error-message" => Some(&mut self.error_message),
            _ => None,
        }
    }
}

/// Takes the model's own document out of a payload that wraps it: Bedrock's
/// `{"bytes":"<base64>","p":"<padding>"}`. Returns whether there was one.
fn unwrap(payload: &[u8], into: &mut Vec<u8>) -> bool {
    let wrapped = Json::skim(payload).and_then(|payload| payload.field("bytes"));
    let text = wrapped.and_then(Json::text);
    text.is_some_and(|text| base64::decode(text.as_bytes(), into))
}

/// Two lengths and their checksum.
const PRELUDE: usize = 12;

/// A checksum.
const CRC: usize = 4;

/// The longest headers and payload that botocore takes; AWS sends no longer ones.
const MAX_HEADERS: usize = 128 << 10;
const MAX_PAYLOAD: usize = 24 << 20;

#[cfg(test)]
mod tests;
