mod client;

use std::{error::Error, fmt, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::task::spawn_blocking;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use self::client::Client;
use crate::config::Config;

/// What is left may take this long to be sent at the end.
const LAST: Duration = Duration::from_secs(5);
/// The path of a collector for spans, below its base URL.
const PATH: &str = "/v1/traces";
/// Where a collector stands, by the environment.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// Sends the span of every attempt to a collector, by OTLP over HTTP, in batches and beside the path
/// of requests. What a collector that is slow or gone does not take is dropped.
///
/// Where to, `[telemetry]` says, else the standard variables `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` and
/// `OTEL_EXPORTER_OTLP_ENDPOINT`. Other variables of the specification count, too, such as
/// `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_TRACES_SAMPLER`,
/// `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME` and `OTEL_SDK_DISABLED`.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Starts to send, if there is somewhere to send to.
    ///
    /// # Errors
    ///
    /// If what the environment says of it cannot be.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn from_config(config: &Config) -> Result<Option<Self>, TracesError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let disabled = variable("OTEL_SDK_DISABLED");
        if disabled.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let telemetry = &config.telemetry;
        let endpoint = telemetry.otlp_endpoint.as_ref().map(|base| {
            let base = base.to_string();
            let base = base.trim_end_matches('/');
            format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base))
        });
        if endpoint.is_none() && !ENDPOINTS.iter().any(|name| variable(name).is_some()) {
            return Ok(None);
        }
        let mut resource = Resource::builder();
        if variable("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(telemetry.service_name.clone());
        }
        Self::start(endpoint.as_deref(), resource.build()).map(Some)
    }

    fn start(endpoint: Option<&str>, resource: Resource) -> Result<Self, TracesError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new())
            .with_protocol(Protocol::HttpBinary);
        let exporter = match endpoint {
            Some(endpoint) => exporter.with_endpoint(endpoint),
            None => exporter,
        };
        let exporter = exporter
            .build()
            .map_err(|error| TracesError(error.into()))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Self { provider })
    }

    /// Returns what takes in the spans, to be added to the process's subscriber. It takes those of
    /// this crate, at the level `info` and above, and no event.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_ours).with_max_level_hint(tracing::Level::INFO))
    }

    /// Sends what is left, for up to 5 s.
    pub async fn stop(self) {
        let stopped = spawn_blocking(move || self.provider.shutdown_with_timeout(LAST));
        if let Ok(Err(error)) = stopped.await {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= tracing::Level::INFO
        && metadata.target().starts_with("tower_outcome::")
}

/// Why spans cannot be sent.
#[derive(Debug)]
pub struct TracesError(Box<dyn Error + Send + Sync>);

impl fmt::Display for TracesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what stands there: it may hold a secret.
        f.write_str(
            "spans cannot be sent: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT \
             holds no URL, or another such variable what cannot be",
        )
    }
}

impl Error for TracesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
