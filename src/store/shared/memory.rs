use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Answer, Batch, Bucket, Cooldown, Exchanging, OutcomeStore, Probe, Scope, Seen, Share,
    StoreError, Totals,
};

const BUCKET: Duration = Duration::from_secs(10);
/// Buckets that are kept: what is older is out of date.
const BUCKETS: u64 = 15;
const PROBE: Duration = Duration::from_secs(2);
const PRESENT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
const NOTES: usize = 1024;

/// A store within one process: for several routers that are to learn as one, for simulations, and for
/// tests. Clones are the same store.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_outcome::{OutcomeRouter, store::{MemoryStore, Sharing}};
///
/// let store = MemoryStore::new();
/// for _ in 0..2 {
///     let builder = OutcomeRouter::builder().model("gpt-4o").model("gpt-4o-mini");
///     let router = builder.shared("the deployment's secret").build()?;
///     let kept = router.clone();
///     let membership = Sharing::new(store.clone()).start(move || kept.clone())?;
///     // ... route ...
///     membership.stop().await;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    epoch: Instant,
    scopes: HashMap<Scope, Counters>,
    cooldowns: HashMap<Scope, Instant>,
    /// Who may probe, and until when nobody else may.
    probes: HashMap<Scope, (u64, Instant)>,
    members: HashMap<u64, Instant>,
    notes: HashMap<u32, VecDeque<(Instant, Box<str>)>>,
}

#[derive(Debug, Default)]
struct Counters {
    version: u64,
    buckets: BTreeMap<u64, Filled>,
    /// By instance: the last sequence number, and the bucket that took it.
    taken: HashMap<u64, (u64, u64)>,
}

#[derive(Debug, Default)]
struct Filled {
    version: u64,
    counters: BTreeMap<Box<str>, u64>,
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        let state = State {
            epoch: Instant::now(),
            scopes: HashMap::new(),
            cooldowns: HashMap::new(),
            probes: HashMap::new(),
            members: HashMap::new(),
            notes: HashMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl OutcomeStore for MemoryStore {
    fn exchange<'a>(&'a self, batch: &'a Batch) -> Exchanging<'a, Result<Answer, StoreError>> {
        let answer = self.state().exchange(batch, Instant::now());
        Box::pin(ready(Ok(answer)))
    }

    fn kind(&self) -> &'static str {
        "memory"
    }
}

impl State {
    fn exchange(&mut self, batch: &Batch, now: Instant) -> Answer {
        let current = now.saturating_duration_since(self.epoch).as_secs() / BUCKET.as_secs();
        self.members.insert(batch.instance, now + PRESENT);
        self.members.retain(|_, until| now < *until);
        for Cooldown { group, lasts } in &batch.cooldowns {
            let until = now + (*lasts).min(LONGEST_WAIT);
            let known = self.cooldowns.entry(*group).or_insert(until);
            *known = until.max(*known);
        }
        self.cooldowns.retain(|_, until| now < *until);
        self.probes.retain(|_, (_, until)| now < *until);
        let probes = batch.probes.iter().map(|group| {
            let asking = (batch.instance, now + PROBE);
            let (owner, until) = *self.probes.entry(*group).or_insert(asking);
            Probe {
                group: *group,
                granted: owner == batch.instance,
                lasts: until - now,
            }
        });
        let probes = probes.collect();
        for note in &batch.notes {
            let list = self.notes.entry(note.to).or_default();
            if list.len() < NOTES {
                list.push_back((now + PRESENT, note.text.clone()));
            }
        }
        let notes = self.notes.remove(&(batch.instance as u32));
        let notes = notes.into_iter().flatten();
        let mut totals = Vec::new();
        let mut cooldowns = Vec::new();
        for share in &batch.shares {
            let counters = self.scopes.entry(share.scope).or_default();
            totals.push(counters.exchange(batch, share, current));
            if let Some(until) = self.cooldowns.get(&share.scope) {
                cooldowns.push(Cooldown {
                    group: share.scope,
                    lasts: *until - now,
                });
            }
        }
        Answer {
            bucket: current,
            instances: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            totals,
            cooldowns,
            probes,
            notes: notes
                .filter(|(until, _)| now < *until)
                .map(|(_, text)| text)
                .collect(),
        }
    }
}

impl Counters {
    fn exchange(&mut self, batch: &Batch, share: &Share, current: u64) -> Totals {
        self.buckets.retain(|number, _| number + BUCKETS > current);
        let known = self.taken.get(&batch.instance).copied();
        let added_to = match known.filter(|(sequence, _)| batch.sequence <= *sequence) {
            Some((_, bucket)) => bucket,
            None => {
                self.taken.insert(batch.instance, (batch.sequence, current));
                self.add(&share.added, current);
                current
            }
        };
        let newer = |(number, filled): &(&u64, &Filled)| match share.seen {
            None => true,
            Some(Seen { bucket, version }) => {
                **number + 1 >= bucket && !(**number == bucket && filled.version == version)
            }
        };
        let buckets = self.buckets.iter().filter(newer);
        Totals {
            scope: share.scope,
            added_to: Some(added_to),
            buckets: buckets
                .map(|(number, filled)| filled.bucket(*number))
                .collect(),
        }
    }

    fn add(&mut self, added: &[(Box<str>, u64)], current: u64) {
        if added.is_empty() {
            return;
        }
        self.version += 1;
        let filled = self.buckets.entry(current).or_default();
        filled.version = self.version;
        for (counter, count) in added {
            let sum = filled.counters.entry(counter.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

impl Filled {
    fn bucket(&self, number: u64) -> Bucket {
        let counters = self.counters.iter();
        Bucket {
            number,
            version: self.version,
            counters: counters
                .map(|(name, count)| (name.clone(), *count))
                .collect(),
        }
    }
}
