use std::io::{self, IsTerminal as _, Stdout, Write as _};

/// Where no terminal keeps the table in place, it is printed this often, in seconds.
const EVERY: u32 = 5;

/// A terminal with a table that stays below the news, or plain lines.
#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    terminal: bool,
    table: Vec<String>,
    refreshes: u32,
}

impl Screen {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        Self {
            terminal: out.is_terminal(),
            out,
            table: Vec::new(),
            refreshes: 0,
        }
    }

    /// Prints a line of text.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Prints a line above the table.
    pub(super) fn news(&mut self, line: &str) -> io::Result<()> {
        self.erase()?;
        writeln!(self.out, "{line}")?;
        self.draw()
    }

    /// Replaces the table.
    pub(super) fn table(&mut self, table: &[String], last: bool) -> io::Result<()> {
        self.refreshes += 1;
        if self.terminal {
            self.erase()?;
            self.table = table.to_vec();
            self.draw()
        } else if last || self.refreshes.is_multiple_of(EVERY) {
            for line in table {
                writeln!(self.out, "{line}")?;
            }
            self.out.flush()
        } else {
            Ok(())
        }
    }

    /// Moves up over the table and clears what is below.
    fn erase(&mut self) -> io::Result<()> {
        match self.table.len() {
            0 => Ok(()),
            lines => write!(self.out, "\x1b[{lines}A\x1b[J"),
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        for line in &self.table {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}
