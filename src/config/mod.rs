//! A configuration file becomes a router.
//!
//! The format is TOML. Keys that are not known are refused, and every error says where in the file
//! it is and what was expected there. Secrets stand in environment variables, which the file names.
//!
//! ```
//! use tower_outcome::config::Config;
//!
//! let config = Config::parse(
//!     "outcome.toml",
//!     r#"
//!     [[upstream]]
//!     name = "openai"
//!     base_url = "https://api.openai.com/v1"
//!     api_key_env = "OPENAI_API_KEY"
//!
//!     [[pool]]
//!     name = "chat"
//!     targets = [
//!         { model = "gpt-4o", upstream = "openai" },
//!         { model = "gpt-4o-mini", upstream = "openai" },
//!     ]
//!     "#,
//!     |variable| (variable == "OPENAI_API_KEY").then(|| "secret".to_owned()),
//! )?;
//! assert!(config.router().knows("gpt-4o"));
//! # Ok::<(), tower_outcome::config::ConfigError>(())
//! ```

mod assemble;
mod error;
mod schema;
mod suggest;

use std::{net::SocketAddr, path::Path, time::Duration};

pub use self::error::ConfigError;
use crate::router::{OutcomeRouter, Upstream};

/// What a configuration file says, checked.
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) router: OutcomeRouter,
    pub(crate) deadline: Duration,
    pub(crate) default_upstream: Option<(Upstream, Timeouts)>,
    pub(crate) pass_unknown_models: bool,
    pub(crate) state_endpoint: bool,
    /// By pool and target.
    pub(crate) timeouts: Vec<(String, String, Timeouts)>,
    pub(crate) warnings: Vec<String>,
}

/// How long an upstream is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS excluded. Default: 5 s, as the official SDKs.
    pub connect: Duration,
    /// For the head of an answer. Default: 5 min: an answer that is not streamed has its head only
    /// when it is complete.
    pub attempt: Duration,
    /// Between two frames of the body. Default: 5 min: a model may think that long in silence.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            attempt: Duration::from_secs(300),
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
        let parsed = toml::from_str(source)
            .map_err(|error| ConfigError::at(file, source, error.span(), error.message()))?;
        assemble::assemble(parsed, &variable).map_err(|fault| {
            let span = (!fault.span.is_empty()).then_some(fault.span);
            ConfigError::at(file, source, span, &fault.message)
        })
    }

    /// Returns the address to listen on.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Returns the router.
    #[must_use]
    pub fn router(&self) -> &OutcomeRouter {
        &self.router
    }

    /// Returns what is allowed but probably not meant.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests;
