//! What is not about routing: who may call, what is borne, who is told.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Spanned;

/// What the gateway bears.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// Of a request, decoded.
    #[schemars(range(min = 1, max = 1_099_511_627_776_u64), extend("default" = 33_554_432))]
    pub(in crate::config) max_body_bytes: Option<Spanned<u64>>,
    /// Of all requests that wait for the head of their answer. At least twice max_body_bytes.
    #[schemars(range(min = 1, max = 2_199_023_255_552_u64), extend("default" = 536_870_912))]
    pub(in crate::config) max_buffered_bytes: Option<Spanned<u64>>,
    /// Served at a time; others wait.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 1024))]
    pub(in crate::config) max_connections: Option<Spanned<u64>>,
    /// Under way at a time; others are answered 503.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 4096))]
    pub(in crate::config) max_requests: Option<Spanned<u64>>,
    /// For the first bytes of a connection. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 10_000))]
    pub(in crate::config) first_byte_timeout_ms: Option<Spanned<u64>>,
    /// For a request's head; an idle connection is closed after as long. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 30_000))]
    pub(in crate::config) header_timeout_ms: Option<Spanned<u64>>,
    /// Between two parts of a request's body. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 15_000))]
    pub(in crate::config) body_idle_timeout_ms: Option<Spanned<u64>>,
    /// What is under way may take as long once the gateway is told to stop. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 30_000))]
    pub(in crate::config) drain_ms: Option<Spanned<u64>>,
}

/// By which headers callers and the gateway speak to each other.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Headers {
    /// What the names of all of them begin with, unless given one by one.
    #[schemars(extend("default" = "x-outcome-"))]
    pub(in crate::config) prefix: Option<Spanned<String>>,
    /// What kind of work a request is.
    #[schemars(extend("default" = "x-outcome-task"))]
    pub(in crate::config) task: Option<Spanned<String>>,
    /// For whom it is.
    #[schemars(extend("default" = "x-outcome-tenant"))]
    pub(in crate::config) tenant: Option<Spanned<String>>,
    /// The conversation that it belongs to.
    #[schemars(extend("default" = "x-outcome-session"))]
    pub(in crate::config) session: Option<Spanned<String>>,
    /// The one target that it wants. Heard from whom trust names.
    #[schemars(extend("default" = "x-outcome-pin"))]
    pub(in crate::config) pin: Option<Spanned<String>>,
    /// Targets that it does not want. Heard from whom trust names.
    #[schemars(extend("default" = "x-outcome-exclude"))]
    pub(in crate::config) exclude: Option<Spanned<String>>,
    /// How long its caller waits.
    #[schemars(extend("default" = "x-outcome-deadline-ms"))]
    pub(in crate::config) deadline_ms: Option<Spanned<String>>,
    /// Whether it may be an experiment.
    #[schemars(extend("default" = "x-outcome-risk"))]
    pub(in crate::config) risk: Option<Spanned<String>>,
    /// Whether the answer says why its target was chosen.
    #[schemars(extend("default" = "x-outcome-explain"))]
    pub(in crate::config) explain: Option<Spanned<String>>,
    /// Whether only the named model may serve it.
    #[schemars(extend("default" = "x-outcome-strict"))]
    pub(in crate::config) strict: Option<Spanned<String>>,
    /// Hints that are heard from every caller; none unless given.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(in crate::config) trust: Vec<Trusted>,
}

/// A hint that takes the choice of a target from the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Trusted {
    Pin,
    Exclude,
}

/// Where operators see what happens: a listener of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// Whether there is one.
    #[schemars(extend("default" = true))]
    pub(in crate::config) enabled: Option<bool>,
    /// An IP address and a port. One that is not of loopback needs a token.
    #[schemars(extend("default" = "127.0.0.1:8081"))]
    pub(in crate::config) listen: Option<Spanned<String>>,
    /// The name of the environment variable that holds the token, of 16 characters at least.
    pub(in crate::config) token_env: Option<Spanned<String>>,
    /// The path of a file that holds it, instead of token_env. Relative to this file.
    pub(in crate::config) token_file: Option<Spanned<String>>,
    /// Names to answer to, without a port; on loopback, beside those of loopback.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(in crate::config) hosts: Vec<Spanned<String>>,
}

/// Where what was learned outlives the process, and through what instances share it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Store {
    /// Whether it is kept in a file.
    #[schemars(extend("default" = true))]
    pub(in crate::config) enabled: Option<Spanned<bool>>,
    /// The file. Unless given, `state` in the folder that systemd gives the service, else in that
    /// of the user: ~/.local/state/outcome-gateway
    pub(in crate::config) path: Option<Spanned<String>>,
    /// How often it is written: what a crash may lose. In milliseconds.
    #[schemars(range(min = 1, max = 86_400_000), extend("default" = 10_000))]
    pub(in crate::config) interval_ms: Option<Spanned<u64>>,
    /// The server of Redis 6.2 or later, or of Valkey, through which instances share what they learn:
    /// redis://host:6379/0, or rediss:// for TLS. None unless given.
    #[schemars(extend("pattern" = "^rediss?://[^@?#]+$"))]
    pub(in crate::config) url: Option<Spanned<String>>,
    /// The name of the environment variable that holds it, instead of url; there a user and a
    /// password may stand in it, as redis://user:password@host:6379/0
    pub(in crate::config) url_env: Option<Spanned<String>>,
    /// The user to come as; the server's default one unless given.
    pub(in crate::config) user: Option<Spanned<String>>,
    /// The name of the environment variable that holds the password.
    pub(in crate::config) password_env: Option<Spanned<String>>,
    /// The path of a file that holds it, instead of password_env. Relative to this file.
    pub(in crate::config) password_file: Option<Spanned<String>>,
    /// The path of a file of certificates (PEM) to trust with rediss://, in place of the system's.
    /// Relative to this file.
    pub(in crate::config) ca_file: Option<Spanned<String>>,
    /// The name of the environment variable that holds the secret of the deployment, of 16
    /// characters at least: all instances have the same one. Needed where there is a server.
    pub(in crate::config) secret_env: Option<Spanned<String>>,
    /// The path of a file that holds it, instead of secret_env. Relative to this file.
    pub(in crate::config) secret_file: Option<Spanned<String>>,
    /// What the keys in the server begin with: instances with another one share nothing. 1 to 32 of
    /// a-z, 0-9 and -.
    #[schemars(extend("default" = "outcome", "pattern" = "^[a-z0-9-]{1,32}$"))]
    pub(in crate::config) prefix: Option<Spanned<String>>,
    /// How often instances exchange what they learn, about. In milliseconds.
    #[schemars(range(min = 10, max = 60_000), extend("default" = 250))]
    pub(in crate::config) exchange_ms: Option<Spanned<u64>>,
    /// For the server's answer; a slower one is gone on without. In milliseconds.
    #[schemars(range(min = 1, max = 10_000), extend("default" = 100))]
    pub(in crate::config) answer_timeout_ms: Option<Spanned<u64>>,
}

/// Who is told what happens.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Telemetry {
    /// The base URL of a collector that speaks OTLP over HTTP: http://127.0.0.1:4318. None unless
    /// given.
    #[schemars(extend("pattern" = "^[hH][tT][tT][pP][sS]?://[^@?#]+$"))]
    pub(in crate::config) otlp_endpoint: Option<Spanned<String>>,
    /// What the gateway calls itself there.
    #[schemars(extend("default" = "outcome-gateway"))]
    pub(in crate::config) service_name: Option<Spanned<String>>,
}

/// A key that opens the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Key {
    /// What it is shown by.
    pub(in crate::config) name: Spanned<String>,
    /// The SHA-256 of the key, 64 hex digits: `outcome-gateway key NAME` makes both.
    #[schemars(extend("pattern" = "^[0-9a-fA-F]{64}$"))]
    pub(in crate::config) sha256: Spanned<String>,
    /// The names of the pools that it opens; all unless given.
    #[schemars(extend("minItems" = 1))]
    pub(in crate::config) pools: Option<Spanned<Vec<Spanned<String>>>>,
    /// For whom its calls are, whatever a header says.
    pub(in crate::config) tenant: Option<Spanned<String>>,
    /// What it may spend per day, in UTC.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(in crate::config) daily_dollars: Option<Spanned<f64>>,
    /// Hints that are heard from its callers, beside those that are heard from all.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub(in crate::config) trust: Vec<Trusted>,
}
