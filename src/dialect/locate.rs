//! Finding the model in a JSON body, which is the same in both dialects.

use bytes::Bytes;

use super::{Located, Unroutable};
use crate::classify::is_json;

/// Finds what routing needs in a JSON body.
pub(super) fn locate(content_type: Option<&str>, body: &[Bytes]) -> Result<Located, Unroutable> {
    if !content_type.is_some_and(is_json) {
        return Err(Unroutable::ContentType);
    }
    scan(body)
}

/// The place for the scanner of [`super::json`].
fn scan(_body: &[Bytes]) -> Result<Located, Unroutable> {
    Err(Unroutable::NoModel)
}
