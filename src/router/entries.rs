use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{
    Mode, NobodyFree, Score, Upstream,
    asking::Asking,
    beliefs::Beliefs,
    credential::CredentialState,
    fit::Fit,
    group::Group,
    pinned::Pinned,
    posted::{Number, Posted},
    price::Tariff,
    stripes::Padded,
    upstream::Credential,
};
use crate::{checks::Checks, policy::RoutingPolicy};

#[derive(Debug)]
pub(super) struct PoolEntry {
    /// Names it in all instances that share.
    pub(super) scope: u64,
    pub(super) name: Arc<str>,
    pub(super) aliases: Vec<String>,
    pub(super) targets: Range<usize>,
    pub(super) policy: Arc<dyn RoutingPolicy>,
    /// The mode that it was built with.
    pub(super) configured_mode: Mode,
    pub(super) mode: AtomicU8,
    pub(super) pinned: Pinned,
    pub(super) nobody_free: NobodyFree,
    pub(super) upgrade: bool,
    pub(super) hold_back: bool,
    pub(super) compressed: bool,
    pub(super) derive_sessions: bool,
    pub(super) ask_usage: bool,
    pub(super) cost_weight: f64,
    pub(super) objective: Option<Duration>,
    pub(super) preference: Option<f64>,
    /// What its targets were expected to be worth, before anything was known of them.
    pub(super) expected: Vec<Option<f64>>,
    pub(super) beliefs: Arc<Beliefs>,
    pub(super) checks: Option<Checks>,
    pub(super) cascade: Option<Score>,
    /// Whether its targets cannot all read each other's state.
    pub(super) groups_differ: bool,
    /// Whether somebody cares if a request holds images: it takes a look at its messages.
    pub(super) images_matter: AtomicBool,
}

impl PoolEntry {
    pub(super) fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Relaxed) {
            0 => Mode::Route,
            1 => Mode::Observe,
            _ => Mode::Off,
        }
    }
}

pub(super) fn mode_to_u8(mode: Mode) -> u8 {
    match mode {
        Mode::Route => 0,
        Mode::Observe => 1,
        Mode::Off => 2,
    }
}

#[derive(Debug)]
pub(super) struct TargetEntry {
    /// Names it the same in all routers that follow each other.
    pub(super) key: u64,
    /// Names it in all instances that share.
    pub(super) shared_name: u64,
    pub(super) name: Arc<str>,
    pub(super) model: Arc<str>,
    pub(super) pool: usize,
    pub(super) rank: usize,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) group: usize,
    pub(super) slot: usize,
    pub(super) credential: Option<usize>,
    /// Which upstream it belongs to: targets of one share suspicion.
    pub(super) provider: usize,
    pub(super) price: Tariff,
    pub(super) objective: Option<Duration>,
    pub(super) preference: Option<f64>,
    pub(super) weight: f64,
    pub(super) drained: AtomicBool,
    pub(super) asking: Arc<Asking>,
    pub(super) fit: Fit,
    pub(super) posted: Arc<Posted>,
}

impl TargetEntry {
    pub(super) fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }
}

/// What a requested model means.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) index: u32,
    pub(super) text: Arc<str>,
    pub(super) pool: usize,
    pub(super) rank: usize,
    pub(super) alias: bool,
}

/// The targets that share a provider's limit.
#[derive(Clone, Debug)]
pub(super) struct GroupEntry {
    /// Names it in all instances that share.
    pub(super) scope: u64,
    pub(super) key: GroupKey,
    /// The targets that share it.
    pub(super) targets: Vec<usize>,
    pub(super) shared: Arc<SharedGroup>,
}

/// Which limit it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GroupKey {
    Named(String),
    Own {
        upstream: Option<String>,
        credential: Option<Credential>,
        model: String,
    },
}

impl GroupKey {
    /// Returns whether the two differ in nothing but the credential.
    pub(super) fn is_twin(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Own {
                    upstream, model, ..
                },
                Self::Own {
                    upstream: of_other,
                    model: other,
                    ..
                },
            ) => upstream == of_other && model == other,
            _ => false,
        }
    }
}

/// What is known of a group. Routers that follow each other have it in common.
#[derive(Debug)]
pub(super) struct SharedGroup {
    /// Up to how many tokens a request has room for; 0 where there is more to say.
    pub(super) room: Padded<Number>,
    pub(super) group: Padded<Mutex<Group>>,
}

impl GroupEntry {
    pub(super) fn new(scope: u64, key: GroupKey, group: Group) -> Self {
        let shared = Arc::new(SharedGroup {
            room: Padded(Number::new(0.0)),
            group: Padded(Mutex::new(group)),
        });
        Self {
            scope,
            key,
            targets: Vec::new(),
            shared,
        }
    }
}

/// A credential of some targets.
#[derive(Clone, Debug)]
pub(super) struct CredentialEntry {
    pub(super) credential: Credential,
    pub(super) state: Arc<CredentialState>,
}

impl CredentialEntry {
    pub(super) fn new(credential: Credential) -> Self {
        let state = Arc::new(CredentialState::new());
        Self { credential, state }
    }
}

/// An upstream of some targets; `None` is the caller's own.
#[derive(Clone, Debug)]
pub(super) struct ProviderEntry {
    pub(super) key: Option<String>,
    pub(super) around: Arc<Around>,
}

impl ProviderEntry {
    pub(super) fn new(key: Option<String>) -> Self {
        let around = Arc::default();
        Self { key, around }
    }
}

/// How the targets of one upstream are.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// How many are broken.
    pub(super) broken: AtomicU32,
    /// How often one has broken.
    pub(super) breaks: AtomicU32,
}
