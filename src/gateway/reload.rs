use std::{path::PathBuf, time::SystemTime};

use tokio::sync::watch;

use super::Gateway;
use crate::config::{Config, Watch};

/// Keeps a gateway up with its configuration file: see [`run`](Self::run).
#[derive(Debug)]
pub struct Reload {
    watch: Watch,
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
        let (told, _) = watch::channel(Loaded {
            file: watch.path().to_owned(),
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
        loop {
            tokio::select! {
                () = self.watch.changed() => {}
                () = self.hangups.next() => {}
            }
            self.load(&gateway).await;
        }
    }

    async fn load(&mut self, gateway: &Gateway) {
        let file = self.watch.path().display().to_string();
        let error = match self.watch.load().await {
            Ok(config) => self.take(config, gateway).err(),
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

    fn take(&self, config: Config, gateway: &Gateway) -> Result<(), String> {
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        for (now, before) in config.fixed().iter().zip(&self.fixed) {
            if now != before {
                let (name, _) = now;
                tracing::warn!("{name} has changed: that takes effect after a restart");
            }
        }
        gateway
            .reload(config)
            .map_err(|error| format!("{}: {error}", self.watch.path().display()))
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
