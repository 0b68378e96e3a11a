use std::fmt;

/// Reports that a body cannot be read as JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotJson,
    TooDeep,
}

impl Error {
    pub(super) const fn not_json(offset: usize) -> Self {
        let kind = Kind::NotJson;
        Self { kind, offset }
    }

    pub(super) const fn too_deep(offset: usize) -> Self {
        let kind = Kind::TooDeep;
        Self { kind, offset }
    }

    /// Returns whether there are more than 128 levels of brackets, as opposed to something that is
    /// not JSON or not of the type that was asked for.
    #[must_use]
    pub const fn is_too_deep(&self) -> bool {
        matches!(self.kind, Kind::TooDeep)
    }

    /// Returns the offset of the first byte that could not be taken, in the whole body. In a
    /// document that is cut short it is the length.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::NotJson => "not the expected JSON",
            Kind::TooDeep => "nested too deeply",
        };
        write!(f, "{what} at byte {}", self.offset)
    }
}

impl std::error::Error for Error {}
