use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::router::OutcomeId;

/// Whose answers an id may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Scope {
    /// Of everybody, where there are no client keys.
    Common,
    /// Of the client key of this name.
    Key(Arc<str>),
    /// Of anybody: for those who run the gateway.
    All,
}

/// By which of our ids the last answers are known whose provider gave them one of its own. Clones
/// share.
///
/// Neither the ids nor the names of keys are kept, but a hash of the two under a seed of its own.
#[derive(Clone, Default)]
pub(in crate::gateway) struct ResponseIds {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    seed: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    outcomes: HashMap<u64, OutcomeId>,
    /// The oldest first.
    order: VecDeque<u64>,
    /// Of which there are as many as client keys.
    scopes: HashSet<u64>,
}

impl ResponseIds {
    /// Notes that an answer to a call of a scope has this id.
    pub(in crate::gateway) fn insert(&self, scope: &Scope, response: &str, outcome: OutcomeId) {
        let scope = self.scope(scope);
        let hash = self.hash(scope, response);
        let mut known = self.lock();
        known.scopes.insert(scope);
        if known.outcomes.insert(hash, outcome).is_some() {
            // It keeps its place: a provider that repeats its ids is not worth a search.
            return;
        }
        known.order.push_back(hash);
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.outcomes.remove(&oldest);
        }
    }

    /// Finds the answer of an id within a scope.
    pub(in crate::gateway) fn find(&self, scope: &Scope, response: &str) -> Option<OutcomeId> {
        let known = self.lock();
        let find = |scope| known.outcomes.get(&self.hash(scope, response)).copied();
        match scope {
            Scope::All => known.scopes.iter().find_map(|scope| find(*scope)),
            scope => find(self.scope(scope)),
        }
    }

    fn scope(&self, scope: &Scope) -> u64 {
        let name = match scope {
            Scope::Key(name) => Some(name),
            Scope::Common | Scope::All => None,
        };
        self.inner.seed.hash_one(name)
    }

    fn hash(&self, scope: u64, response: &str) -> u64 {
        self.inner.seed.hash_one((scope, response))
    }

    /// Nothing that can panic is done under the lock.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.inner
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ResponseIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseIds")
            .field("known", &self.lock().order.len())
            .finish_non_exhaustive()
    }
}

/// Minutes of a busy gateway, and half a megabyte.
const MOST: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(number: usize) -> OutcomeId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn an_id_is_known_to_its_own_key_only() {
        let ids = ResponseIds::default();
        let (a, b) = (Scope::Key("a".into()), Scope::Key("b".into()));
        ids.insert(&a, "msg_1", outcome(1));
        ids.insert(&b, "msg_1", outcome(2));
        ids.insert(&Scope::Common, "msg_2", outcome(3));
        assert_eq!(ids.find(&a, "msg_1"), Some(outcome(1)));
        assert_eq!(ids.find(&b, "msg_1"), Some(outcome(2)));
        assert_eq!(ids.find(&Scope::Common, "msg_1"), None);
        assert_eq!(ids.find(&a, "msg_2"), None);
        assert_eq!(ids.find(&Scope::All, "msg_2"), Some(outcome(3)));
        assert_eq!(ids.find(&Scope::All, "msg_3"), None);
        ids.insert(&a, "msg_1", outcome(4));
        assert_eq!(ids.find(&a, "msg_1"), Some(outcome(4)));
    }

    #[test]
    fn the_oldest_ids_are_forgotten() {
        let ids = ResponseIds::default();
        for number in 0..MOST + 10 {
            ids.insert(&Scope::Common, &number.to_string(), outcome(number));
        }
        assert_eq!(ids.lock().outcomes.len(), MOST);
        assert_eq!(ids.lock().order.len(), MOST);
        assert_eq!(ids.find(&Scope::Common, "9"), None);
        assert_eq!(ids.find(&Scope::Common, "10"), Some(outcome(10)));
    }
}
