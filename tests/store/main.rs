//! What instances share through a real server, and what they do without.
//!
//! Each test starts its own `redis-server` (or `valkey-server`; `STORE_SERVER` names one of them).
//! `STORE_FULL=1` takes the long forms.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    unreachable_pub,
    reason = "tests"
)]

mod books;
mod faults;
mod fleet;
mod hostile;
mod poison;
mod proxy;
mod quota;
mod secrets;
mod server;
mod sharing;
mod tls;

use std::collections::BTreeMap;

use tower_outcome::store::{Answer, Batch, OutcomeStore, Scope, Seen, Share, StoreError, Totals};

const POOL: Scope = Scope::new(0xa1);
const GROUP: Scope = Scope::new(0xb2);

/// One of a fleet: it numbers its batches, and remembers what it has seen.
struct Instance<S> {
    store: S,
    number: u64,
    sequence: u64,
    seen: Option<Seen>,
    /// What it knows of the buckets of `POOL`.
    known: BTreeMap<u64, BTreeMap<String, u64>>,
}

impl<S: OutcomeStore> Instance<S> {
    fn new(number: u64, store: S) -> Self {
        Self {
            store,
            number,
            sequence: 0,
            seen: None,
            known: BTreeMap::new(),
        }
    }

    fn quiet(&self) -> Batch {
        let mut batch = Batch::new(self.number, self.sequence);
        batch.shares = vec![Share::new(POOL, Vec::new(), self.seen)];
        batch
    }

    /// A new batch that adds something to `POOL`.
    fn batch(&mut self, added: &[(&str, u64)]) -> Batch {
        self.sequence += 1;
        let mut batch = self.quiet();
        batch.sequence = self.sequence;
        batch.shares[0].added = added
            .iter()
            .map(|(name, by)| ((*name).into(), *by))
            .collect();
        batch
    }

    /// Exchanges a batch, and takes in what comes back.
    async fn exchange(&mut self, batch: &Batch) -> Result<Answer, StoreError> {
        let answer = self.store.exchange(batch).await?;
        for totals in answer.totals.iter().filter(|it| it.scope == POOL) {
            for bucket in &totals.buckets {
                self.seen = Some(Seen::new(bucket.number, bucket.version));
                let counters = bucket.counters.iter();
                let counters = counters.map(|(name, count)| (name.to_string(), *count));
                self.known.insert(bucket.number, counters.collect());
            }
        }
        Ok(answer)
    }

    async fn add(&mut self, added: &[(&str, u64)]) -> Answer {
        let batch = self.batch(added);
        self.exchange(&batch).await.unwrap()
    }

    async fn look(&mut self) -> Answer {
        let batch = self.quiet();
        self.exchange(&batch).await.unwrap()
    }

    /// What it knows of a counter in all buckets.
    fn total(&self, name: &str) -> u64 {
        self.known.values().filter_map(|it| it.get(name)).sum()
    }
}

fn pool(answer: &Answer) -> &Totals {
    answer.totals.iter().find(|it| it.scope == POOL).unwrap()
}

fn is_full() -> bool {
    std::env::var_os("STORE_FULL").is_some()
}
