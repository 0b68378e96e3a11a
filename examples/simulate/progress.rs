use std::{
    io::{IsTerminal, Write, stderr},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A bar on the terminal, if there is one.
#[derive(Debug)]
pub(crate) struct Progress {
    done: AtomicUsize,
    all: usize,
    shown: bool,
}

const WIDTH: usize = 40;

impl Progress {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            done: AtomicUsize::new(0),
            all,
            shown: stderr().is_terminal(),
        }
    }

    pub(crate) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.shown {
            let full = WIDTH * done / self.all.max(1);
            let (full, empty) = ("=".repeat(full), " ".repeat(WIDTH - full.min(WIDTH)));
            // A bar that cannot be drawn is no reason to stop.
            let _drawn = write!(stderr(), "\r[{full}{empty}] {done}/{} runs", self.all);
        }
    }

    pub(crate) fn done(&self) {
        if self.shown {
            let _drawn = write!(stderr(), "\r{:1$}\r", "", WIDTH + 30);
        }
    }
}
