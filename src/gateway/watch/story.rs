use serde::Serialize;

/// What a demonstration is telling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Story {
    /// The time of day within the story, such as `14:02:10`.
    pub clock: String,
    /// What is happening, in words.
    pub phase: String,
    /// Whether it is still being told.
    pub running: bool,
}

impl Story {
    /// Creates a moment of a story that is being told.
    #[must_use]
    pub fn new(clock: impl Into<String>, phase: impl Into<String>) -> Self {
        Self {
            clock: clock.into(),
            phase: phase.into(),
            running: true,
        }
    }

    /// Says whether it is still being told.
    #[must_use]
    pub fn running(mut self, running: bool) -> Self {
        self.running = running;
        self
    }
}

/// Where the configuration came from.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::gateway) struct Loaded {
    file: Option<String>,
    /// In seconds since 1970.
    loaded_at: f64,
    /// Why the last try to load it anew failed.
    error: Option<String>,
}

impl Loaded {
    pub(super) fn at(at: f64) -> Self {
        Self {
            loaded_at: at,
            ..Self::default()
        }
    }

    pub(super) fn update(&mut self, file: Option<String>, error: Option<String>, at: f64) {
        self.file = file.or(self.file.take());
        if error.is_none() {
            self.loaded_at = at;
        }
        self.error = error;
    }
}
