use std::{fmt, time::Duration};

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

    /// Returns whether the hints or the wire format rule out every target of the pool.
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

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            UnavailableKind::UnknownModel => f.write_str("no pool serves the requested model"),
            UnavailableKind::NoCandidate => {
                f.write_str("no target of the pool may serve this request")
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
}

impl ReportError {
    /// Returns whether the id was not issued by this router.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.kind == ReportErrorKind::Foreign
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
