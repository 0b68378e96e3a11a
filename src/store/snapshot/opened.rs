use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    fault::Fault,
    file,
    format::Sections,
    keeping::{Counters, Keeper, Keeping},
    lock::Lock,
};
use crate::router::{Learned, OutcomeRouter, TargetSnapshot};

/// What a crash may lose; and seldom enough that a disk does not notice.
const INTERVAL: Duration = Duration::from_secs(10);
const SHORTEST: Duration = Duration::from_millis(100);
/// The section of what a router has learned.
const LEARNED: &str = "learned";

/// A file that keeps state over restarts; see the [module](crate::store::snapshot).
#[derive(Clone, Debug)]
#[must_use]
pub struct FileStore {
    path: PathBuf,
    interval: Duration,
}

impl FileStore {
    /// Names the file. Its folder is made when it is opened, if there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            interval: INTERVAL,
        }
    }

    /// Sets how often it is written, if something changed. Default: every 10 s; at least 100 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST);
        self
    }

    /// Reads what was kept, if there is something. Reads the disk: call it before serving, or on a
    /// thread that may wait.
    ///
    /// There is no error: what cannot be read is warned of, and starts cold.
    pub fn open(self) -> Opened {
        let path = self.path;
        let lock = file::make_folder(&path).and_then(|()| Lock::take(&path));
        let writes = Arc::<Counters>::default();
        let kept = file::read(&path);
        match &kept {
            Ok(Some(_)) => {
                tracing::info!(file = %path.display(), "state goes on from what was kept");
            }
            Ok(None) => {
                tracing::info!(file = %path.display(), "state starts cold: nothing was kept yet");
            }
            Err(fault) => {
                writes.count_refused();
                put_away(&path, fault, lock.is_ok());
            }
        }
        let (lock, trouble) = match lock {
            Ok(lock) => (Some(lock), None),
            Err(fault) => (None, Some(fault)),
        };
        if let Some(fault) = &trouble {
            tracing::warn!(
                file = %path.display(),
                "state is not kept over restarts for now: {fault}. \
                 Name another place as path in [store] where several run.",
            );
        }
        Opened {
            path,
            interval: self.interval,
            lock,
            trouble,
            kept: kept.ok().flatten().unwrap_or_default(),
            sections: Vec::new(),
            writes,
        }
    }
}

/// Warns of a file that is not believed, and puts it where it is not met again.
fn put_away(path: &Path, fault: &Fault, ours: bool) {
    let aside = (ours && fault.is_of_content()).then(|| file::set_aside(path));
    let file = path.display();
    match aside {
        Some(Ok(aside)) => tracing::warn!(
            %file, aside = %aside.display(), "state starts cold, what was kept is set aside: {fault}",
        ),
        Some(Err(error)) => tracing::warn!(
            %file, %error, "state starts cold, and what was kept cannot be set aside: {fault}",
        ),
        None => tracing::warn!(%file, "state starts cold: {fault}"),
    }
}

/// What was found in a [`FileStore`], and what is to be kept there.
#[must_use]
pub struct Opened {
    path: PathBuf,
    interval: Duration,
    lock: Option<Lock>,
    pub(super) trouble: Option<Fault>,
    kept: Sections,
    sections: Vec<Section>,
    writes: Arc<Counters>,
}

/// A part of the state, and where it comes from.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// Changes when the part does.
    pub(super) revision: Box<dyn Fn() -> u64 + Send + Sync>,
    pub(super) value: Box<dyn Fn() -> serde_json::Result<Box<RawValue>> + Send + Sync>,
}

impl Opened {
    /// Returns what a router had learned, for [`Builder::learned`](crate::router::Builder::learned).
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        let learned: Learned = self.section(LEARNED)?;
        if learned.is_of_this_version() {
            return Some(learned);
        }
        self.writes.count_refused();
        tracing::warn!(
            file = %self.path.display(),
            "what was learned starts cold: it was kept by another version",
        );
        None
    }

    /// Returns a section that was kept under a name. One that cannot be understood is warned of, and
    /// is as if it were not there.
    #[must_use]
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let kept = self.kept.get(name)?;
        serde_json::from_str(kept.get())
            .inspect_err(|error| {
                self.writes.count_refused();
                tracing::warn!(
                    file = %self.path.display(), section = name, %error,
                    "a part of the state starts cold: it cannot be understood",
                );
            })
            .ok()
    }

    /// Keeps what a router learns. The function returns the router that is in use, which may be
    /// another after a reload.
    pub fn keep_learned(self, router: impl Fn() -> OutcomeRouter + Send + Sync + 'static) -> Self {
        let router = Arc::new(router);
        let of = router.clone();
        self.keep(LEARNED, move || revision(&of()), move || router().learned())
    }

    /// Keeps another section under a name. It is written when `revision` returns another number than
    /// at the last writing. Both functions are called on a thread that may wait.
    pub fn keep<T: Serialize>(
        mut self,
        name: &'static str,
        revision: impl Fn() -> u64 + Send + Sync + 'static,
        value: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        self.sections.push(Section {
            name,
            revision: Box::new(revision),
            value: Box::new(move || to_raw_value(&value())),
        });
        self
    }

    /// Starts to write, in a task of its own.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(self) -> Keeping {
        let keeper = Keeper::new(
            self.path,
            self.lock,
            self.trouble,
            self.sections,
            self.writes,
        );
        Keeping::start(keeper, self.interval)
    }
}

impl fmt::Debug for Opened {
    /// Leaves out what was kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("path", &self.path)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// Returns a number that changes with what a router has learned.
fn revision(router: &OutcomeRouter) -> u64 {
    let snapshot = router.snapshot();
    let settled = snapshot.targets().map(TargetSnapshot::settled);
    let counts = &snapshot.counts;
    let learned = [snapshot.decisions, counts.reports, counts.forms];
    settled.chain(learned).fold(0, u64::wrapping_add)
}
