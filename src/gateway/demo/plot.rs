use std::time::Duration;

use super::{cast::Cast, clock::Clock};
use crate::gateway::scripted::Script;

/// What a demonstration shows: who plays, and what happens when.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) cast: Cast,
    /// The time of day with which it begins.
    pub(super) clock: Clock,
    /// When each scene begins, counted from the start, and what happens in it.
    pub(super) scenes: Vec<(Duration, &'static str)>,
    pub(super) end: Duration,
}

pub(super) const FIRST: &str = "gpt-4o";
pub(super) const SECOND: &str = "gpt-4o-mini";
pub(super) const THIRD: &str = "llama-3.3-70b";
pub(super) const OTHER_FIRST: &str = "claude-haiku-4-5";
pub(super) const OTHER_SECOND: &str = "mistral-small";

impl Plot {
    /// An afternoon: from 2 pm on the first model slows, fails, hits its wall and comes back, and
    /// meanwhile the second one reaches its limit.
    pub(super) fn afternoon() -> Self {
        let first = Script::new()
            .latency(millis(320))
            .writing(millis(500))
            .spread(0.35)
            .usage(900, 220)
            .slow(secs(SLOW)..secs(FAILING), secs(5))
            .failing(secs(FAILING)..secs(WALL), 0.9)
            .wall_during(secs(WALL)..secs(BACK), secs(BACK - WALL))
            .limit(40.0, 400);
        let second = Script::new()
            .latency(millis(210))
            .writing(millis(300))
            .spread(0.35)
            .usage(900, 220)
            .limit(11.0, 90);
        Self {
            cast: Cast::new(first, second),
            clock: Clock::at(13, 59, 60 - SLOW),
            scenes: vec![
                (
                    secs(0),
                    "All is well: everybody gets the model they ask for",
                ),
                (secs(SLOW), "gpt-4o gets slower and slower"),
                (secs(FAILING), "gpt-4o fails: most of its answers are a 503"),
                (secs(WALL), "gpt-4o hits its wall: a 429 to everything"),
                (
                    secs(BACK),
                    "gpt-4o is back, and gets its traffic back step by step",
                ),
                (secs(WELL), "All is well again"),
            ],
            end: secs(END),
        }
    }

    /// A wall without any warning.
    pub(super) fn wall() -> Self {
        let quick = Script::new()
            .spread(0.35)
            .usage(900, 220)
            .latency(millis(120));
        let first = quick.clone().wall_during(secs(8)..secs(20), secs(4));
        let second = quick.limit(40.0, 400);
        Self {
            cast: Cast::new(first, second),
            clock: Clock::at(13, 59, 52),
            scenes: vec![
                (
                    secs(0),
                    "All is well: everybody gets the model they ask for",
                ),
                (secs(8), "gpt-4o answers 429 to everything, without warning"),
                (
                    secs(20),
                    "gpt-4o is back, and gets its traffic back step by step",
                ),
                (secs(35), "All is well again"),
            ],
            end: secs(45),
        }
    }

    /// Returns what happens at a time from the start, and whether the story still goes on.
    pub(super) fn scene(&self, elapsed: Duration) -> (&'static str, bool) {
        if elapsed >= self.end {
            return (OVER, false);
        }
        let begun = self.scenes.iter().rev().find(|(from, _)| *from <= elapsed);
        (begun.map_or("", |(_, what)| what), true)
    }
}

const OVER: &str = "The story is over: \u{201c}Replay\u{201d} tells it again";

// When each scene begins, in seconds. There is time before the first to open the page.
const SLOW: u32 = 15;
const FAILING: u32 = 28;
const WALL: u32 = 34;
const BACK: u32 = 56;
const WELL: u32 = 76;
const END: u32 = 90;

fn secs(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
