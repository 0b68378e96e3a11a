//! Secrets, and where a file says that they are.

use std::{
    cell::RefCell,
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{assemble::Fault, schema::Spanned};

/// Far more than any key, and no log file that was named by mistake.
const MOST_BYTES: u64 = 64 * 1024;
/// More than all certificates that a system trusts.
const MOST_BYTES_OF_CERTIFICATES: u64 = 1024 * 1024;

/// A text that is never shown, not even in debug output.
#[derive(Clone)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What stands around a file: the environment, and the files beside it.
pub(super) struct Around<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// What relative paths begin at.
    pub(super) folder: &'a Path,
    /// What was read beside the file itself, or looked for.
    pub(super) read: RefCell<Vec<PathBuf>>,
}

impl Around<'_> {
    /// Reads a secret from where the file says it is, if it does: a variable or a file.
    pub(super) fn secret(
        &self,
        variable: Option<&Spanned<String>>,
        file: Option<&Spanned<String>>,
    ) -> Result<Option<Secret>, Fault> {
        match (variable, file) {
            (None, None) => Ok(None),
            (Some(name), None) => self.in_variable(name).map(Some),
            (None, Some(path)) => self.in_file(path).map(Some),
            (Some(_), Some(path)) => Err(Fault::at(
                path,
                "the secret is in an environment variable already; expected one of both",
            )),
        }
    }

    fn in_variable(&self, name: &Spanned<String>) -> Result<Secret, Fault> {
        let text = name.get_ref();
        // Somebody may have put the secret itself here: what does not look like a name is not
        // repeated.
        let shown = if looks_like_a_name(text) { text } else { "" };
        let Some(secret) = (self.variable)(text) else {
            let message = if shown.is_empty() {
                "there is no such environment variable; expected the name of the one that holds the \
                 secret, such as \"OPENAI_API_KEY\""
                    .to_owned()
            } else {
                format!("the environment variable {shown} is not set")
            };
            return Err(Fault::at(name, message));
        };
        // It is one, then, however it looks.
        usable(&secret)
            .map_err(|why| Fault::at(name, format!("environment variable {text}: {why}")))
    }

    /// Reads a file of certificates, which are no secret; but somebody may have named another.
    pub(super) fn certificates(&self, written: &Spanned<String>) -> Result<String, Fault> {
        let (text, _) = self.file(written, MOST_BYTES_OF_CERTIFICATES)?;
        Ok(text)
    }

    fn in_file(&self, written: &Spanned<String>) -> Result<Secret, Fault> {
        let (text, shown) = self.file(written, MOST_BYTES)?;
        usable(&text)
            .map_err(|why| Fault::at(written, format!("{shown} holds no usable secret: {why}")))
    }

    /// Reads a file, and returns by which words it is shown, too.
    fn file<'a>(
        &self,
        written: &'a Spanned<String>,
        most: u64,
    ) -> Result<(String, &'a str), Fault> {
        let text = written.get_ref();
        let path = self.folder.join(text);
        // Likewise: a secret may contain a slash, but begins with none.
        let is_path = text.starts_with(['/', '.']);
        let shown = if is_path { text } else { "the file" };
        let fault = |why: &str| Fault::at(written, format!("{shown} {why}"));
        if text.is_empty() {
            return Err(Fault::at(written, "expected the path of a file"));
        }
        // Also where it is not there: it may come.
        self.read.borrow_mut().push(path.clone());
        let read = read(&path, most).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => fault("does not exist"),
            io::ErrorKind::InvalidData => fault("does not hold text alone"),
            io::ErrorKind::FileTooLarge if most == MOST_BYTES => {
                fault("is larger than 64 KiB, and no secret")
            }
            io::ErrorKind::FileTooLarge => fault("is larger than 1 MiB"),
            io::ErrorKind::IsADirectory => fault("is a folder, and no file"),
            io::ErrorKind::PermissionDenied => fault("may not be read by this user"),
            _ => fault(&format!("cannot be read: {error}")),
        })?;
        Ok((read, shown))
    }
}

fn looks_like_a_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.contains('_') && text.chars().all(allowed)
}

fn read(path: &Path, most: u64) -> io::Result<String> {
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Takes the line break off that editors put at the end.
fn usable(secret: &str) -> Result<Secret, &'static str> {
    let secret = secret.trim();
    if secret.is_empty() {
        return Err("it is empty");
    }
    if !secret.chars().all(|c| c.is_ascii_graphic()) {
        return Err("it holds characters that no header can carry");
    }
    Ok(Secret(secret.into()))
}
