use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{
    Addressed, Dialect, Endpoint, EndpointKind, Located, OpenAi, Place, Site, Unroutable, form,
    is_below, locate, openai, path, secret_header,
    site::{self, encode},
};

/// Azure OpenAI, whose classic endpoints name a deployment in the path
/// (`/openai/deployments/{deployment}/chat/completions?api-version=…`): the path decides, a `model`
/// in the body is rewritten with it.
///
/// Its upstreams also take requests as OpenAI's own SDK sends them: below `/openai/v1` as they are;
/// below `/openai` the deployment goes into the path, and the upstream has to name the
/// [`api-version`](crate::Upstream::query).
#[derive(Clone, Copy, Debug, Default)]
pub struct AzureOpenAi;

impl Dialect for AzureOpenAi {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        path::named(path, DEPLOYMENTS, ENDPOINTS).map(|(endpoint, _)| endpoint)
    }

    fn operations(&self) -> &'static [(&'static str, EndpointKind)] {
        ENDPOINTS
    }

    fn takes(&self, dialect: &str, operation: &str) -> bool {
        dialect == self.name() || dialect == OpenAi.name() && offers(operation)
    }

    fn is_at(&self, host: &str) -> bool {
        [
            "openai.azure.com",
            "services.ai.azure.com",
            "cognitiveservices.azure.com",
        ]
        .into_iter()
        .any(|domain| is_below(host, domain))
    }

    fn path(&self, base: &str, request: &Addressed<'_>) -> String {
        let shared = request.shared();
        let root = path::without_last(base, "v1");
        let is_classic = root == base;
        match request.dialect {
            "azure" => format!("{root}{shared}"),
            _ if is_classic && ENDPOINTS.iter().any(|(name, _)| *name == shared) => {
                format!("{root}{DEPLOYMENTS}{}{shared}", encode(request.model))
            }
            _ => format!("{base}{shared}"),
        }
    }

    fn reads(&self, endpoint: Endpoint, content_type: Option<&str>) -> bool {
        OpenAi.reads(endpoint, content_type)
    }

    fn locate(
        &self,
        _endpoint: Endpoint,
        target: &str,
        content_type: Option<&str>,
        body: &[Bytes],
    ) -> Result<Located, Unroutable> {
        let path = target.split('?').next().unwrap_or_default();
        let (_, range) = path::named(path, DEPLOYMENTS, ENDPOINTS).ok_or(Unroutable::NoModel)?;
        let mut located = match content_type {
            Some(kind) if form::is_form(kind) => form::read(kind, body)?,
            _ => locate::read(content_type, body)?,
        };
        located.model = site::of_path(path, &range).ok_or(Unroutable::NoModel)?;
        located.sites.insert(0, Site::new(Place::Path, range));
        Ok(located)
    }

    fn asks_usage(&self, endpoint: Endpoint) -> bool {
        OpenAi.asks_usage(endpoint)
    }

    fn credential(&self, secret: &str) -> Option<(HeaderName, HeaderValue)> {
        if secret.is_empty() {
            return None;
        }
        secret_header(HeaderName::from_static("api-key"), secret)
    }

    fn has_own_credential(&self) -> bool {
        true
    }
}

fn offers(operation: &str) -> bool {
    openai::ENDPOINTS.iter().any(|(name, _)| *name == operation) && operation != "/moderations"
}

const DEPLOYMENTS: &str = "/deployments/";

const ENDPOINTS: &[(&str, EndpointKind)] = &[
    ("/chat/completions", EndpointKind::Chat),
    ("/completions", EndpointKind::Completion),
    ("/embeddings", EndpointKind::Embedding),
    ("/images/generations", EndpointKind::Image),
    ("/images/edits", EndpointKind::Image),
    ("/audio/speech", EndpointKind::Audio),
    ("/audio/transcriptions", EndpointKind::Audio),
    ("/audio/translations", EndpointKind::Audio),
];
