use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

use super::error::{OutOfRange, ReportError, ReportErrorKind};

/// Names one attempt, for a later score. Cannot be guessed from other ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutcomeId {
    sequence: u64,
    tag: u64,
}

impl fmt::Display for OutcomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.sequence, self.tag)
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
        let (sequence, tag) = text.split_at_checked(16).ok_or(bad)?;
        let parse = |digits| u64::from_str_radix(digits, 16).map_err(|_| bad);
        Ok(Self {
            sequence: parse(sequence)?,
            tag: parse(tag)?,
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
    slots: Mutex<Vec<Option<Entry>>>,
    keys: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    target: u32,
    scored: Option<(f64, Instant)>,
    form: Option<bool>,
}

/// What a score changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Nothing,
    First,
    Correction { old: f64, then: Instant },
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            slots: Mutex::new(vec![None; capacity.max(1)]),
            keys: RandomState::new(),
        }
    }

    pub(super) fn open(&self, sequence: u64, target: u32) -> OutcomeId {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = slot(sequence, slots.len());
        if let Some(slot) = slots.get_mut(at) {
            *slot = Some(Entry {
                sequence,
                target,
                scored: None,
                form: None,
            });
        }
        OutcomeId {
            sequence,
            tag: self.keys.hash_one(sequence),
        }
    }

    /// Notes a score; returns the target and what it changes.
    pub(super) fn score(
        &self,
        id: OutcomeId,
        score: Score,
        now: Instant,
    ) -> Result<(u32, Change), ReportError> {
        self.with(id, |entry| {
            let change = match entry.scored {
                Some((old, _)) if old == score.value() => Change::Nothing,
                Some((old, then)) => Change::Correction { old, then },
                None => Change::First,
            };
            // A correction counts with the weight of the first report, so its time stays.
            let then = entry.scored.map_or(now, |(_, then)| then);
            entry.scored = Some((score.value(), then));
            (entry.target, change)
        })
    }

    /// Notes a grade of form; returns the target and what was noted before.
    pub(super) fn form(
        &self,
        id: OutcomeId,
        valid: bool,
    ) -> Result<(u32, Option<bool>), ReportError> {
        self.with(id, |entry| (entry.target, entry.form.replace(valid)))
    }

    fn with<T>(
        &self,
        id: OutcomeId,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, ReportError> {
        let error = |kind| ReportError { kind };
        if self.keys.hash_one(id.sequence) != id.tag {
            return Err(error(ReportErrorKind::Foreign));
        }
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let at = slot(id.sequence, slots.len());
        let entry = slots
            .get_mut(at)
            .and_then(Option::as_mut)
            .filter(|entry| entry.sequence == id.sequence)
            .ok_or(error(ReportErrorKind::Forgotten))?;
        Ok(change(entry))
    }
}

fn slot(sequence: u64, slots: usize) -> usize {
    usize::try_from(sequence % slots.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_once_and_later_replaces_earlier() {
        let (ledger, now) = (Ledger::new(8), Instant::now());
        let id = ledger.open(3, 7);
        let half = Score::new(0.5).unwrap();
        assert_eq!(ledger.score(id, half, now), Ok((7, Change::First)));
        assert_eq!(ledger.score(id, half, now), Ok((7, Change::Nothing)));
        assert_eq!(
            ledger.score(id, Score::BEST, now),
            Ok((
                7,
                Change::Correction {
                    old: 0.5,
                    then: now
                }
            ))
        );
    }

    #[test]
    fn a_form_is_noted_beside_a_score() {
        let (ledger, now) = (Ledger::new(8), Instant::now());
        let id = ledger.open(3, 7);
        assert_eq!(ledger.form(id, true), Ok((7, None)));
        assert_eq!(ledger.score(id, Score::BEST, now), Ok((7, Change::First)));
        assert_eq!(ledger.form(id, false), Ok((7, Some(true))));
        assert!(Ledger::new(8).form(id, true).unwrap_err().is_foreign());
    }

    #[test]
    fn foreign_and_forgotten_ids_are_refused_with_a_reason() {
        let (ledger, now) = (Ledger::new(4), Instant::now());
        let id = ledger.open(0, 0);
        assert!(
            Ledger::new(4)
                .score(id, Score::BEST, now)
                .unwrap_err()
                .is_foreign()
        );
        ledger.open(4, 0);
        assert!(
            ledger
                .score(id, Score::BEST, now)
                .unwrap_err()
                .is_forgotten()
        );
    }

    #[test]
    fn ids_survive_text_and_junk_is_refused() {
        let id = Ledger::new(1).open(77, 0);
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
