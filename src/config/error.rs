use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{assemble::Fault, find::way_to};

/// A configuration file that says something that cannot be.
#[derive(Debug)]
pub struct ConfigError {
    file: String,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
    message: String,
    /// The files of secrets that were looked for until then.
    files: Vec<PathBuf>,
}

impl ConfigError {
    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            files: Vec::new(),
        }
    }

    pub(super) fn placed(file: &str, place: (usize, usize), message: &str) -> Self {
        Self {
            file: file.to_owned(),
            place: Some(place),
            message: message.to_owned(),
            files: Vec::new(),
        }
    }

    pub(super) fn new(file: &str, source: &str, fault: Fault) -> Self {
        let span = fault.span;
        let valued = span.as_ref().filter(|_| !fault.of_table);
        let way = valued.and_then(|span| way_to(source, span.start));
        Self {
            file: file.to_owned(),
            place: span.map(|span| place(source, span.start)),
            message: match way.as_deref().and_then(<[_]>::last) {
                Some(key) => format!("{key}: {}", fault.message),
                None => fault.message,
            },
            files: Vec::new(),
        }
    }

    /// Adds the files of secrets that were looked for.
    pub(super) fn looked_for(mut self, files: Vec<PathBuf>) -> Self {
        self.files = files;
        self
    }

    /// Returns the files beside the configuration itself that were looked for: a change of one of
    /// them may mend it.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
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
