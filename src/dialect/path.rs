//! Recognising inference endpoints by whole segments at the end of a path.

use std::ops::Range;

use super::{Addressed, Endpoint, EndpointKind};

/// Returns the endpoint whose suffix ends `path`, with any base path before it.
///
/// `None` for whatever could be read in more than one way: dot segments, empty segments, percent
/// escapes, a query; and where the path, not the body, names the model.
pub(super) fn endpoint(path: &str, suffixes: &[(&'static str, EndpointKind)]) -> Option<Endpoint> {
    let (suffix, operation, kind) = ending(path, suffixes)?;
    let base = path.get(..suffix)?;
    is_base(base).then_some(Endpoint {
        kind,
        operation,
        suffix,
    })
}

/// Returns the longest operation that a path ends in, and where it starts.
fn ending(
    path: &str,
    operations: &[(&'static str, EndpointKind)],
) -> Option<(usize, &'static str, EndpointKind)> {
    let starts = operations.iter().filter_map(|(operation, kind)| {
        Some((path.strip_suffix(operation)?.len(), *operation, *kind))
    });
    starts.min_by_key(|(start, ..)| *start)
}

/// Whether what stands before a suffix can be the base path of a provider.
fn is_base(base: &str) -> bool {
    let Some(segments) = base.strip_prefix('/') else {
        return base.is_empty();
    };
    segments.split('/').all(|segment| {
        let plain = !segment
            .bytes()
            .any(|byte| matches!(byte, b'%' | b'?' | b'#' | b'\\' | b';'));
        plain && !matches!(segment, "" | "." | "..") && !NAMES_MODEL.contains(&segment)
    })
}

/// Returns the endpoint of a path that ends in `{kind}/{model}{operation}`, and where the model
/// stands: its percent-encoded segment.
///
/// `kind` is the segments before the model, with their slashes (`/model/`); `operation` what
/// follows it, up to the end. What stands before the kind is the base path.
pub(super) fn named(
    path: &str,
    kind: &str,
    operations: &[(&'static str, EndpointKind)],
) -> Option<(Endpoint, Range<usize>)> {
    let (end, operation, kind_of_work) = ending(path, operations)?;
    let named = path.get(..end)?;
    let start = named.rfind(kind)? + kind.len();
    let model = named.get(start..).filter(|model| is_segment(model))?;
    let suffix = start - kind.len();
    let base = path.get(..suffix)?;
    let endpoint = Endpoint {
        kind: kind_of_work,
        operation,
        suffix,
    };
    is_base(base).then_some((endpoint, start..start + model.len()))
}

/// Returns the path at a server that has its copies of others' endpoints below `/v1`, and its own
/// where their operation says. The base path is the server's, with the version or without.
pub(super) fn below_version(base: &str, request: &Addressed<'_>) -> String {
    let root = without_last(base, "v1");
    let shared = request.shared();
    let first = shared.get(1..).and_then(|rest| rest.split('/').next());
    let is_placed = first.is_some_and(|first| is_version(first) || first == "api");
    let version = if is_placed || UNVERSIONED.contains(&shared) {
        ""
    } else {
        "/v1"
    };
    format!("{root}{version}{shared}")
}

/// Operations of servers' own that stand at their root.
const UNVERSIONED: &[&str] = &[
    "/classify",
    "/completion",
    "/infill",
    "/pooling",
    "/rerank",
    "/score",
];

/// Whether a text is one segment that names something.
fn is_segment(text: &str) -> bool {
    let special = |byte: u8| matches!(byte, b'/' | b'?' | b'#' | b'\\');
    !matches!(text, "" | "." | "..") && !text.bytes().any(special)
}

/// Whether a segment is the version of an API: `v1`, `v2beta`.
pub(super) fn is_version(segment: &str) -> bool {
    let rest = segment.strip_prefix('v').unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns a path without its last segment, where that is the given one.
pub(super) fn without_last<'a>(path: &'a str, segment: &str) -> &'a str {
    let base = path.strip_suffix(segment);
    base.and_then(|base| base.strip_suffix('/')).unwrap_or(path)
}

/// Returns the last segment of a path.
pub(super) fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Segments that the model's name follows.
const NAMES_MODEL: &[&str] = &["deployments", "engines", "model", "models", "publishers"];
