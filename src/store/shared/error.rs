use std::{error::Error, fmt};

/// Why an exchange did not come about.
#[derive(Debug)]
pub struct StoreError {
    kind: Kind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Unreachable,
    Refused(String),
    Nonsense(&'static str),
    Lacking(String),
}

impl StoreError {
    /// It cannot be reached, or did not answer.
    #[must_use]
    pub fn unreachable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Unreachable,
            source: Some(source.into()),
        }
    }

    /// It answered that it will not; `why` in its own words, without secrets.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self {
            kind: Kind::Refused(why.into()),
            source: None,
        }
    }

    /// It answered something that makes no sense.
    #[must_use]
    pub fn nonsense(what: &'static str) -> Self {
        Self {
            kind: Kind::Nonsense(what),
            source: None,
        }
    }

    /// It lacks something without which it is of no use, such as a newer version.
    #[must_use]
    pub fn lacking(what: impl Into<String>) -> Self {
        Self {
            kind: Kind::Lacking(what.into()),
            source: None,
        }
    }

    /// Returns whether it could not be reached.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self.kind, Kind::Unreachable)
    }

    /// Returns whether it lacks something: trying again does not help until somebody mends it.
    #[must_use]
    pub fn is_lacking(&self) -> bool {
        matches!(self.kind, Kind::Lacking(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unreachable => match &self.source {
                Some(source) => write!(f, "it cannot be reached: {source}"),
                None => f.write_str("it cannot be reached"),
            },
            Kind::Refused(why) => write!(f, "it refused: {why}"),
            Kind::Nonsense(what) => write!(f, "it answered with nonsense: {what}"),
            Kind::Lacking(what) => write!(f, "it will not do: {what}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
