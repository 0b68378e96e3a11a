use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{Dialect, Endpoint, Located, Refusal, Unroutable, sse};
use crate::classify::StreamSummary;

/// The Anthropic wire format.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn endpoint(&self, _path: &str) -> Option<Endpoint> {
        None
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        _target: &str,
        _content_type: Option<&str>,
        _body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        Err(Unroutable::NoModel)
    }

    fn event(&self, _event: sse::Event<'_>, _summary: &mut StreamSummary) {}

    fn refusal(&self, _refusal: &Refusal<'_>) -> Bytes {
        Bytes::new()
    }

    fn credential(&self, _secret: &str) -> Option<(HeaderName, HeaderValue)> {
        None
    }
}
