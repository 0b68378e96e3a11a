//! Numbers that must lie in a range.

use std::{ops::RangeInclusive, time::Duration};

use super::{assemble::Fault, schema::Spanned};

/// A day: nothing here should wait longer.
pub(super) const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn at_least_one(written: &Spanned<u64>) -> Result<u64, Fault> {
    match *written.get_ref() {
        0 => Err(Fault::at(written, "expected a number from 1")),
        number => Ok(number),
    }
}

/// From 1.
pub(super) fn up_to(written: &Spanned<u64>, most: u64) -> Result<u64, Fault> {
    let number = at_least_one(written)?;
    if number > most {
        return Err(Fault::at(
            written,
            format!("expected a number up to {most}"),
        ));
    }
    Ok(number)
}

pub(super) fn millis(written: &Spanned<u64>) -> Result<Duration, Fault> {
    let number = at_least_one(written)?;
    if number > LONGEST_MS {
        let message = format!("expected at most {LONGEST_MS} milliseconds, a day");
        return Err(Fault::at(written, message));
    }
    Ok(Duration::from_millis(number))
}

pub(super) fn percent(written: &Spanned<f64>) -> Result<f64, Fault> {
    within(written, 0.0..=100.0, "expected a number from 0 to 100")
}

pub(super) fn at_least_0(written: &Spanned<f64>) -> Result<f64, Fault> {
    within(written, 0.0..=f64::MAX, "expected a number from 0")
}

pub(super) fn within(
    written: &Spanned<f64>,
    range: RangeInclusive<f64>,
    expected: &str,
) -> Result<f64, Fault> {
    let number = *written.get_ref();
    if !range.contains(&number) {
        return Err(Fault::at(written, expected));
    }
    Ok(number)
}
