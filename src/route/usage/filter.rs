#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::VecDeque, mem};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use smallvec::SmallVec;

use crate::{
    classify::{Json, Object},
    dialect::{
        Dialect,
        stream::{Blocks, Framing, Observer, each_data},
    },
};

/// The event is some hundred bytes; what is longer is another.
const LONGEST: usize = 16 * 1024;

/// Takes one event out of a stream: the one that brings usage and no choice, after every choice has
/// finished.
///
/// Every other byte passes in the frame it came in, a part of it where the event lay in that frame,
/// too. Only the beginning of an event that could still become the one waits for its rest.
pub(in crate::route) struct UsageFilter {
    observer: Observer,
    blocks: Blocks,
    state: State,
    /// The beginning of an event that could become the one.
    held: SmallVec<[Bytes; 2]>,
    /// What goes on to the caller.
    out: VecDeque<Frame<Bytes>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The event cannot come before a choice has finished.
    Early,
    /// All choices have: the event that begins here may be the one.
    Ripe,
    /// The event that has begun is another: some of it has passed.
    Other,
    /// It was taken out, all but the line feed that may follow its carriage return.
    AllButLineFeed,
    /// It was taken out: everything else passes.
    Done,
}

impl UsageFilter {
    pub(in crate::route) fn new(dialect: &'static dyn Dialect) -> Self {
        Self {
            observer: Observer::new(dialect, Framing::Sse),
            blocks: Blocks::new(),
            state: State::Early,
            held: SmallVec::new(),
            out: VecDeque::new(),
        }
    }

    /// Takes in the next frame of the stream.
    pub(in crate::route) fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) if data.is_empty() => self.out.push_back(Frame::data(data)),
            Ok(data) => self.data(data),
            Err(other) => {
                self.release();
                self.out.push_back(other);
            }
        }
    }

    /// Returns the next frame for the caller.
    pub(in crate::route) fn next(&mut self) -> Option<Frame<Bytes>> {
        self.out.pop_front()
    }

    /// Lets what is held go on: nothing more will come, or it is another event.
    pub(in crate::route) fn release(&mut self) {
        let held = mem::take(&mut self.held);
        self.out.extend(held.into_iter().map(Frame::data));
    }

    /// Returns whether nothing is left here.
    pub(in crate::route) fn is_empty(&self) -> bool {
        self.held.is_empty() && self.out.is_empty()
    }

    /// Returns the size of what is left, where so much is still to be taken in.
    pub(in crate::route) fn size_hint(&self, rest: &SizeHint) -> SizeHint {
        let out = self.out.iter().filter_map(Frame::data_ref);
        let own = out.chain(&self.held).map(|data| data.len() as u64).sum();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(own));
        }
        if self.state == State::Done {
            hint.set_lower(rest.lower().saturating_add(own));
        }
        hint
    }

    fn data(&mut self, chunk: Bytes) {
        match self.state {
            State::Early | State::Ripe | State::Other => {}
            State::AllButLineFeed => return self.finish(chunk),
            State::Done => return self.pass(chunk),
        }
        // What stands before an event passes with it, in one piece, or goes ahead.
        let mut event = 0;
        while let Some(len) = chunk
            .get(event..)
            .and_then(|rest| self.blocks.next_end(rest))
        {
            let end = event + len;
            let block = chunk.slice(event..end);
            if self.state == State::Ripe && is_usage(&self.with_held(&block)) {
                self.held.clear();
                self.pass(chunk.slice(..event));
                self.state = match block.last() {
                    Some(b'\r') => State::AllButLineFeed,
                    _ => State::Done,
                };
                return self.finish(chunk.slice(end..));
            }
            self.release();
            self.observer.feed(&block);
            self.state = self.after_event();
            event = end;
        }
        let begun = chunk.slice(event..);
        self.observer.feed(&begun);
        if self.state != State::Ripe || begun.is_empty() {
            return self.pass(chunk);
        }
        if may_be_usage(&self.with_held(&begun)) {
            self.pass(chunk.slice(..event));
            self.held.push(begun);
        } else {
            self.state = State::Other;
            self.release();
            self.pass(chunk);
        }
    }

    /// What may come behind an event.
    fn after_event(&self) -> State {
        let summary = self.observer.summary();
        if summary.finish.is_some() && summary.open_choices == 0 {
            State::Ripe
        } else {
            State::Early
        }
    }

    /// Takes in what follows the event that was taken out.
    fn finish(&mut self, mut rest: Bytes) {
        if self.state == State::AllButLineFeed && !rest.is_empty() {
            self.state = State::Done;
            if rest.first() == Some(&b'\n') {
                rest.advance(1);
            }
        }
        self.pass(rest);
    }

    fn pass(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.out.push_back(Frame::data(data));
        }
    }

    fn with_held<'a>(&self, more: &'a Bytes) -> Cow<'a, [u8]> {
        if self.held.is_empty() {
            return Cow::Borrowed(more);
        }
        let mut all = self.held.concat();
        all.extend_from_slice(more);
        Cow::Owned(all)
    }
}

/// Whether an event is the one: usage, and an empty list of choices.
fn is_usage(event: &[u8]) -> bool {
    let mut found = false;
    each_data(event, |data| {
        let Ok(object) = Object::parse(data) else {
            return;
        };
        let [choices, usage] = object.fields(["choices", "usage"]);
        found = choices.is_some_and(|choices| choices.is_array() && choices.is_empty())
            && usage.is_some_and(Json::is_object);
    });
    found
}

/// Whether the beginning of an event could become the one: no comment, and its data an object.
fn may_be_usage(begun: &[u8]) -> bool {
    if begun.len() > LONGEST || begun.first() == Some(&b':') {
        return false;
    }
    let mut lines = begun.split(|byte| matches!(byte, b'\r' | b'\n'));
    let data = lines.find_map(|line| line.strip_prefix(b"data:"));
    let data = data.map(<[u8]>::trim_ascii_start).unwrap_or_default();
    data.is_empty() || data.first() == Some(&b'{')
}
