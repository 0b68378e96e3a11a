use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{clock::Clock, plot::Plot};
use crate::{gateway::scripted::Scripted, router::Pool};

/// A story that is being told: its providers, and when it began.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) plot: Plot,
    providers: Vec<Scripted>,
    start: Mutex<Instant>,
}

impl Stage {
    /// Begins to tell a story. Returns the pools that it is about, too.
    pub(super) async fn open(plot: Plot) -> io::Result<(Self, Vec<Pool>)> {
        let (providers, pools) = plot.cast.enter().await?;
        let stage = Self {
            plot,
            providers,
            start: Mutex::new(Instant::now()),
        };
        Ok((stage, pools))
    }

    /// Begins the story again.
    pub(super) fn replay(&self) {
        *self.start() = Instant::now();
        for provider in &self.providers {
            provider.restart();
        }
    }

    /// Returns how far the story has come.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(*self.start())
    }

    /// Returns the time of day within the story.
    pub(super) fn clock(&self, now: Instant) -> Clock {
        self.plot.clock.after(self.elapsed(now))
    }

    fn start(&self) -> MutexGuard<'_, Instant> {
        self.start.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
