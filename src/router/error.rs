use std::{fmt, sync::Arc, time::Duration};

use super::decision::Obstacle;

/// A router, pool, target, upstream or credential that cannot be built.
#[derive(Debug)]
pub struct BuildError {
    message: String,
}

impl BuildError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {}

/// Nobody serves the request now.
#[derive(Clone, Debug, PartialEq)]
pub struct Unavailable {
    pub(crate) kind: UnavailableKind,
    pub(crate) retry_in: Option<Duration>,
    /// By target, where none of them may serve.
    pub(crate) obstacles: Box<[(Arc<str>, Obstacle)]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnavailableKind {
    UnknownModel,
    NoCandidate,
    NobodyFree,
}

impl From<UnavailableKind> for Unavailable {
    fn from(kind: UnavailableKind) -> Self {
        Self {
            kind,
            retry_in: None,
            obstacles: Box::default(),
        }
    }
}

impl Unavailable {
    /// Returns how long until the first target is expected to be free; `None` where waiting does
    /// not help.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        self.retry_in
    }

    /// Returns whether no pool knows the requested model.
    #[must_use]
    pub fn is_unknown_model(&self) -> bool {
        self.kind == UnavailableKind::UnknownModel
    }

    /// Returns what stands against each of the targets, by name, where none of them may serve.
    pub fn obstacles(&self) -> impl Iterator<Item = (&str, &Obstacle)> {
        let obstacles = self.obstacles.iter();
        obstacles.map(|(target, obstacle)| (&**target, obstacle))
    }

    /// Returns whether every target of the pool is ruled out: by the hints, the wire format, or
    /// because the request does not fit it.
    #[must_use]
    pub fn is_no_candidate(&self) -> bool {
        self.kind == UnavailableKind::NoCandidate
    }

    /// Returns whether there are targets, but none is free.
    #[must_use]
    pub fn is_nobody_free(&self) -> bool {
        self.kind == UnavailableKind::NobodyFree
    }
}

/// Of so many targets it is told why they may not serve.
const TOLD: usize = 8;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            UnavailableKind::UnknownModel => f.write_str("no pool serves the requested model"),
            UnavailableKind::NoCandidate => {
                f.write_str("no target of the pool may serve this request")?;
                let more = self.obstacles.len().saturating_sub(TOLD);
                for (index, (target, obstacle)) in self.obstacles().take(TOLD).enumerate() {
                    let start = if index == 0 { ": " } else { "; " };
                    write!(f, "{start}{target}: {obstacle}")?;
                }
                match more {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            UnavailableKind::NobodyFree => match self.retry_in {
                Some(wait) => {
                    write!(
                        f,
                        "no model is free; the first is expected in {:.1} s",
                        wait.as_secs_f64()
                    )
                }
                None => f.write_str("no model is free"),
            },
        }
    }
}

impl std::error::Error for Unavailable {}

/// A score that was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportError {
    pub(crate) kind: ReportErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportErrorKind {
    Foreign,
    Forgotten,
    TooMany,
}

impl ReportError {
    /// Returns whether the id was not issued by this router.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.kind == ReportErrorKind::Foreign
    }

    /// Returns whether it is of another instance's attempt, and too many such reports wait to be passed
    /// on.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        self.kind == ReportErrorKind::TooMany
    }

    /// Returns whether the outcome is too long ago: the ledger is bounded.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.kind == ReportErrorKind::Forgotten
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ReportErrorKind::Foreign => "the outcome id was not issued by this router",
            ReportErrorKind::Forgotten => "the outcome is too long ago to be scored",
            ReportErrorKind::TooMany => {
                "too many reports wait to be passed on to the instance that issued their ids"
            }
        })
    }
}

impl std::error::Error for ReportError {}

/// A value outside its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    pub(crate) what: &'static str,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for OutOfRange {}
