use std::collections::VecDeque;

use super::{
    histogram::{Histogram, Reading},
    tally::{Counted, Tally},
};
use crate::router::State;

/// Between two samples, in seconds.
pub(super) const STEP: u64 = 2;
/// As many as span 15 minutes.
pub(super) const SAMPLES: usize = 450;
/// Samples between two readings of the histograms, and so many are kept: five minutes.
const STRIDE: usize = 5;
const READINGS: usize = 30;

/// How a target went over the last 15 minutes: readings of what only ever grows, so that any stretch
/// of time is the difference of two.
#[derive(Debug)]
pub(super) struct Trail {
    samples: VecDeque<Sample>,
    /// The newest is the last.
    readings: VecDeque<[Reading; 2]>,
    /// Samples since the last of the readings.
    stride: usize,
}

/// A target at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Seconds since 1970.
    pub(super) at: f64,
    pub(super) counted: Counted,
    pub(super) headroom: Option<f32>,
    pub(super) first_content: Option<f32>,
    pub(super) state: State,
}

impl Trail {
    /// Begins with what `tally` has counted so far.
    pub(super) fn new(tally: &Tally, at: f64) -> Self {
        let first = Sample {
            at,
            counted: tally.read(),
            headroom: None,
            first_content: None,
            state: State::Healthy,
        };
        Self {
            samples: VecDeque::from([first]),
            readings: VecDeque::from([read(tally)]),
            stride: 0,
        }
    }

    /// Adds a sample; the oldest goes.
    pub(super) fn push(&mut self, sample: Sample, tally: &Tally) {
        // One more than is shown: a stretch begins with the sample before it.
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.stride += 1;
        if self.stride >= STRIDE {
            self.stride = 0;
            if self.readings.len() >= READINGS {
                self.readings.pop_front();
            }
            self.readings.push_back(read(tally));
        }
    }

    /// Returns how many samples there are, the one it began with left out.
    pub(super) fn len(&self) -> usize {
        self.samples.len() - 1
    }

    /// Returns the sample before so many of the last ones, or the first there is.
    pub(super) fn back(&self, steps: usize) -> Option<&Sample> {
        let last = self.samples.len().checked_sub(1)?;
        self.samples.get(last.saturating_sub(steps))
    }

    /// Returns what was counted over the last so many seconds, or since the beginning, and over how
    /// many that was.
    pub(super) fn lately(&self, counted: &Counted, at: f64, seconds: u64) -> (Counted, f64) {
        let steps = usize::try_from(seconds / STEP).unwrap_or(SAMPLES);
        match self.back(steps.saturating_sub(1)) {
            Some(base) => (counted.since(&base.counted), (at - base.at).max(0.0)),
            None => (*counted, 0.0),
        }
    }

    /// Returns what was counted over a few samples that end `back` samples ago, and over how many
    /// seconds that was.
    pub(super) fn around(&self, back: usize, steps: usize) -> Option<(Counted, f64)> {
        let end = self.back(back)?;
        let base = self.back(back.saturating_add(steps))?;
        Some((
            end.counted.since(&base.counted),
            (end.at - base.at).max(0.0),
        ))
    }

    /// Returns the quantiles of the time to the first content and of the whole answer: of the last
    /// minute, or of the last five where that has few.
    pub(super) fn quantiles<const N: usize>(
        &self,
        tally: &Tally,
        shares: [f64; N],
    ) -> [[Option<f64>; N]; 2] {
        let now = read(tally);
        let minute = self.readings.len().saturating_sub(MINUTE);
        let (minute, all) = (self.readings.get(minute), self.readings.front());
        let mut quantiles = [[None; N]; 2];
        for (index, (to, now)) in quantiles.iter_mut().zip(&now).enumerate() {
            let since = |base: Option<&[Reading; 2]>| {
                let base = base.and_then(|both| both.get(index));
                base.map_or_else(|| now.clone(), |base| now.since(base))
            };
            let mut lately = since(minute);
            if lately.count() < FEW {
                lately = since(all);
            }
            *to = shares.map(|share| lately.quantile(share));
        }
        quantiles
    }
}

/// Readings that span a minute.
const MINUTE: usize = 6;
/// Too few to speak of their quantiles.
const FEW: u64 = 20;

/// Reads the histograms of a tally.
fn read(tally: &Tally) -> [Reading; 2] {
    [&tally.first_content, &tally.total].map(Histogram::read)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::watch::tally::End;

    fn sample(at: f64, tally: &Tally) -> Sample {
        Sample {
            at,
            counted: tally.read(),
            headroom: None,
            first_content: None,
            state: State::Healthy,
        }
    }

    fn serve(tally: &Tally, millis: u64) {
        let took = Duration::from_millis(millis);
        tally.end(End::Served, false, took, Some(took));
    }

    #[test]
    fn a_stretch_of_time_is_the_difference_of_two_samples() {
        let tally = Tally::new();
        let mut trail = Trail::new(&tally, 0.0);
        for step in 1..=2000_u32 {
            serve(&tally, 10);
            trail.push(sample(f64::from(step) * 2.0, &tally), &tally);
        }
        assert_eq!(trail.len(), SAMPLES);
        let (lately, seconds) = trail.lately(&tally.read(), 4001.0, 60);
        assert_eq!((lately.served, seconds), (29, 59.0));
        let (all, _) = trail.lately(&tally.read(), 4001.0, 100_000);
        assert_eq!(all.served, SAMPLES as u64);
        assert_eq!(
            trail.around(10, 5).map(|(it, s)| (it.served, s)),
            Some((5, 10.0))
        );
        assert_eq!(
            trail.around(0, 0).map(|(it, s)| (it.served, s)),
            Some((0, 0.0))
        );
    }

    #[test]
    fn a_young_trail_tells_what_there_is() {
        let tally = Tally::new();
        serve(&tally, 10);
        let trail = Trail::new(&tally, 5.0);
        serve(&tally, 10);
        let (lately, seconds) = trail.lately(&tally.read(), 6.0, 60);
        assert_eq!((lately.served, seconds), (1, 1.0));
        assert_eq!(trail.len(), 0);
    }

    #[test]
    fn quantiles_are_of_the_last_minute_unless_that_has_few() {
        let tally = Tally::new();
        let mut trail = Trail::new(&tally, 0.0);
        for step in 0..100_u32 {
            for _ in 0..if step < 60 { 50 } else { 1 } {
                serve(&tally, if step < 60 { 100 } else { 1000 });
            }
            trail.push(sample(f64::from(step) * 2.0, &tally), &tally);
        }
        let [[first], [total]] = trail.quantiles(&tally, [0.5]);
        assert_eq!(first, total);
        assert!((first.unwrap() - 1.0).abs() < 0.13, "{first:?}");
        for step in 100..140_u32 {
            trail.push(sample(f64::from(step) * 2.0, &tally), &tally);
        }
        let [[first], _] = trail.quantiles(&tally, [0.5]);
        assert!((first.unwrap() - 0.1).abs() < 0.02, "{first:?}");
    }
}
