use std::{collections::VecDeque, str::FromStr};

use tokio::time::Instant;

use super::super::{
    OutcomeId, OutcomeRouter, ReportError, Score, error::ReportErrorKind, lock::lock,
};

/// Reports for other instances that may wait to be passed on.
const MOST: usize = 1024;

/// What is reported of an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::router) enum Report {
    Score(Score),
    Form(bool),
}

/// A report of an attempt that another instance has made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stray {
    id: OutcomeId,
    report: Report,
}

#[derive(Debug, Default)]
pub(super) struct Strays {
    waiting: VecDeque<Stray>,
}

impl Stray {
    /// Returns which instance it is for.
    pub(crate) fn owner(&self) -> u32 {
        self.id.owner()
    }

    /// Writes it for its owner.
    pub(crate) fn text(&self) -> String {
        match self.report {
            Report::Score(score) => format!("{}s{:016x}", self.id, score.value().to_bits()),
            Report::Form(valid) => format!("{}f{}", self.id, u8::from(valid)),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (id, report) = text.split_at_checked(32)?;
        let id = OutcomeId::from_str(id).ok()?;
        let report = match report.split_at_checked(1)? {
            ("s", bits) if bits.len() == 16 => {
                let bits = u64::from_str_radix(bits, 16).ok()?;
                Report::Score(Score::new(f64::from_bits(bits)).ok()?)
            }
            ("f", "0") => Report::Form(false),
            ("f", "1") => Report::Form(true),
            _ => return None,
        };
        Some(Self { id, report })
    }
}

impl OutcomeRouter {
    /// Keeps a report of another instance's attempt until it is passed on.
    pub(in crate::router) fn pass_on(
        &self,
        id: OutcomeId,
        report: Report,
    ) -> Result<(), ReportError> {
        let kind = match self.fleet() {
            None => ReportErrorKind::Foreign,
            Some(fleet) => {
                let strays = &mut lock(&fleet.strays).waiting;
                if strays.len() < MOST {
                    strays.push_back(Stray { id, report });
                    return Ok(());
                }
                ReportErrorKind::TooMany
            }
        };
        Err(ReportError { kind })
    }

    /// Takes up to so many reports that are for other instances.
    pub(crate) fn take_strays(&self, most: usize) -> Vec<Stray> {
        let Some(fleet) = self.fleet() else {
            return Vec::new();
        };
        let strays = &mut lock(&fleet.strays).waiting;
        let count = strays.len().min(most);
        strays.drain(..count).collect()
    }

    /// Takes in a report that came in at another instance. Returns whether it was one, of an attempt that
    /// is remembered here.
    pub(crate) fn take_in(&self, text: &str, now: Instant) -> bool {
        let Some(Stray { id, report }) = Stray::read(text) else {
            return false;
        };
        if !self.is_owner(id) {
            return false;
        }
        match report {
            Report::Score(score) => self.report_at(id, score, now).is_ok(),
            Report::Form(valid) => self.report_form_at(id, valid, now).is_ok(),
        }
    }

    fn is_owner(&self, id: OutcomeId) -> bool {
        self.inner.lasting.ledger.owner() == id.owner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_junk_is_not() {
        let id: OutcomeId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        for report in [
            Report::Score(Score::new(1.0 / 3.0).unwrap()),
            Report::Form(true),
            Report::Form(false),
        ] {
            let stray = Stray { id, report };
            assert_eq!(Stray::read(&stray.text()), Some(stray));
            assert!(stray.text().len() <= 128);
        }
        let nan = format!("{id}s{:016x}", f64::NAN.to_bits());
        for junk in [
            "",
            "é",
            &format!("{id}"),
            &format!("{id}f2"),
            &format!("{id}x1"),
            &nan,
        ] {
            assert_eq!(Stray::read(junk), None, "{junk}");
        }
    }
}
