use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use tokio::sync::broadcast;

use super::event::Event;
use crate::router::Decision;

/// So many are kept.
const KEPT: usize = 200;
/// So many are told in a second, and the first of its kind for each pair of targets beside: nobody
/// reads more.
const PER_SECOND: u64 = 20;
/// For so long, in milliseconds, the next of its kind is not the first.
const KIND: u64 = 10_000;
/// So far may a viewer lag behind.
const BEHIND: usize = 256;

/// A decision that left the requested model.
#[derive(Clone, Debug, Serialize)]
pub(in crate::gateway) struct Left {
    /// The outcome's id.
    pub(super) id: String,
    /// In seconds since 1970.
    pub(super) at: f64,
    pub(super) pool: String,
    pub(super) from: String,
    pub(super) to: String,
    /// What stood against the requested one.
    pub(super) kind: &'static str,
    /// All that in words, times in UTC.
    pub(super) text: String,
    /// Until when that is so, in seconds since 1970.
    pub(super) until: Option<f64>,
    pub(super) attempt: u32,
    /// Whether the whole decision was kept.
    pub(super) explained: bool,
}

/// The last decisions that left the requested model, and whoever wants to hear of them.
#[derive(Debug)]
pub(super) struct Decisions {
    kept: Mutex<VecDeque<Arc<Kept>>>,
    events: broadcast::Sender<Event>,
    /// How many were told in this second: the second, times a thousand, and how many.
    told: AtomicU64,
}

/// One of them, with its reasons.
#[derive(Debug)]
pub(in crate::gateway) struct Kept {
    pub(in crate::gateway) left: Left,
    pub(in crate::gateway) decision: Arc<Decision>,
}

impl Decisions {
    pub(super) fn new() -> Self {
        Self {
            kept: Mutex::default(),
            events: broadcast::channel(BEHIND).0,
            told: AtomicU64::new(0),
        }
    }

    /// Returns whether one more is told now. `told` has the kinds that were told lately of this pair of
    /// targets.
    pub(super) fn admits(&self, told: Option<&AtomicU64>, bit: u32, millis: u64) -> bool {
        told.is_some_and(|told| is_first(told, bit, millis)) || self.has_room(millis / 1000)
    }

    fn has_room(&self, second: u64) -> bool {
        let begun = second * 1000;
        let next = |told: u64| {
            // Of another second, whichever way the clock went.
            let count = told.checked_sub(begun).filter(|count| *count < 1000);
            let count = count.unwrap_or(0);
            (count < PER_SECOND).then_some(begun + count + 1)
        };
        let order = Ordering::Relaxed;
        self.told.fetch_update(order, order, next).is_ok()
    }

    pub(super) fn keep(&self, left: Left, decision: Arc<Decision>) {
        let event = Event::json("decision", &left);
        {
            let mut kept = self.lock();
            if kept.len() >= KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::new(Kept { left, decision }));
        }
        self.send(event);
    }

    /// Tells all viewers something.
    pub(super) fn send(&self, event: Event) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Returns those that are kept, the newest first.
    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        self.lock().iter().rev().cloned().collect()
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Kept>> {
        self.lock()
            .iter()
            .rev()
            .find(|kept| kept.left.id == id)
            .cloned()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a kind was told. Returns whether it is the first of its kind for a while.
fn is_first(told: &AtomicU64, bit: u32, millis: u64) -> bool {
    let stretch = (millis / KIND) << 32;
    let kind = 1 << (bit % 32);
    let next = |told: u64| {
        let kinds = if told & !0xFFFF_FFFF == stretch {
            told & 0xFFFF_FFFF
        } else {
            0
        };
        (kinds & kind == 0).then_some(stretch | kinds | kind)
    };
    let order = Ordering::Relaxed;
    told.fetch_update(order, order, next).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_are_told_in_a_second_and_the_first_of_each_kind_beside() {
        let decisions = Decisions::new();
        let told = AtomicU64::new(0);
        let admitted = |bit, millis| {
            let admitted = (0..100).filter(|_| decisions.admits(Some(&told), bit, millis));
            admitted.count()
        };
        assert_eq!(admitted(3, 50_000), 21);
        assert_eq!(admitted(3, 50_900), 0);
        assert_eq!(admitted(4, 50_950), 1);
        assert_eq!(admitted(4, 51_000), 20);
        assert_eq!(admitted(3, 60_000), 21);
        // A clock that was set back does not silence it.
        assert_eq!(admitted(3, 1_000), 21);
        assert_eq!(
            (0..100)
                .filter(|_| decisions.admits(None, 0, 61_000))
                .count(),
            20
        );
    }
}
