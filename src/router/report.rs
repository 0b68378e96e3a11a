use tokio::time::Instant;

use super::{
    Inner, OutcomeId, OutcomeRouter, PoolEntry, ReportError, Score, TargetEntry,
    fleet::Report,
    ledger::{Change, Formed, Scored},
};
use crate::stats::{FormAge, Recorded};

impl OutcomeRouter {
    /// Takes in a score for an attempt. Late is fine, twice is once, later replaces earlier.
    ///
    /// A router that [shares](crate::router::Builder::shared) what it learns passes on what is of another
    /// instance's attempt; whether that one remembers it is not known here.
    ///
    /// # Errors
    ///
    /// If this router did not issue the id, or has forgotten it.
    pub fn report_at(&self, id: OutcomeId, score: Score, now: Instant) -> Result<(), ReportError> {
        let ledger = &self.inner.lasting.ledger;
        if ledger.is_of_another(id) {
            return self.pass_on(id, Report::Score(score));
        }
        ledger.score(id, score, |place, change| {
            self.inner.lasting.counters.reported();
            self.inner.score(place, score, change, now)
        })
    }

    /// Takes in a score now; see [`report_at`](Self::report_at).
    ///
    /// # Errors
    ///
    /// As [`report_at`](Self::report_at).
    pub fn report(&self, id: OutcomeId, score: Score) -> Result<(), ReportError> {
        self.report_at(id, score, self.now())
    }

    /// Returns whether an attempt was made by another instance that
    /// [shares](crate::router::Builder::shared) with this one, to which what is reported of it is passed on.
    #[must_use]
    pub fn is_of_another(&self, id: OutcomeId) -> bool {
        self.inner.lasting.ledger.is_of_another(id)
    }

    /// Takes in whether the answer of an attempt has the form that was asked for. Twice is once,
    /// later replaces earlier. Form is not quality: it is learned apart from scores.
    ///
    /// # Errors
    ///
    /// If this router did not issue the id, or has forgotten it.
    pub fn report_form_at(
        &self,
        id: OutcomeId,
        valid: bool,
        now: Instant,
    ) -> Result<(), ReportError> {
        let ledger = &self.inner.lasting.ledger;
        if ledger.is_of_another(id) {
            return self.pass_on(id, Report::Form(valid));
        }
        ledger.form(id, valid, |place, change| {
            self.inner.lasting.counters.formed();
            self.inner.form(place, valid, change, now)
        })
    }

    /// Takes in the form of an answer now; see [`report_form_at`](Self::report_form_at).
    ///
    /// # Errors
    ///
    /// As [`report_form_at`](Self::report_form_at).
    pub fn report_form(&self, id: OutcomeId, valid: bool) -> Result<(), ReportError> {
        self.report_form_at(id, valid, self.now())
    }
}

impl Inner {
    fn score(&self, place: Scored, score: Score, change: Change, now: Instant) -> Recorded {
        let Some((pool, target)) = self.in_pool(place.target) else {
            return Recorded::default();
        };
        let slot = target.rank;
        if let Some(fleet) = &self.lasting.fleet {
            let before = match change {
                Change::First => None,
                Change::Correction { difference, .. } => Some(score.value() - difference),
            };
            let cell = (target.shared_name, place.task.0);
            fleet.scored(pool.scope, cell, score.value(), before);
        }
        pool.beliefs.change(|quality| match change {
            Change::First => quality.record(slot, place.task, score.value(), now),
            Change::Correction {
                difference,
                recorded,
            } => {
                let new = score.value();
                quality.correct(slot, place.task, (new - difference, new), recorded);
                recorded
            }
        })
    }

    fn form(&self, place: Scored, valid: bool, change: Formed, now: Instant) -> FormAge {
        let Some((pool, target)) = self.in_pool(place.target) else {
            return FormAge::default();
        };
        let slot = target.rank;
        if let Some(fleet) = &self.lasting.fleet {
            let cell = (target.shared_name, place.task.0);
            let replaces = matches!(change, Formed::Correction(_));
            fleet.formed(pool.scope, cell, valid, replaces);
        }
        pool.beliefs.change(|quality| match change {
            Formed::First => quality.record_form(slot, place.task, valid, now),
            Formed::Correction(age) => {
                quality.correct_form(slot, place.task, valid, age);
                age
            }
        })
    }

    /// Returns the target with a key, and its pool.
    fn in_pool(&self, key: u64) -> Option<(&PoolEntry, &TargetEntry)> {
        let entry = self.targets.iter().find(|target| target.key == key)?;
        Some((self.pools.get(entry.pool)?, entry))
    }
}
