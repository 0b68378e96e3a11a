//! Server-sent events, taken apart as they arrive.

/// One dispatched event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The `event` field, if any.
    pub name: Option<&'a [u8]>,
    /// The `data` field, lines joined by a newline.
    pub data: &'a [u8],
}
