use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use tower_outcome::config::litellm::{self, NoteKind};

/// Write the configuration of a LiteLLM proxy as one of the gateway.
#[derive(Debug, Args)]
pub(crate) struct ImportLitellm {
    /// The configuration of the proxy, in YAML.
    file: PathBuf,
    /// Where to write; unless given, the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file if it is there.
    #[arg(long, requires = "output")]
    force: bool,
}

impl ImportLitellm {
    /// Writes what can be carried over, and says what cannot.
    pub(crate) fn run(&self, say: impl Fn(&str)) -> Result<(), Box<dyn Error>> {
        let file = self.file.display().to_string();
        let source = fs::read_to_string(&self.file)
            .map_err(|error| format!("{file}: cannot be read: {error}"))?;
        let imported = litellm::import(&file, &source, |name| std::env::var(name).ok())?;
        match &self.output {
            Some(path) => self.write(path, imported.toml())?,
            None => io::stdout().lock().write_all(imported.toml().as_bytes())?,
        }
        for note in imported.notes() {
            let what = match note.kind() {
                NoteKind::Todo => "to be done",
                NoteKind::Lost => "not carried over",
                _ => "done in another way",
            };
            let mut places = note.places();
            let (line, column) = places.next().unwrap_or((1, 1));
            let others: Vec<_> = places.map(|(line, _)| line.to_string()).collect();
            let others = match others.as_slice() {
                [] => String::new(),
                [line] => format!(" (and in line {line})"),
                others => format!(" (and in lines {})", others.join(", ")),
            };
            let text = note.text();
            say(&format!("{file}:{line}:{column}: {what}: {text}{others}"));
        }
        Ok(())
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), String> {
        let shown = path.display();
        let opened = if self.force {
            File::create(path)
        } else {
            File::create_new(path)
        };
        let mut file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{shown}: it is there already; --force overwrites it")
            }
            _ => format!("{shown}: cannot be written: {error}"),
        })?;
        file.write_all(text.as_bytes())
            .map_err(|error| format!("{shown}: cannot be written: {error}"))
    }
}
