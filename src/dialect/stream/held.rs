/// The beginning of an event that has not ended yet; of a long one only its first part.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Length of the event so far.
    length: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Whether all of the event is here.
    pub(super) fn is_whole(&self) -> bool {
        self.length <= MAX_EVENT
    }

    /// Returns the event, or the first part of a long one.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn add(&mut self, part: &[u8]) {
        self.length = self.length.saturating_add(part.len());
        if self.length <= MAX_EVENT {
            self.bytes.extend_from_slice(part);
        } else {
            let room = KEPT_OF_LONG.saturating_sub(self.bytes.len());
            self.bytes
                .extend_from_slice(part.get(..room).unwrap_or(part));
            self.bytes.truncate(KEPT_OF_LONG);
            self.bytes.shrink_to(KEPT_OF_LONG);
        }
    }

    /// Forgets the event and keeps its room for the next.
    pub(super) fn cleared(mut self) -> Self {
        self.bytes.clear();
        self.length = 0;
        self
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// The longest event that is kept, bytes with its field names. An image in one event is longer,
/// but nothing needs to be known of it.
pub(super) const MAX_EVENT: usize = 1 << 20;

/// What is kept of a longer one: enough for its name and type.
pub(super) const KEPT_OF_LONG: usize = 1 << 10;
