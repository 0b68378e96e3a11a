//! Checks of good answers: what a status cannot tell.
//!
//! An answer can be whole, in time and useless. A [`Check`] looks at one that has ended well and
//! grades it: its form (valid JSON, not blank), or its quality from 0 to 1. The grade is reported
//! by itself, as [`report`](crate::OutcomeRouter::report) would, so that the router learns from
//! every answer and not only from those that somebody scores.
//!
//! # When
//!
//! Where a few lines can tell a bad answer from a good one: it has to parse, to name a known label,
//! to compile. Checks run inside the future or body of the call, after the last byte and before the
//! caller is told of it: they must be quick and must not block. What takes a second model or a
//! human goes through [`report`](crate::OutcomeRouter::report) later, and replaces the grade.
//!
//! [`ValidJson`] and [`NotBlank`] ship; closures are checks:
//!
//! ```
//! use tower_outcome::{
//!     OutcomeRouter, Pool, Score,
//!     checks::{Answer, Grade, ValidJson},
//! };
//!
//! let names_a_label = |answer: &Answer<'_>| {
//!     let known = ["spam", "ham"].contains(&answer.text().trim());
//!     (answer.task == Some("triage"))
//!         .then_some(Grade::Quality(if known { Score::BEST } else { Score::WORST }))
//! };
//! let pool = Pool::new("triage")
//!     .model("small")
//!     .model("large")
//!     .success_when(ValidJson::new())
//!     .success_when(names_a_label);
//! let router = OutcomeRouter::builder().pool(pool).build()?;
//! # let _ = router;
//! # Ok::<(), tower_outcome::BuildError>(())
//! ```
//!
//! # What is checked
//!
//! Answers that were judged a success and have ended: whole ones, and streams whose terminal event
//! has come. Never those that failed, were cut or abandoned, never those of requests that passed
//! through unrouted, and none that is compressed or neither JSON, text nor server-sent events. Of
//! an answer of more than 1 MiB the first MiB is seen.
//!
//! With several checks every one grades: the form is good where none says otherwise, the quality is
//! the mean. What the caller gets is not changed, joined or delayed by any of it, unless
//! [`Pool::cascade`](crate::Pool::cascade) is set.

mod answer;
mod not_blank;
mod said;
mod valid_json;

pub use self::{answer::Answer, not_blank::NotBlank, valid_json::ValidJson};

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::router::Score;

/// Grades answers that ended well.
///
/// Object safe, called without any lock held. A panic in it is caught and counted; the answer is
/// then not graded by it. Implemented for closures, which is why it does not ask for `Debug`.
pub trait Check: Send + Sync {
    /// Grades an answer; `None` where it has nothing to say about it.
    fn check(&self, answer: &Answer<'_>) -> Option<Grade>;
}

impl<F> Check for F
where
    F: Fn(&Answer<'_>) -> Option<Grade> + Send + Sync,
{
    fn check(&self, answer: &Answer<'_>) -> Option<Grade> {
        self(answer)
    }
}

/// What a check says of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Grade {
    /// How good it is. Reported as a score.
    Quality(Score),
    /// Whether it has the form that was asked for. That is not quality: it is learned apart, and
    /// faster.
    Form(bool),
}

/// The checks of a pool. Clones share.
#[derive(Clone)]
pub(crate) struct Checks(Arc<[Arc<dyn Check>]>);

/// What all checks together say of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Graded {
    pub(crate) form: Option<bool>,
    pub(crate) quality: Option<Score>,
}

impl Checks {
    /// Returns `None` where there are none.
    pub(crate) fn new(checks: &[Arc<dyn Check>]) -> Option<Self> {
        (!checks.is_empty()).then(|| Self(checks.into()))
    }

    /// Asks every check.
    pub(crate) fn grade(&self, answer: &Answer<'_>, mut panicked: impl FnMut()) -> Graded {
        let mut graded = Graded::default();
        let (mut sum, mut scores) = (0.0, 0_u32);
        for check in &*self.0 {
            match catch_unwind(AssertUnwindSafe(|| check.check(answer))) {
                Ok(Some(Grade::Quality(score))) => {
                    sum += score.value();
                    scores += 1;
                }
                Ok(Some(Grade::Form(valid))) => {
                    graded.form = Some(valid && graded.form.unwrap_or(true));
                }
                Ok(None) => {}
                Err(_) => panicked(),
            }
        }
        if scores > 0 {
            graded.quality = Score::new((sum / f64::from(scores)).clamp(0.0, 1.0)).ok();
        }
        graded
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checks({})", self.0.len())
    }
}

impl Graded {
    /// Returns whether the answer failed: its form is wrong, or its quality is below `least`.
    pub(crate) fn fails(&self, least: Score) -> bool {
        self.form == Some(false) || self.quality.is_some_and(|quality| quality < least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::EndpointKind;

    fn graded(grades: &[Option<Grade>]) -> (Graded, u32) {
        let checks: Vec<Arc<dyn Check>> = grades
            .iter()
            .copied()
            .map(|grade| Arc::new(move |_: &Answer<'_>| grade) as Arc<dyn Check>)
            .chain([Arc::new(|_: &Answer<'_>| -> Option<Grade> { panic!("scripted") }) as _])
            .collect();
        let mut panics = 0;
        let answer = Answer::new(EndpointKind::Chat, b"");
        let graded = Checks::new(&checks).unwrap().grade(&answer, || panics += 1);
        (graded, panics)
    }

    #[test]
    fn every_check_grades_and_a_panic_is_one_that_does_not() {
        let quality = |value| Some(Grade::Quality(Score::new(value).unwrap()));
        let form = |valid| Some(Grade::Form(valid));
        let (all, panics) = graded(&[quality(0.5), None, form(true), quality(1.0)]);
        assert_eq!(panics, 1);
        assert_eq!(all.form, Some(true));
        assert_eq!(all.quality, Some(Score::new(0.75).unwrap()));
        assert_eq!(
            graded(&[form(true), form(false), form(true)]).0.form,
            Some(false)
        );
        assert_eq!(graded(&[None]).0, Graded::default());
        assert!(Checks::new(&[]).is_none());
    }

    #[test]
    fn an_answer_fails_by_its_form_or_by_too_little_quality() {
        let half = Score::new(0.5).unwrap();
        let of = |form, quality| Graded { form, quality };
        assert!(of(Some(false), Some(Score::BEST)).fails(half));
        assert!(of(None, Some(Score::WORST)).fails(half));
        assert!(!of(Some(true), Some(half)).fails(half));
        assert!(!of(None, None).fails(Score::BEST));
    }
}
