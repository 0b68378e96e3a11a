use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::StoreError;

/// What is returned by a store that works on something.
pub type Exchanging<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place where instances meet: it adds up what they count, hands out the right to probe, and keeps
/// cooldowns and notes for a while.
///
/// It knows nothing of what is counted. It is asked by one task, never by a request, and whoever asks
/// gives up after a time of its own: a future that is dropped must leave the store as it was before or
/// as it is after, and usable. Bucket numbers and spans go by the store's own clock, so that those of
/// the instances do not matter.
///
/// What comes from a store is checked by whoever asked: an implementation need not judge values that
/// others put there, but must not panic on them.
pub trait OutcomeStore: fmt::Debug + Send + Sync + 'static {
    /// Takes in a batch, and returns what all instances have brought.
    ///
    /// What the batch adds counts once, however often it is repeated: shares with a sequence number that
    /// this instance has brought before are not added again, and the answer says where they went then.
    ///
    /// # Errors
    ///
    /// If the store cannot be reached, refuses, or makes no sense. What was asked may have been done.
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>>;

    /// Waits for a cooldown that another instance has announced, and returns it. Stays pending where a
    /// store cannot tell by itself: it is then met in the next exchange.
    fn heard(&self) -> Exchanging<'_, Cooldown> {
        Box::pin(std::future::pending())
    }

    /// Returns what kind of store this is, in a word or two, for logs and pages.
    fn kind(&self) -> &'static str;
}

/// What counters belong to: a pool or a quota group, named by a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(u64);

/// What one instance brings to an exchange, and asks for.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Batch {
    /// Names the instance among those that are there.
    pub instance: u64,
    /// Rises with every batch of the instance that adds anything; that of a repeated batch stays.
    pub sequence: u64,
    /// A share for every scope that the instance serves, also where it adds nothing.
    pub shares: Vec<Share>,
    /// Waits that providers have asked for since the last batch. A store lengthens them only.
    pub cooldowns: Vec<Cooldown>,
    /// Quota groups that this instance would probe now.
    pub probes: Vec<Scope>,
    /// What is for other instances.
    pub notes: Vec<Note>,
}

/// What a batch brings to one scope.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// What the counters belong to.
    pub scope: Scope,
    /// By how much counters rise. A name has at most 48 bytes of printable ASCII.
    pub added: Vec<(Box<str>, u64)>,
    /// The newest bucket that the instance has seen. Older ones than that before it are not asked for,
    /// nor is itself if it has not changed.
    pub seen: Option<Seen>,
}

/// How far an instance has seen the counters of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The number of a bucket.
    pub bucket: u64,
    /// Its version, as it was.
    pub version: u64,
}

/// A wait that a provider has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cooldown {
    /// The quota group that is to be left alone.
    pub group: Scope,
    /// For how long from now on; an hour at most.
    pub lasts: Duration,
}

/// A message from one instance to another. It is kept for a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Note {
    /// The low half of the number of the instance that it is for.
    pub to: u32,
    /// At most 128 bytes of printable ASCII.
    pub text: Box<str>,
}

/// What a store returns for a batch.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The number of the bucket that is filled now. Each spans ten seconds of the store's clock.
    pub bucket: u64,
    /// Instances that have exchanged within the last minute, this one included.
    pub instances: u32,
    /// The counters of the scopes that were asked for.
    pub totals: Vec<Totals>,
    /// What is left of the cooldowns of those of the scopes that are quota groups.
    pub cooldowns: Vec<Cooldown>,
    /// Who may probe, of the quota groups that the instance would probe.
    pub probes: Vec<Probe>,
    /// What others have written to this instance. Each note is handed out once.
    pub notes: Vec<Box<str>>,
}

/// The counters of one scope.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// What they belong to.
    pub scope: Scope,
    /// The bucket that took what the batch added, now or when it came first.
    pub added_to: Option<u64>,
    /// Buckets that the instance has not seen as they are now, the oldest first.
    pub buckets: Vec<Bucket>,
}

/// What all instances have counted in ten seconds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Bucket {
    /// Its number.
    pub number: u64,
    /// Changes with every change of it.
    pub version: u64,
    /// All of its counters.
    pub counters: Vec<(Box<str>, u64)>,
}

/// Who may probe a quota group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The group.
    pub group: Scope,
    /// Whether it is the instance that asked.
    pub granted: bool,
    /// For how long nobody else may: two seconds from when it was granted.
    pub lasts: Duration,
}

impl Scope {
    /// Names a scope.
    #[must_use]
    pub const fn new(hash: u64) -> Self {
        Self(hash)
    }

    /// Returns the hash that names it.
    #[must_use]
    pub const fn hash(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({self})")
    }
}

impl Batch {
    /// Creates a batch that adds and asks nothing.
    #[must_use]
    pub fn new(instance: u64, sequence: u64) -> Self {
        Self {
            instance,
            sequence,
            ..Self::default()
        }
    }
}

impl Share {
    /// Creates a share.
    #[must_use]
    pub fn new(scope: Scope, added: Vec<(Box<str>, u64)>, seen: Option<Seen>) -> Self {
        Self { scope, added, seen }
    }
}

impl Seen {
    /// Creates what was seen.
    #[must_use]
    pub const fn new(bucket: u64, version: u64) -> Self {
        Self { bucket, version }
    }
}

impl Cooldown {
    /// Creates a cooldown.
    #[must_use]
    pub const fn new(group: Scope, lasts: Duration) -> Self {
        Self { group, lasts }
    }
}

impl Note {
    /// Creates a note.
    #[must_use]
    pub fn new(to: u32, text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        Self { to, text }
    }
}

impl Totals {
    /// Creates the totals of a scope.
    #[must_use]
    pub fn new(scope: Scope, added_to: Option<u64>, buckets: Vec<Bucket>) -> Self {
        Self {
            scope,
            added_to,
            buckets,
        }
    }
}

impl Bucket {
    /// Creates a bucket.
    #[must_use]
    pub fn new(number: u64, version: u64, counters: Vec<(Box<str>, u64)>) -> Self {
        Self {
            number,
            version,
            counters,
        }
    }
}

impl Probe {
    /// Creates the answer to who may probe.
    #[must_use]
    pub const fn new(group: Scope, granted: bool, lasts: Duration) -> Self {
        Self {
            group,
            granted,
            lasts,
        }
    }
}
