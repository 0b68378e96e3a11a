use std::{path::PathBuf, time::SystemTime};

use tokio::sync::watch;

use super::Gateway;
use crate::config::{Config, ConfigError, Watch};

/// Keeps a gateway up with its configuration file: see [`run`](Self::run).
#[derive(Debug)]
pub struct Reload {
    /// Nothing where there is no file.
    watch: Option<Watch>,
    /// What a restart alone changes, as it was at the start.
    fixed: Vec<(&'static str, String)>,
    told: watch::Sender<Loaded>,
    hangups: Hangups,
}

/// What came of the latest attempt to load the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// The file.
    pub file: PathBuf,
    /// When what serves now was loaded.
    pub at: SystemTime,
    /// How often it was loaded anew since the start.
    pub reloads: u64,
    /// Why the file that is there now was not taken; `None` where it is what serves.
    pub error: Option<String>,
}

impl Reload {
    /// Begins to watch `file`, of which `config` was made, and to take SIGHUP for a wish to have it
    /// loaded: before, it ends the process.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(file: impl Into<PathBuf>, config: &Config) -> Self {
        let watch = Watch::new(file, config);
        let path = watch.path().to_owned();
        Self::of(Some(watch), path, config)
    }

    /// Begins with a configuration that was made of something else than a file, such as the
    /// environment, which `name` names: nothing is ever loaded, and SIGHUP ends nothing.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn without_file(name: impl Into<PathBuf>, config: &Config) -> Self {
        Self::of(None, name.into(), config)
    }

    fn of(watch: Option<Watch>, file: PathBuf, config: &Config) -> Self {
        let (told, _) = watch::channel(Loaded {
            file,
            at: config.router().wall(),
            reloads: 0,
            error: None,
        });
        Self {
            fixed: config.fixed(),
            watch,
            told,
            hangups: Hangups::new(),
        }
    }

    /// Returns what tells of every load.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Loaded> {
        self.told.subscribe()
    }

    /// Lets `gateway` go on with the file as it is whenever that changes, and on SIGHUP, for ever. A
    /// file that cannot be is told loudly, and leaves what serves as it is.
    pub async fn run(mut self, gateway: Gateway) {
        let Some(mut watch) = self.watch.take() else {
            loop {
                self.hangups.next().await;
                tracing::warn!("there is no file to load anew: all goes on as before");
            }
        };
        loop {
            tokio::select! {
                () = watch.changed() => {}
                () = self.hangups.next() => {}
            }
            let loaded = watch.load().await;
            let file = watch.path().display().to_string();
            self.take(loaded, &file, &gateway);
        }
    }

    fn take(&self, loaded: Result<Config, ConfigError>, file: &str, gateway: &Gateway) {
        let error = match loaded {
            Ok(config) => self.go_on(config, gateway).err(),
            Err(error) => Some(error.to_string()),
        };
        match &error {
            None => tracing::info!("loaded {file} anew"),
            Some(error) => {
                tracing::error!("NOT loaded, all goes on as before: {error}");
            }
        }
        let now = gateway.router().wall();
        self.told.send_modify(|loaded| {
            if error.is_none() {
                loaded.at = now;
                loaded.reloads += 1;
            }
            loaded.error = error;
        });
    }

    fn go_on(&self, config: Config, gateway: &Gateway) -> Result<(), String> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        for (now, before) in config.fixed().iter().zip(&self.fixed) {
            if now != before {
                let (name, _) = now;
                tracing::warn!("{name} has changed: that takes effect after a restart");
            }
        }
        let file = self.told.borrow().file.display().to_string();
        gateway
            .reload(config)
            .map_err(|error| format!("{file}: {error}"))
    }
}

/// SIGHUP, where there is such a thing.
#[derive(Debug)]
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup());
        let signal = signal.inspect_err(|error| {
            tracing::warn!(%error, "SIGHUP cannot be listened to");
        });
        Self {
            signal: signal.ok(),
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal {
            signal.recv().await;
            return;
        }
        std::future::pending::<()>().await;
    }
}
