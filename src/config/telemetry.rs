use http::{Uri, uri::Scheme};

use super::{assemble::Fault, schema};

/// Who is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telemetry {
    /// The base URL of a collector that speaks OTLP over HTTP.
    pub(crate) otlp_endpoint: Option<Uri>,
    pub(crate) service_name: String,
}

const SERVICE_NAME: &str = "outcome-gateway";
/// As long as a name may be elsewhere.
const LONGEST_NAME: usize = 256;

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            service_name: SERVICE_NAME.to_owned(),
        }
    }
}

impl Telemetry {
    pub(super) fn read(written: &schema::Telemetry) -> Result<Self, Fault> {
        let mut telemetry = Self::default();
        if let Some(endpoint) = &written.otlp_endpoint {
            // What stands there may hold a secret, and is not repeated.
            let message = "expected a URL without user name, query or fragment, such as \
                           \"http://127.0.0.1:4318\"";
            let text = endpoint.get_ref();
            let uri = text.parse::<Uri>().ok().filter(|uri| {
                let scheme = uri.scheme();
                let is_http = [&Scheme::HTTP, &Scheme::HTTPS]
                    .iter()
                    .any(|known| scheme == Some(*known));
                is_http && !text.contains(['@', '?', '#'])
            });
            telemetry.otlp_endpoint = Some(uri.ok_or_else(|| Fault::at(endpoint, message))?);
        }
        if let Some(name) = &written.service_name {
            let text = name.get_ref().trim();
            if text.is_empty() || text.len() > LONGEST_NAME {
                return Err(Fault::at(
                    name,
                    format!("expected a name of at most {LONGEST_NAME} bytes"),
                ));
            }
            telemetry.service_name = text.to_owned();
        }
        Ok(telemetry)
    }
}
