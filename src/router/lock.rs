use std::{
    hint::spin_loop,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

/// How often a lock is tried before the thread sleeps; the pauses between double up to so many
/// turns. Locks are held for a fraction of a microsecond, and to sleep and be woken takes ten.
const TRIES: u32 = 64;
const LONGEST_PAUSE: u32 = 32;

/// Locks a mutex. Poison is recovered: nothing panics while a lock is held, and decayed sums are
/// valid at every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    let mut pause = 1;
    for _ in 0..TRIES {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                for _ in 0..pause {
                    spin_loop();
                }
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
