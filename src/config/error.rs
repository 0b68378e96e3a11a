use std::{fmt, ops::Range};

/// A configuration file that says something that cannot be.
#[derive(Debug)]
pub struct ConfigError {
    file: String,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    message: String,
}

impl ConfigError {
    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
        }
    }

    pub(super) fn placed(file: &str, place: (usize, usize), message: &str) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(place),
            message: message.to_owned(),
        }
    }

    pub(super) fn at(file: &str, source: &str, span: Option<Range<usize>>, message: &str) -> Self {
        let place = span.map(|span| place(source, span.start));
        // The parser's messages may run over several lines.
        let message = message.lines().map(str::trim).collect::<Vec<_>>();
        Self {
            file: file.to_owned(),
            place,
            message: message.join(", "),
        }
    }

    /// Returns the line and the column of the fault, from 1, where it has a place.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        self.place
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

fn place(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}
