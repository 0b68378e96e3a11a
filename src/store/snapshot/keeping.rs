use std::{
    future::{Future as _, poll_fn},
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::{fault::Fault, file, format::Sections, lock::Lock, opened::Section};

/// How long a disk may take for the last write, such as one beyond a network that is gone.
const LAST: Duration = Duration::from_secs(10);

/// State that is being kept. It is written a last time when this is [stopped](Self::stop), or dropped
/// while the runtime goes on.
#[derive(Debug)]
#[must_use = "it is written a last time when this is dropped"]
pub struct Keeping {
    /// Dropped to say that it is over.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    writes: Arc<Counters>,
}

/// How often state was written, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Writes {
    /// Snapshots written.
    pub done: u64,
    /// Snapshots that could not be written.
    pub failed: u64,
    /// Bytes of the last one written.
    pub bytes: u64,
    /// Snapshots, or parts of one, that were found at the start and not believed.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

impl Keeping {
    pub(super) fn start(keeper: Keeper, interval: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let writes = keeper.writes.clone();
        let task = tokio::spawn(keep(keeper, interval, stopped));
        Self { stop, task, writes }
    }

    /// Writes a last time what has changed. Waits for that, for up to 10 s.
    pub async fn stop(self) {
        drop(self.stop);
        if timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last state was not written in time");
        }
    }

    /// Returns how often it was written.
    #[must_use]
    pub fn writes(&self) -> Writes {
        self.writes.read()
    }

    /// Returns what tells how often it was written, for metrics.
    pub fn watch(&self) -> impl Fn() -> Writes + Send + Sync + 'static {
        let writes = self.writes.clone();
        move || writes.read()
    }
}

impl Counters {
    /// Counts what starts cold because it was not believed.
    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Writes {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Writes {
            done: load(&self.done),
            failed: load(&self.failed),
            bytes: load(&self.bytes),
            refused: load(&self.refused),
        }
    }
}

async fn keep(mut keeper: Keeper, interval: Duration, mut stop: oneshot::Receiver<()>) {
    let mut ticks = interval_at(Instant::now() + interval, interval);
    // After a slow write there is nothing to catch up on.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let last = poll_fn(|cx| match Pin::new(&mut stop).poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending => ticks.poll_tick(cx).map(|_| false),
        })
        .await;
        // One write at a time: it is waited for.
        let written = spawn_blocking(move || {
            keeper.write();
            keeper
        });
        match written.await {
            Ok(back) if !last => keeper = back,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(%error, "state is kept no more");
                return;
            }
        }
    }
}

/// What writes, and remembers how that went.
pub(super) struct Keeper {
    path: PathBuf,
    /// Present while nobody else may write.
    lock: Option<Lock>,
    sections: Vec<Section>,
    /// Of what was written last.
    revisions: Option<Vec<u64>>,
    /// What stood against the last write.
    trouble: Option<Fault>,
    writes: Arc<Counters>,
}

impl Keeper {
    pub(super) fn new(
        path: PathBuf,
        lock: Option<Lock>,
        trouble: Option<Fault>,
        sections: Vec<Section>,
        writes: Arc<Counters>,
    ) -> Self {
        let mut keeper = Self {
            path,
            lock,
            sections,
            revisions: None,
            trouble,
            writes,
        };
        if keeper.lock.is_some() {
            // What was read a moment ago need not be written.
            keeper.revisions = Some(keeper.revisions_now());
        }
        keeper
    }

    /// Writes what has changed. Says so where that fails in a new way, or works again.
    fn write(&mut self) {
        // Taken first: what changes meanwhile is written next time.
        let revisions = self.revisions_now();
        if self.revisions.as_ref() == Some(&revisions) {
            return;
        }
        let written = self.try_write();
        let file = self.path.display();
        match written {
            Ok(bytes) => {
                self.writes.done.fetch_add(1, Ordering::Relaxed);
                self.writes.bytes.store(bytes, Ordering::Relaxed);
                self.revisions = Some(revisions);
                if let Some(fault) = self.trouble.take() {
                    tracing::info!(%file, "state is kept again, after: {fault}");
                }
            }
            Err(fault) => {
                self.writes.failed.fetch_add(1, Ordering::Relaxed);
                if !self.trouble.as_ref().is_some_and(|it| it.is_like(&fault)) {
                    tracing::warn!(%file, "state was not kept, and is tried again: {fault}");
                }
                self.trouble = Some(fault);
            }
        }
    }

    fn try_write(&mut self) -> Result<u64, Fault> {
        // Whatever was wrong with the folder may be over.
        file::make_folder(&self.path)?;
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.path)?);
        }
        let values = self.sections.iter().map(|section| {
            let value = (section.value)().map_err(Fault::Json)?;
            Ok((section.name.to_owned(), value))
        });
        let values: Sections = values.collect::<Result<_, Fault>>()?;
        file::write(&self.path, &values)
    }

    fn revisions_now(&self) -> Vec<u64> {
        let sections = self.sections.iter();
        sections.map(|section| (section.revision)()).collect()
    }
}
