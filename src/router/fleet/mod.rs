//! Several routers learn together: what one of them sees is told to the others in counters, and what
//! the others have told is taken in as if it had been seen here.
//!
//! Nothing in here talks to anybody. What happened since the last time is [taken](gather) by whoever
//! exchanges it, and what others tell is [handed in](absorb).

mod absorb;
mod counter;
mod gather;
mod lease;
mod names;
mod news;
mod strays;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

pub(crate) use self::{
    counter::{Counter, target_name},
    names::{Names, ScopeOf},
    strays::Stray,
};
pub(super) use self::{lease::Lease, news::GroupNews, strays::Report};
use self::{news::ScoreNews, strays::Strays};
use super::{OutcomeRouter, posted::nanos};

/// For how long after an exchange the others are there to ask.
const PRESENT: Duration = Duration::from_secs(1);

/// What a router has in common with others that use the same store.
pub(crate) struct Fleet {
    /// Names this router among the others. It is drawn, whatever the seed: two of the same name would take
    /// each other's evidence for their own.
    instance: u64,
    /// Somebody exchanges, or did.
    joined: AtomicBool,
    /// Until when the others count as there, in nanoseconds since the router's epoch.
    present_until: AtomicU64,
    /// Wakes whoever exchanges what cannot wait.
    wake: Notify,
    scores: Mutex<ScoreNews>,
    strays: Mutex<Strays>,
}

impl Fleet {
    pub(super) fn new() -> Self {
        Self {
            instance: RandomState::new().hash_one("instance"),
            joined: AtomicBool::new(false),
            present_until: AtomicU64::new(0),
            wake: Notify::new(),
            scores: Mutex::default(),
            strays: Mutex::default(),
        }
    }

    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Lets somebody exchange; one only, and once. Who began anew would not know what was told before, and
    /// would take it for that of others.
    pub(crate) fn join(&self) -> bool {
        !self.joined.swap(true, Ordering::Relaxed)
    }

    /// Waits until something has happened that others should know at once.
    pub(crate) async fn urgent(&self) {
        self.wake.notified().await;
    }

    fn wake(&self) {
        self.wake.notify_one();
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}

impl OutcomeRouter {
    /// Returns what it has in common with others, where it was built to share.
    pub(crate) fn fleet(&self) -> Option<&Fleet> {
        self.inner.lasting.fleet.as_deref()
    }

    /// Notes whether the others could be reached just now. While they can, probes wait for their leave.
    pub(crate) fn reached_others(&self, reached: bool, now: Instant) {
        if let Some(fleet) = self.fleet() {
            let until = if reached {
                nanos(self.inner.epoch, now + PRESENT)
            } else {
                0
            };
            fleet.present_until.store(until, Ordering::Relaxed);
        }
    }
}
