//! Holds rows against those of a reference.

use std::{fmt::Write, path::Path};

use crate::{
    figures::Row,
    mistake::{Mistake, read},
    policies::ADAPTIVE,
};

/// The policies whose rows say whether a simulator is right.
const YARDSTICKS: [&str; 3] = ["oracle", "random", "static-chain"];
/// What the reference calls the algorithm that ours is held against.
const MODEL: &str = "hdr";
/// Standard errors that a difference may be.
const ERRORS: f64 = 4.0;
/// The least standard error in percent: six seeds can look more alike than they are.
const LEAST_ERROR: f64 = 0.13;

#[derive(Debug)]
pub(crate) struct Reference {
    rows: Vec<ReferenceRow>,
}

#[derive(Debug)]
struct ReferenceRow {
    scenario: String,
    policy: String,
    success_pct: f64,
    waste_per_1k: f64,
    regret_per_1k: f64,
    success_error: f64,
}

impl Reference {
    pub(crate) fn read(file: &Path) -> Result<Self, Mistake> {
        Self::parse(file, &read(file)?)
    }

    fn parse(file: &Path, text: &str) -> Result<Self, Mistake> {
        let header: Vec<&str> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split('\t')
            .collect();
        let column = |name: &str| {
            let at = header.iter().position(|column| *column == name);
            at.ok_or_else(|| Mistake::at_line(file, 1, format!("there is no column {name:?}")))
        };
        let (scenario, policy) = (column("scenario")?, column("policy")?);
        let (success, error) = (column("success%")?, column("se_succ")?);
        let (waste, regret) = (column("waste/1k")?, column("regret/1k")?);
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate().skip(1) {
            if line.trim().is_empty() {
                continue;
            }
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |column: usize| {
                let cell = cells.get(column).map(|cell| cell.trim());
                cell.ok_or_else(|| {
                    let what = format!("there is no {}", header[column]);
                    Mistake::at_line(file, at + 1, what)
                })
            };
            let number = |column: usize| {
                let text = cell(column)?;
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.ok_or_else(|| {
                    let what = format!("{}: {text:?} is not a number", header[column]);
                    Mistake::at_line(file, at + 1, what)
                })
            };
            rows.push(ReferenceRow {
                scenario: cell(scenario)?.to_owned(),
                policy: cell(policy)?.to_owned(),
                success_pct: number(success)?,
                waste_per_1k: number(waste)?,
                regret_per_1k: number(regret)?,
                success_error: number(error)?,
            });
        }
        Ok(Self { rows })
    }

    fn find(&self, scenario: &str, policy: &str) -> Option<&ReferenceRow> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.scenario == scenario && row.policy == policy)
    }

    /// Returns a report, and whether the yardsticks agree.
    pub(crate) fn compare(&self, rows: &[Row]) -> (String, bool) {
        let mut text = String::from("against the reference, success% and what it may differ by\n");
        let mut agrees = true;
        for row in rows {
            let Some(reference) = self.find(&row.scenario, &row.policy) else {
                continue;
            };
            let difference = row.success_pct - reference.success_pct;
            let errors = [row.success_error, reference.success_error];
            let [own, theirs] = errors.map(|error| error.max(LEAST_ERROR));
            let allowed = ERRORS * own.hypot(theirs);
            let fits = difference.abs() <= allowed;
            let verdict = match (YARDSTICKS.contains(&row.policy.as_str()), fits) {
                (true, true) => "ok",
                (true, false) => "OFF",
                (false, true) => "",
                (false, false) => "differs",
            };
            agrees &= verdict != "OFF";
            let (scenario, policy) = (&row.scenario, &row.policy);
            let line = format!(
                "{scenario:<24} {policy:<30} {difference:>+7.2}  of {allowed:.2}  {verdict}"
            );
            // Writing to a string does not fail.
            let _written = writeln!(text, "{}", line.trim_end());
        }
        if !rows
            .iter()
            .any(|row| self.find(&row.scenario, &row.policy).is_some())
        {
            text.push_str("no row is in both\n");
        }
        text.push_str(&self.compare_adaptive(rows));
        (text, agrees)
    }

    fn compare_adaptive(&self, rows: &[Row]) -> String {
        let ours = rows.iter().filter(|row| row.policy == ADAPTIVE);
        let both: Vec<_> = ours
            .filter_map(|row| Some((row, self.find(&row.scenario, MODEL)?)))
            .collect();
        if both.is_empty() {
            return String::new();
        }
        let n = both.len() as f64;
        let mean = |figure: &dyn Fn(&(&Row, &ReferenceRow)) -> f64| {
            both.iter().map(figure).sum::<f64>() / n
        };
        let mut text = format!("\n{ADAPTIVE} against {MODEL}: regret/1k, waste/1k\n");
        for (row, reference) in &both {
            let _written = writeln!(
                text,
                "{:<24} {:>7.1} {:>7.1}   {:>7.1} {:>7.1}",
                row.scenario,
                row.regret_per_1k,
                reference.regret_per_1k,
                row.waste_per_1k,
                reference.waste_per_1k
            );
        }
        let _written = writeln!(
            text,
            "{:<24} {:>7.1} {:>7.1}   {:>7.1} {:>7.1}",
            "mean",
            mean(&|(row, _)| row.regret_per_1k),
            mean(&|(_, reference)| reference.regret_per_1k),
            mean(&|(row, _)| row.waste_per_1k),
            mean(&|(_, reference)| reference.waste_per_1k)
        );
        text
    }
}
