use bytes::Bytes;

use super::{
    Anthropic, Dialect, Endpoint, EndpointKind, Gemini, Located, Place, Refusal, Unroutable,
    gemini, is_below, locate, path, refusal, stream,
};
use crate::classify::StreamSummary;

/// Gemini on Vertex AI: `…/publishers/google/models/{model}:generateContent`. What stands before
/// `/publishers`, the project and the location, belongs to the base URL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vertex;

/// Claude on Vertex AI: `…/publishers/anthropic/models/{model}:rawPredict`. The body is that of a
/// message, without its model.
#[derive(Clone, Copy, Debug, Default)]
pub struct VertexAnthropic;

impl Dialect for Vertex {
    fn name(&self) -> &'static str {
        "vertex"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        path::named(path, GOOGLE, gemini::OPERATIONS).map(|(endpoint, _)| endpoint)
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        gemini::OPERATIONS
    }

    fn is_at(&self, host: &str) -> bool {
        is_vertex(host)
    }

    fn takes(&self, dialect: &str, _operation: &str) -> bool {
        [self.name(), VertexAnthropic.name()].contains(&dialect)
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let path = target.split('?').next().unwrap_or_default();
        let named = path::named(path, GOOGLE, gemini::OPERATIONS);
        let (endpoint, range) = named.ok_or(Unroutable::NoModel)?;
        let mut located = gemini::in_path(endpoint, path, range, content_type, body)?;
        for site in &mut located.sites {
            if site.place == Place::PathResource {
                site.place = Place::Path;
            }
        }
        Ok(located)
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        Gemini.event(event, summary);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::google(refusal)
    }
}

impl Dialect for VertexAnthropic {
    fn name(&self) -> &'static str {
        "vertex-anthropic"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        path::named(path, CLAUDE, RAW).map(|(endpoint, _)| endpoint)
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        RAW
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let (endpoint, mut located) = locate::in_path(target, CLAUDE, RAW, content_type, body)?;
        located.stream |= endpoint.operation == ":streamRawPredict";
        Ok(located)
    }

    fn event(&self, event: stream::Event<'_>, summary: &mut StreamSummary) {
        Anthropic.event(event, summary);
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> Bytes {
        refusal::anthropic(refusal)
    }
}

/// `us-central1-aiplatform.googleapis.com`, and the global one without a region.
fn is_vertex(host: &str) -> bool {
    let first = host.split('.').next().unwrap_or_default();
    is_below(host, "googleapis.com") && first.ends_with("aiplatform")
}

const GOOGLE: &str = "/publishers/google/models/";

const CLAUDE: &str = "/publishers/anthropic/models/";

const RAW: &[(&str, EndpointKind)] = &[
    (":rawPredict", EndpointKind::Chat),
    (":streamRawPredict", EndpointKind::Chat),
];
