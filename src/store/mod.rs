//! What was learned, beyond one process: kept over restarts, and shared between instances.
//!
//! * `FileStore` (feature `store`, module `snapshot`) keeps what a router has learned in a file of its own machine. Nothing
//!   in it is exchanged.
//! * [`Sharing`] lets a router learn together with those of other instances, through an
//!   [`OutcomeStore`]: [`MemoryStore`] within a process, `RedisStore` (feature `redis`) between processes
//!   and machines.
//!
//! The two go together: an instance that starts knows from its file what it knew itself, and within a
//! quarter of a second from the store what the others know of the last minutes. With neither, each router
//! starts with what is configured and learns for itself.
//!
//! No request waits for a disk or for a store.
//!
//! # What is shared
//!
//! What was seen in the last two and a half minutes, as counters: how attempts went and how long they
//! took, scores and checks of form by task, what was sent to each quota group, what was refused there and
//! what is left. A router takes it in as if it had seen it itself, at the pace at which such evidence
//! fades, and believes at most 200 samples of others beside its own. Besides: the waits that providers ask
//! for, at once; the right to probe, of which there is one in two seconds for each quota group; and reports
//! for the instance whose attempt they are of.
//!
//! Sessions, learned limits of what a target accepts, and prices are not shared. See the
//! [guide](crate::guide::fleet) for what this costs, and for what happens when a store fails.

#[cfg(feature = "redis")]
mod redis;
mod shared;
#[cfg(feature = "store")]
pub mod snapshot;

#[cfg(feature = "redis")]
pub use self::redis::{RedisConfigError, RedisStore, RedisStoreBuilder};
pub use self::shared::{
    Answer, Batch, Bucket, Cooldown, Exchanging, FleetState, Membership, MemoryStore, Note,
    OutcomeStore, Probe, Scope, Seen, Share, Sharing, StoreError, Totals,
};
#[cfg(feature = "store")]
pub use self::snapshot::{FileStore, Keeping, Opened, Writes};
