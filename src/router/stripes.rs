//! What keeps threads out of each other's way: state apart by thread, each on its own cache lines.

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Threads beyond these share a stripe.
pub(super) const STRIPES: usize = 16;

/// One value per thread, or one for a few threads.
#[derive(Debug)]
pub(super) struct Stripes<T>(Box<[Padded<T>]>);

impl<T> Stripes<T> {
    pub(super) fn new(make: impl Fn() -> T) -> Self {
        Self((0..STRIPES).map(|_| Padded(make())).collect())
    }

    /// Returns the value of this thread.
    pub(super) fn own(&self) -> &T {
        #[allow(clippy::indexing_slicing, reason = "a remainder of the length")]
        &self.0[stripe() % STRIPES]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

/// Handles of one shared value, counted apart by thread: the count of an `Arc` that every request
/// takes and gives back would go from processor to processor.
pub(super) struct Handles<T>(Stripes<Arc<Handle<T>>>);

/// A handle of a shared value.
pub(super) type Handle<T> = Padded<Arc<T>>;

impl<T> Handles<T> {
    pub(super) fn new(shared: &Arc<T>) -> Self {
        Self(Stripes::new(|| Arc::new(Padded(shared.clone()))))
    }

    pub(super) fn own(&self) -> Arc<Handle<T>> {
        self.0.own().clone()
    }
}

/// Alone on its cache lines. Two lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Padded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Numbers the threads in the order in which they come.
fn stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let own = |stripe: &Cell<usize>| {
        if stripe.get() == usize::MAX {
            stripe.set(THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    };
    // A thread that is ending may share with another.
    STRIPE.try_with(own).unwrap_or(0)
}
