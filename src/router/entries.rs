use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use super::{
    Mode, NobodyFree, Score, Upstream, asking::Asking, beliefs::Beliefs, fit::Fit, pinned::Pinned,
    posted::Posted, price::Tariff,
};
use crate::{checks::Checks, policy::RoutingPolicy};

#[derive(Debug)]
pub(super) struct PoolEntry {
    pub(super) name: Arc<str>,
    pub(super) aliases: Vec<String>,
    pub(super) targets: Range<usize>,
    pub(super) policy: Arc<dyn RoutingPolicy>,
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
    pub(super) beliefs: Beliefs,
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
    pub(super) asking: Asking,
    pub(super) fit: Fit,
    pub(super) posted: Posted,
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

/// The targets of one upstream.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// How many are broken.
    pub(super) broken: AtomicU32,
    /// How often one has broken.
    pub(super) breaks: AtomicU32,
}
