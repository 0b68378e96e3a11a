//! A configuration file becomes a router.
//!
//! The format is TOML. Keys that are not known are refused, and every error says where in the file
//! it is and what was expected there. Secrets stand in environment variables, which the file names.
//!
//! ```
//! let source = r#"
//! listen = "127.0.0.1:8080"        # the default
//! hosts = []                       # names to answer to; on loopback, beside those of loopback
//! deadline_ms = 540000             # a call without an answer by then begins no further attempt
//! default_upstream = "openai"      # for what is no routable inference; without it, that is a 404
//! pass_unknown_models = false      # send models that no pool serves to the default upstream
//! tasks = "none"                   # or tell kinds of work apart "by_shape", where callers do not
//! shadow_percent = 0.0             # of the calls, whose copies go to a second target as well
//!
//! [limits]
//! max_body_bytes = 33554432        # of a request, decoded
//! max_buffered_bytes = 536870912   # of all requests that wait for an answer
//! max_connections = 1024           # served at a time; others wait
//!
//! [[upstream]]
//! name = "openai"
//! base_url = "https://api.openai.com/v1"   # as an SDK takes it
//! api_key_env = "OPENAI_API_KEY"           # the name of the variable, not the key
//! dialect = "openai"               # or another; without it any, or that of a known host
//! query = { api-version = "2024-10-21" }   # added to each request; none unless given
//! connect_timeout_ms = 5000        # TLS included
//! attempt_timeout_ms = 240000      # until the head of the answer; shorter than the deadline
//! idle_timeout_ms = 300000         # between two parts of its body
//! http2 = false                    # one connection, on which calls over its limit of streams wait
//! allow_link_local = false         # for a base_url such as http://169.254.1.2
//!
//! [[pool]]
//! name = "chat"                    # callers may name it as their model
//! aliases = ["default"]            # and these, and the models of its targets
//! mode = "route"                   # or "observe", or "off"
//! nobody_free = "wait"             # or "answer" with a 429 at once, or use the "least_bad"
//! policy = "adaptive"              # or "declared" order, or "weighted" shares
//! cost_weight = 5.0                # expected score that a dollar is worth; 0 unless given
//! objective_ms = 20000             # answers are worth something until then; none unless given
//! preference = 0.05                # expected score given up to stay a rank higher
//! hold_back = true                 # streams until their first content, so that they can fail over
//! compressed_answers = false       # as the caller takes them; they cannot be looked into
//! derive_sessions = false          # find the session of requests that name none
//! ask_usage = false                # ask streams what they used, without the caller noticing
//! success_when = ["valid_json", "not_blank"]   # checks of good answers; none unless given
//! cascade = true                   # ask a better target where they fail; false unless given
//!
//! [[pool.target]]                  # in order of preference
//! model = "gpt-4o"
//! upstream = "openai"
//! expected_quality = 0.9           # score from 0 to 1 that its answers have, as long as few are known
//! price = { input = 2.5, output = 10.0, cached = 1.25 }   # dollars per million tokens
//! objective_ms = 30000             # the pool's, unless given
//! preference = 0.0                 # subtracted from its score, whatever its rank
//!
//! [[pool.target]]
//! model = "gpt-4o-mini"
//! upstream = "openai"
//! name = "mini"                    # the model, unless given
//! quota_group = "small models"     # for targets that share a limit of the provider
//! price = { input = 0.15, output = 0.6 }
//! context_window = 128000          # longer prompts go elsewhere; unless given, learned by refusals
//! max_output_tokens = 16384        # requests that ask for more go to others, if there are any
//! vision = true                    # false: requests with images go elsewhere
//! tools = true                     # false: requests with tools go elsewhere
//! json_mode = true                 # false: requests for JSON go elsewhere
//! compatibility_group = "openai"   # of targets that read each other's state; else one per upstream
//! [pool.target.parameters]         # changes at the top of a JSON body; none unless given
//! rename = { max_tokens = "max_completion_tokens" }
//! drop = ["logit_bias"]
//! set = { reasoning_effort = "low" }
//! "#;
//! use tower_outcome::config::Config;
//!
//! // `Config::load` reads a file and the environment.
//! let config = Config::parse("gateway.toml", source, |variable| {
//!     (variable == "OPENAI_API_KEY").then(|| "secret".to_owned())
//! })?;
//! assert!(config.router().knows("gpt-4o"));
//! # assert_eq!(config.warnings().filter(|it| !it.contains("anthropic")).count(), 0);
//! # Ok::<(), tower_outcome::config::ConfigError>(())
//! ```
//!
//! A price may say what prompt tokens cost that are read from the provider's cache (`cached`) or
//! written to it (`written`); else they cost as any other, see [`Price`](crate::Price). Streams in
//! the OpenAI format say what they used only where they are asked to, see
//! [`Pool::ask_usage`](crate::Pool::ask_usage).
//!
//! A request that its caller signed for AWS, as boto3 does, is routed, too: like every key of a caller's
//! its signature is taken off, and `api_key_env` names the upstream's own, a Bedrock API key. See
//! [`Builder::replace_signatures`](crate::router::Builder::replace_signatures).
//!
//! Beside these, a target has a `weight` (1 unless given) where the policy is `weighted`; see
//! [`Target::weight`](crate::Target::weight). `valid_json` checks answers to requests in JSON mode, as
//! [`ValidJson::new`](crate::checks::ValidJson::new). The checks of a file are about form; those that
//! grade quality, and [`Pool::cascade_below`](crate::Pool::cascade_below), are for code. What they all
//! do is told in [`learning`](crate::guide::learning), and what a target takes in
//! [`fit`](crate::guide::fit).

mod address;
mod admin;
mod assemble;
mod error;
mod find;
mod headers;
mod key;
mod limits;
mod numbers;
mod schema;
mod secret;
mod settings;
mod store;
mod suggest;
mod telemetry;
mod upstream;
mod watch;

use std::{
    cell::RefCell,
    fmt,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::secret::Around;
#[allow(unused_imports, reason = "named by those who are handed one")]
pub(crate) use self::{
    admin::Admin,
    headers::{Headers, Trust, unreserved},
    key::ClientKey,
    limits::Limits,
    secret::Secret,
    store::Store,
    telemetry::Telemetry,
};
pub use self::{error::ConfigError, watch::Watch};
use crate::router::{self, Observe, OutcomeRouter, Upstream};

/// A call that has no answer by then begins no further attempt: time for two attempts that hang,
/// within the ten minutes that the official SDKs wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(540);

/// What a configuration file says, checked.
#[allow(dead_code, reason = "of some features alone")]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) headers: Headers,
    /// Where operators see what happens, unless that is switched off.
    pub(crate) admin: Option<Admin>,
    /// Where what was learned is kept, unless that is switched off.
    pub(crate) store: Option<Store>,
    pub(crate) telemetry: Telemetry,
    /// The keys that open the gateway; none: whoever can connect may call.
    pub(crate) keys: Vec<ClientKey>,
    /// What the file describes, to be looked at.
    pub(crate) router: OutcomeRouter,
    /// Builds the one that will serve.
    pub(crate) builder: router::Builder,
    pub(crate) observers: Vec<Arc<dyn Observe>>,
    pub(crate) deadline: Duration,
    pub(crate) default_upstream: Option<(Upstream, Connection)>,
    pub(crate) pass_unknown_models: bool,
    pub(crate) shadow_percent: f64,
    /// By pool and target.
    pub(crate) connections: Vec<(String, String, Connection)>,
    pub(crate) warnings: Vec<String>,
    /// The files that secrets were read from.
    pub(crate) files: Vec<PathBuf>,
}

/// How an upstream is connected to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) timeouts: Timeouts,
    pub(crate) http2: bool,
}

/// How long an upstream is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included. Default: 5 s, as the official SDKs.
    pub connect: Duration,
    /// For the head of an answer. Default: 4 min: an answer that is not streamed has its head only
    /// when it is complete, and a provider that hangs must be left while the caller still waits.
    pub attempt: Duration,
    /// Between two frames of the body. Default: 5 min: a model may think that long in silence.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(240),
            idle: Duration::from_secs(300),
        }
    }
}

impl Config {
    /// Reads a file. The secrets come from the environment.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or says something that cannot be.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let source = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::whole(&file, format!("cannot be read: {error}")))?;
        Self::parse(&file, &source, |variable| std::env::var(variable).ok())
    }

    /// Reads the text of a file. `variable` looks up an environment variable.
    ///
    /// # Errors
    ///
    /// If the text says something that cannot be. The error names `file` as its place.
    pub fn parse(
        file: &str,
        source: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let parsed = toml::from_str(source).map_err(|error| {
            if let Some((span, message)) = brackets(source, &error) {
                return ConfigError::at(file, source, Some(span), &message);
            }
            ConfigError::at(file, source, error.span(), error.message())
        })?;
        let around = Around {
            variable: &variable,
            folder: Path::new(file).parent().unwrap_or(Path::new("")),
            read: RefCell::default(),
        };
        assemble::assemble(parsed, &around).map_err(|fault| {
            let span = (!fault.span.is_empty()).then_some(fault.span);
            let key = span.as_ref().filter(|_| !fault.of_table);
            let key = key.and_then(|span| find::key_at(source, span.start));
            let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
            ConfigError::at(file, source, span, &format!("{key}{}", fault.message))
        })
    }

    /// Returns the address to listen on.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Returns a router as the file describes it, to be looked at. The one that serves is that of the
    /// [`Gateway`](crate::gateway::Gateway).
    #[must_use]
    pub fn router(&self) -> &OutcomeRouter {
        &self.router
    }

    /// Adds somebody who watches what the router does.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observe>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Starts with what another router has learned.
    #[must_use]
    pub fn learned(mut self, learned: router::Learned) -> Self {
        self.builder = self.builder.learned(learned);
        self
    }

    /// Returns the files beside the configuration itself that it was made of: those of secrets. Who
    /// loads it again when it changes watches them, too.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// Returns what a running gateway cannot change, by its name in the file.
    pub(crate) fn fixed(&self) -> Vec<(&'static str, String)> {
        let Limits {
            max_connections,
            first_byte_timeout,
            header_timeout,
            drain,
            ..
        } = &self.limits;
        let connections = (max_connections, first_byte_timeout, header_timeout, drain);
        vec![
            ("listen", self.listen.to_string()),
            ("hosts", format!("{:?}", self.hosts)),
            ("[limits] of connections", format!("{connections:?}")),
            ("[admin]", format!("{:?}", self.admin)),
            ("[store]", format!("{:?}", self.store)),
            ("[telemetry]", format!("{:?}", self.telemetry)),
        ]
    }

    /// Returns what is allowed but probably not meant.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("router", &self.router)
            .field("default_upstream", &self.default_upstream)
            .finish_non_exhaustive()
    }
}

/// Says what is wrong with a table where there may be several, and where it is: TOML marks those by
/// two brackets.
fn brackets(source: &str, error: &toml::de::Error) -> Option<(Range<usize>, String)> {
    if !(error.message().contains("duplicate key") || error.message().contains("a sequence")) {
        return None;
    }
    let mut start = 0;
    for line in source.split_inclusive('\n') {
        let text = line.trim_start();
        let name = text.strip_prefix('[').and_then(|it| it.split_once(']'));
        if let Some((name @ ("upstream" | "pool" | "pool.target" | "pool.targets"), _)) = name {
            let at = start + line.len() - text.len();
            let message = format!("there may be several: write [[{name}]], with two brackets");
            return Some((at..at + name.len() + 2, message));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
