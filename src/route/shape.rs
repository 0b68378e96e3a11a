/// What the head says about holding the answer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A failure: its body is read before the head is released.
    Failure,
    /// A short answer: held to its end.
    Whole,
    /// A stream of events: held to its first content.
    Stream,
    /// Something that must flow at once.
    Flow,
}

/// The shape of a good answer that is no stream.
pub(super) fn shape_of(content_type: &str) -> Shape {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |kind: &str| essence.eq_ignore_ascii_case(kind);
    let end = |len| essence.get(essence.len().saturating_sub(len)..);
    if is("application/json")
        || ["", "text/html", "text/plain"].into_iter().any(is)
        || end(5).is_some_and(|end| end.eq_ignore_ascii_case("+json"))
    {
        Shape::Whole
    } else {
        Shape::Flow
    }
}
