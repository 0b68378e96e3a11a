use std::sync::atomic::{AtomicU64, Ordering};

/// Places for sessions; a newer one takes the place of an older with the same remainder.
const PLACES: usize = 16_384;
const EMPTY: u64 = u64::MAX;

/// Remembers which target serves a session.
#[derive(Debug)]
pub(super) struct Sessions {
    /// The upper half of the session's key, and the lower half of the target's.
    places: Box<[AtomicU64]>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(EMPTY)).collect(),
        }
    }

    /// Returns the lower half of the key of the target that serves a session.
    pub(super) fn find(&self, key: u64) -> Option<u32> {
        let place = self.place(key)?.load(Ordering::Relaxed);
        (place >> 32 == key >> 32 && place != EMPTY).then_some(place as u32)
    }

    pub(super) fn remember(&self, key: u64, target: u64) {
        if let Some(place) = self.place(key) {
            place.store(
                key >> 32 << 32 | target & u64::from(u32::MAX),
                Ordering::Relaxed,
            );
        }
    }

    fn place(&self, key: u64) -> Option<&AtomicU64> {
        self.places.get(key as usize % PLACES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_until_another_takes_its_place() {
        let sessions = Sessions::new();
        let key = 0xABCD_0000_0000_0007;
        assert_eq!(sessions.find(key), None);
        sessions.remember(key, 3);
        assert_eq!(sessions.find(key), Some(3));
        assert_eq!(sessions.find(key ^ 1 << 40), None, "another with its place");
        sessions.remember(key ^ 1 << 40, 4);
        assert_eq!(sessions.find(key), None);
    }
}
