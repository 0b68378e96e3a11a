//! What was learned outlives the process: a snapshot in a file.
//!
//! [`FileStore`] names the file. [`open`](FileStore::open) reads what an earlier process left there;
//! [`start`](Opened::start) writes it anew every few seconds in which something changed, and
//! [`stop`](Keeping::stop) a last time. Nothing waits for the disk but the task that does this.
//!
//! # When
//!
//! Wherever a router lives longer than its process should: without it, each restart begins with what
//! was configured. It is for one process; what is exchanged between several is none of its matter.
//!
//! # What is promised
//!
//! * A process that is killed in mid-write leaves the old snapshot or the new one, whole: it is
//!   written beside the old, synced, and renamed onto it. What is lost is what came after the old one
//!   was begun: one interval, and as long as the write that was under way took.
//! * A file that is not whole, not ours, of another version, or too large is never believed, not
//!   even in part: what it held starts cold, a warning says what was wrong and where, and the file is
//!   kept aside with `.bad` after its name, the latest of them.
//! * Two processes do not overwrite each other: the second warns, and takes over when the first has
//!   ended.
//! * A disk that is full or read-only costs no request anything. It is warned of once, counted, and
//!   tried again.
//! * The file belongs to its user alone. A symbolic link in its place is neither read nor replaced.
//!
//! The file is one line that says what it is, how long, and with which checksum, then a JSON object
//! of [sections](Opened::keep): what was learned is one, and other parts may add theirs.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("outcome-store-doc-{}", std::process::id()));
//! use tower_outcome::{OutcomeRouter, store::FileStore};
//!
//! let opened = FileStore::new(folder.join("state")).open();
//! let mut router = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini");
//! if let Some(learned) = opened.learned() {
//!     router = router.learned(learned);
//! }
//! let router = router.build()?;
//! let kept = router.clone();
//! let keeping = opened.keep_learned(move || kept.clone()).start();
//! // ... serve ...
//! # drop(router.pick_at(&tower_outcome::PickRequest::new("gpt-4o"), router.now())?);
//! keeping.stop().await;
//! assert!(folder.join("state").exists());
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(())
//! # }
//! ```

mod fault;
mod file;
mod format;
mod keeping;
mod lock;
mod opened;

pub use self::{
    keeping::{Keeping, Writes},
    opened::{FileStore, Opened},
};

#[cfg(test)]
mod tests;
