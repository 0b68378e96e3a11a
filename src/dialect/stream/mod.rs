//! Streamed answers, taken apart as they arrive.
//!
//! The [`Observer`] finds the events of a stream, however it is framed and cut into chunks, and
//! hands each to a [`Dialect`] that knows what it means. It only looks: the bytes go on to the
//! caller untouched.
//!
//! An event within one chunk is looked at where it lies; only what is left over at the end of a
//! chunk is kept. Beyond 1 MiB no event is kept: its first KiB must do.
//!
//! # When
//!
//! The routing layer watches every answer of a type that [`Framing::of`] knows so. On its own it
//! serves wherever a stream passes by and its end should be judged:
//!
//! ```
//! use tower_outcome::dialect::{
//!     detect,
//!     stream::{Framing, Observer},
//! };
//!
//! let (dialect, _) = detect("/v1/chat/completions").unwrap();
//! let framing = Framing::of("text/event-stream; charset=utf-8").unwrap();
//! let mut observer = Observer::new(dialect, framing);
//! observer.feed(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n");
//! observer.feed(b"\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
//! observer.finish();
//! let summary = observer.summary();
//! assert_eq!(summary.first_content, Some(0));
//! assert!(summary.terminal);
//! ```

mod array;
mod base64;
mod crc32;
mod frames;
mod framing;
mod held;
mod lines;
mod sse;

use std::{fmt, sync::LazyLock};

use memchr::memmem::Finder;

#[cfg(feature = "gateway")]
pub(crate) use self::base64::decode as decode_base64;
pub use self::framing::Framing;
pub(crate) use self::sse::{Blocks, each_data};
use self::{array::Array, frames::Frames, lines::Lines, sse::Sse};
use super::Dialect;
use crate::classify::{ErrorView, Json, Object, StreamSummary, Verdict, in_answer};

/// One dispatched event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What the framing calls it, if anything: the `event` field, the `:event-type` header.
    pub name: Option<&'a [u8]>,
    /// What it says: lines of `data` joined by a newline, a line, a payload, an item.
    pub data: &'a [u8],
    /// Whether this is all of the event. Of one that is too long to keep only the beginning is
    /// here, which is no valid JSON.
    pub whole: bool,
    /// Whether the framing itself says that it is an error: the name is then that of the error.
    /// Such events are judged without the dialect.
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
            Ok(data) => {
                summary.add_response_id(&data);
                read(self.name, &data, summary);
            }
            Err(_) if self.name == Some(b"error") => {
                summary.add_error(in_answer(&ErrorView::default()));
            }
            Err(_) => {}
        }
    }

    /// Judges an error that the framing itself names: its code is the name, and its data may bring
    /// a message.
    fn judge_exception(&self) -> Verdict {
        let name = self.name.and_then(|name| str::from_utf8(name).ok());
        in_answer(&ErrorView::of_exception(
            name.unwrap_or_default(),
            self.data,
        ))
    }
}

/// Watches a stream of events go by and sums it up.
pub struct Observer {
    framer: Framer,
    sink: Sink,
}

enum Framer {
    Sse(Sse),
    Lines(Lines),
    Frames(Frames),
    Array(Array),
}

impl fmt::Debug for Observer {
    /// Shows no part of an answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("dialect", &self.sink.dialect.name())
            .field("framing", &self.framing())
            .field("summary", &self.sink.summary)
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// Creates an observer for a stream in the given dialect and framing.
    #[must_use]
    pub fn new(dialect: &'static dyn Dialect, framing: Framing) -> Self {
        Self {
            framer: match framing {
                Framing::Sse => Framer::Sse(Sse::new()),
                Framing::Lines => Framer::Lines(Lines::default()),
                Framing::Frames => Framer::Frames(Frames::default()),
                Framing::Array => Framer::Array(Array::default()),
            },
            sink: Sink {
                dialect,
                summary: StreamSummary::default(),
            },
        }
    }

    /// Returns how the stream is framed.
    #[must_use]
    pub fn framing(&self) -> Framing {
        match self.framer {
            Framer::Sse(_) => Framing::Sse,
            Framer::Lines(_) => Framing::Lines,
            Framer::Frames(_) => Framing::Frames,
            Framer::Array(_) => Framing::Array,
        }
    }

    /// Takes in the next chunk, of any length.
    pub fn feed(&mut self, chunk: &[u8]) {
        let sink = &mut self.sink;
        match &mut self.framer {
            Framer::Sse(sse) => sse.feed(chunk, sink),
            Framer::Lines(lines) => lines.feed(chunk, sink),
            Framer::Frames(frames) => frames.feed(chunk, sink),
            Framer::Array(array) => array.feed(chunk, sink),
        }
    }

    /// Takes in the end of the stream. To be called once, where the body ended or failed.
    pub fn finish(&mut self) {
        match &mut self.framer {
            Framer::Sse(sse) => sse.finish(&mut self.sink),
            Framer::Lines(lines) => lines.finish(&mut self.sink),
            // These say themselves where an event ends: one that does not is not all here.
            Framer::Frames(_) | Framer::Array(_) => {}
        }
    }

    /// Returns what was seen so far.
    #[must_use]
    pub fn summary(&self) -> &StreamSummary {
        &self.sink.summary
    }

    /// Returns the summary, giving the observer up.
    #[must_use]
    pub fn into_summary(self) -> StreamSummary {
        self.sink.summary
    }
}

/// Where events go.
struct Sink {
    dialect: &'static dyn Dialect,
    summary: StreamSummary,
}

impl Sink {
    fn take(&mut self, event: Event<'_>) {
        let summary = &mut self.summary;
        if !event.whole {
            summary.oversized += 1;
        }
        if event.exception {
            summary.add_error(event.judge_exception());
        } else if event.data.is_empty() {
            summary.keep_alives += 1;
        } else {
            self.dialect.event(event, summary);
        }
        // After the dialect, which sees the number of events before this one as its index.
        summary.events += 1;
    }

    fn keep_alive(&mut self) {
        self.summary.keep_alives += 1;
    }

    /// What follows cannot be told apart any more.
    fn malformed(&mut self) {
        self.summary.malformed = true;
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

/// Whether data that the end of a stream cuts off is all there all the same.
fn is_complete(data: &[u8]) -> bool {
    data == b"[DONE]" || Json::parse(data).is_ok()
}

const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
