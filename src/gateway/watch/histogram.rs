use std::{
    array,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Six buckets per doubling, each 12 % wide, from a millisecond to three quarters of an hour.
const BUCKETS: usize = 128;
const PER_DOUBLING: f64 = 6.0;
/// Where the first bucket begins, in seconds.
const FIRST: f64 = 0.001;

/// How long answers took, counted since the start without a lock.
#[derive(Debug)]
pub(super) struct Histogram([AtomicU32; BUCKETS]);

/// What a histogram had counted at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading(Box<[u32; BUCKETS]>);

impl Histogram {
    pub(super) fn new() -> Self {
        Self(array::from_fn(|_| AtomicU32::new(0)))
    }

    pub(super) fn record(&self, took: Duration) {
        let doublings = (took.as_secs_f64() / FIRST).max(1.0).log2();
        let bucket = ((doublings * PER_DOUBLING) as usize).min(BUCKETS - 1);
        if let Some(count) = self.0.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Reading {
        let mut counts = Box::new([0; BUCKETS]);
        for (to, count) in counts.iter_mut().zip(&self.0) {
            *to = count.load(Ordering::Relaxed);
        }
        Reading(counts)
    }
}

impl Reading {
    /// Returns what was counted since an earlier reading. Counts may have wrapped once between them.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.0.clone();
        for (count, before) in counts.iter_mut().zip(earlier.0.iter()) {
            *count = count.wrapping_sub(*before);
        }
        Self(counts)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|count| u64::from(*count)).sum()
    }

    /// Returns below how many seconds a share of what was counted is, from 0 to 1.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let wanted = share.clamp(0.0, 1.0) * all as f64;
        let mut below = 0.0;
        let mut last = 0.0;
        for (bucket, count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            let count = f64::from(*count);
            let within = ((wanted - below) / count).clamp(0.0, 1.0);
            last = FIRST * ((bucket as f64 + within) / PER_DOUBLING).exp2();
            below += count;
            if below >= wanted {
                break;
            }
        }
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_the_width_of_a_bucket() {
        let histogram = Histogram::new();
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        let reading = histogram.read();
        for (share, seconds) in [(0.05, 0.05), (0.5, 0.5), (0.95, 0.95), (1.0, 1.0)] {
            let told = reading.quantile(share).unwrap();
            assert!((told / seconds - 1.0).abs() < 0.13, "{share}: {told}");
        }
    }

    #[test]
    fn only_what_came_since_an_earlier_reading_counts() {
        let histogram = Histogram::new();
        histogram.record(Duration::from_secs(30));
        let before = histogram.read();
        assert_eq!(histogram.read().since(&before).quantile(0.5), None);
        histogram.record(Duration::from_millis(100));
        let since = histogram.read().since(&before);
        assert_eq!(since.count(), 1);
        assert!((since.quantile(0.95).unwrap() - 0.1).abs() < 0.02);
    }

    #[test]
    fn extremes_are_counted_at_the_ends() {
        let histogram = Histogram::new();
        histogram.record(Duration::ZERO);
        histogram.record(Duration::MAX);
        let reading = histogram.read();
        assert_eq!(reading.count(), 2);
        assert!(reading.quantile(0.0).unwrap() >= 0.001);
        assert!(reading.quantile(1.0).unwrap() > 2000.0);
    }
}
