//! What one instance has learned is known to all.

mod error;
mod exchange;
mod link;
mod memory;
mod sharing;

pub use self::{
    error::StoreError,
    exchange::{
        Answer, Batch, Bucket, Cooldown, Exchanging, Note, OutcomeStore, Probe, Scope, Seen, Share,
        Totals,
    },
    memory::MemoryStore,
    sharing::{FleetState, Membership, Sharing},
};
