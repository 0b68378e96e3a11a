use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The memory that the bodies of all requests may take together.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    all: usize,
    left: Arc<AtomicUsize>,
}

/// What one request takes of it. Given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    left: Arc<AtomicUsize>,
    bytes: usize,
}

/// There is not as much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            all: bytes,
            left: Arc::new(AtomicUsize::new(bytes)),
        }
    }

    /// Returns whether it began with as much.
    pub(super) fn is_of(&self, bytes: usize) -> bool {
        self.all == bytes
    }

    /// Starts a share with nothing.
    pub(super) fn share(&self) -> Share {
        Share {
            left: self.left.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// Takes as much more, or gives as much back, as makes it this large.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        if let Some(surplus) = self.bytes.checked_sub(bytes) {
            self.left.fetch_add(surplus, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            self.left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(more)
                })
                .map_err(|_| Exhausted)?;
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f17_shares_are_taken_and_given_back() {
        let budget = Budget::new(100);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert_eq!(one.resize(60), Ok(()));
        assert_eq!(other.resize(41), Err(Exhausted));
        assert_eq!(other.resize(40), Ok(()));
        assert_eq!(one.resize(50), Ok(()));
        assert_eq!(other.resize(50), Ok(()));
        drop(one);
        assert_eq!(other.resize(100), Ok(()));
        drop(other);
        assert_eq!(budget.left.load(Ordering::Relaxed), 100);
    }
}
