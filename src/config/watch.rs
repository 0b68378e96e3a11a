use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{Config, ConfigError};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Watches a configuration file, and those of the secrets that it names, for changes.
///
/// The files are looked at every second, which works on every file system, through symbolic links,
/// and however a file is written or replaced. A change is taken in once nothing has changed for a
/// second more, so that a file that is being written is not read half-way.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
}

/// What changes where a file does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    File {
        modified: Option<SystemTime>,
        len: u64,
        /// Tells a file from the one that replaces it.
        number: u64,
    },
    Absent(io::ErrorKind),
}

impl Watch {
    /// Starts to watch the file at `path`, of which `config` was made.
    pub fn new(path: impl Into<PathBuf>, config: &Config) -> Self {
        let path = path.into();
        let files: Vec<_> = config.files().map(Path::to_owned).collect();
        let seen = stamps(&path, &files);
        Self { path, files, seen }
    }

    /// Returns the path of the configuration file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the file, or one of those that it names, has changed. Nothing is lost where this
    /// is dropped.
    pub async fn changed(&mut self) {
        let mut tick = interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.seen.clone();
        loop {
            tick.tick().await;
            let (path, files) = (self.path.clone(), self.files.clone());
            let Ok(now) = spawn_blocking(move || stamps(&path, &files)).await else {
                continue;
            };
            let settled = now == last;
            if settled && now != self.seen {
                self.seen = now;
                return;
            }
            last = now;
        }
    }

    /// Reads the file again, whether it has changed or not.
    ///
    /// # Errors
    ///
    /// As [`Config::load`]; it goes on being watched.
    pub async fn load(&mut self) -> Result<Config, ConfigError> {
        let (path, files) = (self.path.clone(), self.files.clone());
        let loaded = spawn_blocking(move || {
            // What changes while it is read is a change to come.
            let seen = stamps(&path, &files);
            (Config::load(path), seen)
        });
        let (loaded, seen) = loaded.await.unwrap_or_else(|error| {
            let file = self.path.display().to_string();
            let error = ConfigError::whole(&file, error.to_string());
            (Err(error), self.seen.clone())
        });
        self.seen = seen;
        let files = match &loaded {
            Ok(config) => config.files().map(Path::to_owned).collect(),
            // Those of the configuration that serves, and those that the other one lacks.
            Err(error) => {
                let mut files = self.files.clone();
                let more = error
                    .files()
                    .filter(|file| !self.files.iter().any(|it| it == file));
                files.extend(more.map(Path::to_owned));
                files
            }
        };
        if files != self.files {
            self.files = files;
            self.seen = stamps(&self.path, &self.files);
        }
        loaded
    }
}

fn stamps(path: &Path, files: &[PathBuf]) -> Vec<Stamp> {
    let files = files.iter().map(PathBuf::as_path);
    std::iter::once(path).chain(files).map(stamp).collect()
}

fn stamp(path: &Path) -> Stamp {
    match path.metadata() {
        Ok(metadata) => Stamp::File {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            number: number(&metadata),
        },
        Err(error) => Stamp::Absent(error.kind()),
    }
}

#[cfg(unix)]
fn number(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &std::fs::Metadata) -> u64 {
    0
}
