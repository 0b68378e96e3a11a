use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    sync::{Mutex, MutexGuard},
};

use super::{
    error::{OutOfRange, ReportError, ReportErrorKind},
    fleet::Names,
    lock::lock,
    numbers::{BLOCK, Numbers},
    stripes::Padded,
};
use crate::stats::{FormAge, Recorded, TaskKey};

/// Shards of the ledger, at most.
const SHARDS: u64 = 16;
/// A number that lags behind by more than this part of the ring would be written over too soon.
const LAG: u64 = 4;

/// Names one attempt, for a later score. Cannot be guessed from other ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutcomeId {
    /// Who issued it.
    owner: u32,
    /// Its number, of [`SEQUENCE`] bits.
    sequence: u64,
    /// What cannot be guessed, of [`TAG`] bits.
    tag: u64,
}

const SEQUENCE: u32 = 40;
const TAG: u32 = 56;

impl OutcomeId {
    /// Returns how it is written: 32 hexadecimal digits. Every answer tells it, and to format numbers
    /// takes long.
    pub(crate) fn digits(self) -> [u8; 32] {
        let number = u128::from(self.owner) << (SEQUENCE + TAG)
            | u128::from(self.sequence) << TAG
            | u128::from(self.tag);
        let mut digits = [0; 32];
        let digit = |half: u8| b'0' + half + (b'a' - b'9' - 1) * u8::from(half > 9);
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for ([high, low], byte) in pairs.iter_mut().zip(number.to_be_bytes()) {
            (*high, *low) = (digit(byte >> 4), digit(byte & 15));
        }
        digits
    }

    /// Returns which instance issued it.
    pub(super) fn owner(self) -> u32 {
        self.owner
    }
}

impl fmt::Display for OutcomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for OutcomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutcomeId({self})")
    }
}

impl FromStr for OutcomeId {
    type Err = OutOfRange;

    fn from_str(text: &str) -> Result<Self, OutOfRange> {
        let bad = OutOfRange {
            what: "an outcome id has 32 hexadecimal digits",
        };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(bad);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| bad)?;
        let low = |number: u128, bits: u32| (number & ((1 << bits) - 1)) as u64;
        Ok(Self {
            owner: (number >> (SEQUENCE + TAG)) as u32,
            sequence: low(number >> TAG, SEQUENCE),
            tag: low(number, TAG),
        })
    }
}

/// How good an answer was, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Score(f64);

impl Score {
    /// The best score.
    pub const BEST: Self = Self(1.0);
    /// The worst score.
    pub const WORST: Self = Self(0.0);
    /// Half-way between them.
    pub const MIDDLE: Self = Self(0.5);

    /// Creates a score.
    ///
    /// # Errors
    ///
    /// If `value` is not a number from 0 to 1.
    pub fn new(value: f64) -> Result<Self, OutOfRange> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(OutOfRange {
                what: "a score is a number from 0 to 1",
            })
        }
    }

    /// Returns the value, 0 to 1.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }
}

/// The attempts that can still be scored: a ring, indexed by sequence number.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Its own: what is refused takes a number of the decisions, but no place in here.
    numbers: Numbers,
    /// Each holds the attempts of whole blocks of numbers, so that threads keep apart.
    shards: Box<[Padded<Mutex<Shard>>]>,
    owner: u32,
    keys: Keys,
}

/// What ids are proved by.
#[derive(Debug)]
enum Keys {
    /// Known to nobody else.
    Own(RandomState),
    /// Known to all instances that share, who can tell each other's ids from junk.
    Shared(Names),
}

type Shard = Vec<Option<Entry>>;

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    target: u64,
    task: TaskKey,
    scored: Option<(f64, Recorded)>,
    form: Option<(bool, FormAge)>,
}

/// Where a score goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scored {
    /// The key of the target.
    pub(super) target: u64,
    pub(super) task: TaskKey,
}

/// What a score changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    First,
    Correction { difference: f64, recorded: Recorded },
}

/// What a check of form changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Formed {
    First,
    Correction(FormAge),
}

impl Ledger {
    /// Creates a ledger; `shared` is what other instances know its ids by.
    pub(super) fn new(capacity: usize, shared: Option<(Names, u64)>) -> Self {
        let capacity = capacity.max(1);
        let shards = (capacity as u64 / BLOCK).clamp(1, SHARDS) as usize;
        let shard = || Padded(Mutex::new(vec![None; capacity.div_ceil(shards)]));
        let (owner, keys) = match shared {
            Some((names, instance)) => (instance as u32, Keys::Shared(names)),
            None => {
                let drawn = RandomState::new();
                (drawn.hash_one("owner") as u32, Keys::Own(drawn))
            }
        };
        Self {
            numbers: Numbers::fresh_within(capacity as u64 / LAG),
            shards: (0..shards).map(|_| shard()).collect(),
            owner,
            keys,
        }
    }

    /// Returns what its ids are known by.
    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// Returns whether an id was issued by another instance with the same secret.
    pub(super) fn is_of_another(&self, id: OutcomeId) -> bool {
        id.owner != self.owner && matches!(self.keys, Keys::Shared(_)) && self.is_sound(id)
    }

    fn is_sound(&self, id: OutcomeId) -> bool {
        self.tag(id.owner, id.sequence) == id.tag
    }

    fn tag(&self, owner: u32, sequence: u64) -> u64 {
        let tag = match &self.keys {
            Keys::Own(drawn) => drawn.hash_one(sequence),
            Keys::Shared(names) => names.ticket(owner, sequence),
        };
        tag >> (u64::BITS - TAG)
    }

    pub(super) fn open(&self, target: u64, task: TaskKey) -> OutcomeId {
        self.enter(self.numbers.take(), target, task)
    }

    fn enter(&self, sequence: u64, target: u64, task: TaskKey) -> OutcomeId {
        let sequence = sequence % (1 << SEQUENCE);
        let (mut slots, at) = self.place(sequence);
        if let Some(slot) = slots.get_mut(at) {
            *slot = Some(Entry {
                sequence,
                target,
                task,
                scored: None,
                form: None,
            });
        }
        OutcomeId {
            owner: self.owner,
            sequence,
            tag: self.tag(self.owner, sequence),
        }
    }

    /// Notes a score. `record` takes in what it changes and returns where that went; it is not
    /// asked where nothing does.
    pub(super) fn score(
        &self,
        id: OutcomeId,
        score: Score,
        record: impl FnOnce(Scored, Change) -> Recorded,
    ) -> Result<(), ReportError> {
        self.with(id, |entry| {
            let change = match entry.scored {
                Some((old, _)) if old == score.value() => return,
                Some((old, recorded)) => Change::Correction {
                    difference: score.value() - old,
                    recorded,
                },
                None => Change::First,
            };
            entry.scored = Some((score.value(), record(entry.place(), change)));
        })
    }

    /// Notes a check of form; `record` is as for [`score`](Self::score).
    pub(super) fn form(
        &self,
        id: OutcomeId,
        valid: bool,
        record: impl FnOnce(Scored, Formed) -> FormAge,
    ) -> Result<(), ReportError> {
        self.with(id, |entry| {
            let change = match entry.form {
                Some((old, _)) if old == valid => return,
                Some((_, age)) => Formed::Correction(age),
                None => Formed::First,
            };
            entry.form = Some((valid, record(entry.place(), change)));
        })
    }

    fn with(&self, id: OutcomeId, change: impl FnOnce(&mut Entry)) -> Result<(), ReportError> {
        let error = |kind| ReportError { kind };
        if id.owner != self.owner || !self.is_sound(id) {
            return Err(error(ReportErrorKind::Foreign));
        }
        let (mut slots, at) = self.place(id.sequence);
        let entry = slots
            .get_mut(at)
            .and_then(Option::as_mut)
            .filter(|entry| entry.sequence == id.sequence)
            .ok_or(error(ReportErrorKind::Forgotten))?;
        change(entry);
        Ok(())
    }

    /// Locks the shard of a number and returns its slot there.
    fn place(&self, sequence: u64) -> (MutexGuard<'_, Shard>, usize) {
        let shards = self.shards.len() as u64;
        let block = sequence / BLOCK;
        #[allow(clippy::indexing_slicing, reason = "a remainder of the length")]
        let slots = lock(&self.shards[(block % shards) as usize]);
        // Its place among the numbers of the shard.
        let number = block / shards * BLOCK + sequence % BLOCK;
        let at = (number % slots.len().max(1) as u64) as usize;
        (slots, at)
    }
}

impl Entry {
    fn place(&self) -> Scored {
        Scored {
            target: self.target,
            task: self.task,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(ledger: &Ledger, id: OutcomeId, score: Score) -> Option<Change> {
        let mut seen = None;
        let record = |place: Scored, change| {
            assert_eq!(place.target, 7);
            seen = Some(change);
            Recorded::default()
        };
        ledger.score(id, score, record).unwrap();
        seen
    }

    #[test]
    fn an_id_is_written_in_hexadecimal_digits_and_read_back() {
        let most = (u32::MAX, (1 << SEQUENCE) - 1, (1 << TAG) - 1);
        for (owner, sequence, tag) in [(0, 0, 0xa9), (7, 0x01_2345_6789, 0), most] {
            let id = OutcomeId {
                owner,
                sequence,
                tag,
            };
            assert_eq!(
                id.to_string(),
                format!("{owner:08x}{sequence:010x}{tag:014x}")
            );
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn twice_is_once_and_later_replaces_earlier() {
        let ledger = Ledger::new(8, None);
        let id = ledger.enter(3, 7, TaskKey::OTHER);
        let half = Score::new(0.5).unwrap();
        assert_eq!(scored(&ledger, id, half), Some(Change::First));
        assert_eq!(scored(&ledger, id, half), None);
        let correction = Change::Correction {
            difference: 0.5,
            recorded: Recorded::default(),
        };
        assert_eq!(scored(&ledger, id, Score::BEST), Some(correction));
    }

    #[test]
    fn a_form_is_noted_once_beside_a_score_and_can_be_corrected() {
        let ledger = Ledger::new(8, None);
        let id = ledger.enter(0, 7, TaskKey::OTHER);
        let mut seen = Vec::new();
        for valid in [true, true, false] {
            let record = |_: Scored, change| {
                seen.push(change);
                FormAge::default()
            };
            ledger.form(id, valid, record).unwrap();
        }
        let correction = Formed::Correction(FormAge::default());
        assert_eq!(seen, [Formed::First, correction]);
        assert_eq!(scored(&ledger, id, Score::BEST), Some(Change::First));
    }

    #[test]
    fn foreign_and_forgotten_ids_are_refused_with_a_reason() {
        let ledger = Ledger::new(4, None);
        let id = ledger.enter(0, 0, TaskKey::OTHER);
        let refused = |ledger: &Ledger| {
            let record = |_: Scored, _: Change| panic!("refused");
            ledger.score(id, Score::BEST, record).unwrap_err()
        };
        assert!(refused(&Ledger::new(4, None)).is_foreign());
        ledger.enter(4, 0, TaskKey::OTHER);
        assert!(refused(&ledger).is_forgotten());
    }

    #[test]
    fn ids_survive_text_and_junk_is_refused() {
        let id = Ledger::new(1, None).enter(77, 0, TaskKey::OTHER);
        assert_eq!(id.to_string().parse::<OutcomeId>().unwrap(), id);
        for junk in [
            "",
            "x",
            "+000000000000000f000000000000000f",
            &"é".repeat(16),
        ] {
            assert!(junk.parse::<OutcomeId>().is_err(), "{junk}");
        }
    }

    #[test]
    fn a_score_is_a_number_from_zero_to_one() {
        for bad in [f64::NAN, -0.1, 1.1, f64::INFINITY] {
            assert!(Score::new(bad).is_err());
        }
        assert!(Score::new(-0.0).is_ok());
    }
}
