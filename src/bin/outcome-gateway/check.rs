//! Says what a configuration means, and what is wrong with it.

use std::{error::Error, path::PathBuf};

use clap::Args;
use tower_outcome::config::Config;

/// Check a configuration file, and serve nothing.
///
/// Ends with 0 where the file is good and with 1 where it is not.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// The configuration file, in TOML.
    file: PathBuf,
    /// End with 1 where there are warnings, too.
    #[arg(long)]
    strict: bool,
}

impl Check {
    /// Speaks by `tell` of what the file means, and by `say` of warnings.
    pub(crate) fn run(self, tell: impl Fn(&str), say: impl Fn(&str)) -> Result<(), Box<dyn Error>> {
        let config = Config::load(&self.file)?;
        tell(config.describe().to_string().trim_end());
        let file = self.file.display();
        let warnings: Vec<_> = config.warnings().collect();
        for warning in &warnings {
            say(&format!("{file}: warning: {warning}"));
        }
        match warnings.len() {
            0 => tell(&format!("\n{file} is good")),
            _ if self.strict => return Err(format!("{file}: there are warnings").into()),
            1 => tell(&format!("\n{file} can be served; there is a warning")),
            several => tell(&format!(
                "\n{file} can be served; there are {several} warnings"
            )),
        }
        Ok(())
    }
}
