//! Recognising inference endpoints by whole segments at the end of a path.

use super::{Endpoint, EndpointKind};

/// Returns the endpoint whose suffix ends `path`, with any base path before it.
///
/// `None` for whatever could be read in more than one way: dot segments, empty segments, percent
/// escapes, a query; and where the path, not the body, names the model.
pub(super) fn endpoint(path: &str, suffixes: &[(&'static str, EndpointKind)]) -> Option<Endpoint> {
    let (suffix, operation, kind) = suffixes
        .iter()
        .filter_map(|(operation, kind)| {
            Some((path.strip_suffix(operation)?.len(), *operation, *kind))
        })
        .min_by_key(|(start, ..)| *start)?;
    let base = path.get(..suffix)?;
    is_base(base).then_some(Endpoint {
        kind,
        operation,
        suffix,
    })
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

/// Segments that the model's name follows.
const NAMES_MODEL: &[&str] = &["deployments", "engines", "model", "models", "publishers"];
