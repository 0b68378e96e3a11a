use std::{error::Error, fmt, ops::Range, path::Path};

/// A mistake in a file: where, and what is wrong.
#[derive(Debug)]
pub(crate) struct Mistake {
    file: String,
    line: Option<usize>,
    what: String,
}

impl Mistake {
    /// A mistake that has no line of its own, such as a file that cannot be read.
    pub(crate) fn in_file(file: &Path, what: impl Into<String>) -> Self {
        Self {
            file: file.display().to_string(),
            line: None,
            what: what.into(),
        }
    }

    pub(crate) fn at_line(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::in_file(file, what)
        }
    }

    /// A mistake at a place in the text of a file, counted in bytes.
    pub(crate) fn at_span(
        file: &Path,
        text: &str,
        span: &Range<usize>,
        what: impl Into<String>,
    ) -> Self {
        let before = text.as_bytes().iter().take(span.start);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Self::at_line(file, line, what)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

impl Error for Mistake {}

/// Reads a text file that must hold something.
pub(crate) fn read(file: &Path) -> Result<String, Mistake> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Mistake::in_file(file, format!("cannot be read: {error}")))?;
    if text.trim().is_empty() {
        return Err(Mistake::at_line(file, 1, "the file is empty"));
    }
    Ok(text)
}
