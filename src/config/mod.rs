//! A configuration file becomes a router.
//!
//! The format is TOML. Keys that are not known are refused, and every error says where in the file
//! it is and what was expected there. Secrets stand in environment variables or in files of their own,
//! which the file names.
//!
//! ```
//! use tower_outcome::config::Config;
//!
//! // `Config::load` reads a file and the environment.
//! let config = Config::parse("gateway.toml", Config::EXAMPLE, |variable| {
//!     (variable == "OPENAI_API_KEY").then(|| "secret".to_owned())
//! })?;
//! assert!(config.router().knows("gpt-4o"));
//! assert_eq!(config.warnings().count(), 0);
//! # Ok::<(), tower_outcome::config::ConfigError>(())
//! ```
//!
//! The example has every key that there is; `outcome-gateway example` prints it:
//!
//! ```toml
#![doc = include_str!("example.toml")]
//! ```
//!
//! With no file at all, the keys in the environment are enough to start: see
//! [`Config::source_for`].
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
mod describe;
mod environment;
mod error;
mod find;
mod fleet;
mod headers;
mod key;
mod limits;
pub mod litellm;
mod numbers;
mod schema;
mod secret;
mod settings;
mod store;
mod suggest;
mod telemetry;
mod upstream;
mod watch;
mod words;

use std::{
    cell::RefCell,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use self::secret::Around;
pub(crate) use self::{
    admin::Admin,
    fleet::Fleet,
    headers::{Headers, Trust, unreserved},
    key::ClientKey,
    limits::Limits,
    store::Store,
    telemetry::Telemetry,
};
pub use self::{error::ConfigError, watch::Watch};
use crate::router::{self, Observe, OutcomeRouter, Upstream};

/// A call that has no answer by then begins no further attempt: time for two attempts that hang,
/// within the ten minutes that the official SDKs wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(540);

/// What a configuration file says, checked.
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) hosts: Vec<String>,
    pub(crate) limits: Limits,
    pub(crate) headers: Headers,
    /// Where operators see what happens, unless that is switched off.
    pub(crate) admin: Option<Admin>,
    /// Where what was learned is kept, unless that is switched off.
    pub(crate) store: Option<Store>,
    /// Through what instances share it, if they do.
    pub(crate) fleet: Option<Fleet>,
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
    /// Of the targets, in declared order.
    places: Vec<Place>,
    pub(crate) warnings: Vec<String>,
    /// The files that secrets were read from.
    pub(crate) files: Vec<PathBuf>,
}

/// Where a target's requests go, in words.
#[derive(Debug)]
struct Place {
    pool: String,
    /// The name of the upstream, and its URL.
    upstream: String,
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
    /// A file with every key that there is, and what it is for.
    pub const EXAMPLE: &str = include_str!("example.toml");

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
        let around = Around {
            variable: &variable,
            folder: Path::new(file).parent().unwrap_or(Path::new("")),
            read: RefCell::default(),
        };
        let parsed = toml::from_str(source).map_err(|error| words::fault(source, &error));
        let config = parsed.and_then(|parsed| assemble::assemble(parsed, &around));
        config.map_err(|fault| ConfigError::new(file, source, fault).looked_for(around.read.take()))
    }

    /// Writes a file for those who have none: a pool for each provider whose key is in the
    /// environment, under its usual name. `variable` looks a variable up. The file names it; the key
    /// stands nowhere in it.
    ///
    /// What a single provider does not serve by a pool is passed to it; with several, nothing would
    /// tell to which.
    ///
    /// ```
    /// use tower_outcome::config::Config;
    ///
    /// let variable = |name: &str| (name == "ANTHROPIC_API_KEY").then(|| "secret".to_owned());
    /// let source = Config::source_for(variable)?;
    /// assert!(source.contains("api_key_env = \"ANTHROPIC_API_KEY\""));
    /// let config = Config::parse("(environment)", &source, variable)?;
    /// assert!(config.router().knows("anthropic"));
    /// # Ok::<(), tower_outcome::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If there is no key. The error says which are looked for.
    pub fn source_for(variable: impl Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
        environment::source(variable)
    }

    /// Returns the JSON Schema (2020-12) of the file, for editors.
    #[must_use]
    pub fn schema() -> String {
        format!("{:#}\n", schema::json_schema())
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

    /// Lets the router name pools, targets and tasks by hashes with a secret, so that a gateway can
    /// [share](crate::gateway::Gateway::share) through a store of yours what it learns; as
    /// [`Builder::shared`](crate::router::Builder::shared). A file with a `url` under `[store]` has done
    /// so already, with the secret that it names.
    #[must_use]
    pub fn shared(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.builder = self.builder.shared(secret);
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
        let token = self.admin.as_ref().and_then(|admin| admin.token.as_ref());
        let hash = |token: &secret::Secret| {
            let mut hasher = DefaultHasher::new();
            token.expose().hash(&mut hasher);
            hasher.finish()
        };
        vec![
            ("listen", self.listen.to_string()),
            ("hosts", format!("{:?}", self.hosts)),
            ("[limits] of connections", format!("{connections:?}")),
            ("[admin]", format!("{:?}", self.admin)),
            // By its hash: nobody can show what is not there.
            ("the token of [admin]", format!("{:?}", token.map(hash))),
            ("[store]", format!("{:?} {:?}", self.store, self.fleet)),
            (
                "a secret of [store]",
                format!("{:?}", self.fleet.as_ref().map(Fleet::stamp)),
            ),
            ("[telemetry]", format!("{:?}", self.telemetry)),
        ]
    }

    /// Says in words what it means: what listens where, who may call, and who serves what.
    pub fn describe(&self) -> impl fmt::Display {
        describe::Description(self)
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

#[cfg(test)]
mod tests;
