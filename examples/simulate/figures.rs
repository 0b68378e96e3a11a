//! The figures of one run, and their means over the seeds.

use crate::{
    detection::{Detection, detect},
    setting::Setting,
    traffic::Request,
    world::Record,
};

/// The figures of one cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) success: f64,
    pub(crate) in_time: f64,
    pub(crate) unanswered: f64,
    pub(crate) waste: f64,
    pub(crate) p50_s: f64,
    pub(crate) p99_s: f64,
    pub(crate) usd: f64,
    pub(crate) utility: f64,
    /// Of first attempts, by model.
    pub(crate) shares: Vec<f64>,
    pub(crate) detection: Detection,
}

impl Figures {
    /// All are per request.
    pub(crate) fn new(setting: &Setting, requests: &[Request], records: &[Record]) -> Self {
        let n = (records.len() as f64).max(1.0);
        let mut shares = vec![0.0; setting.models.len()];
        let (mut success, mut in_time, mut unanswered) = (0.0, 0.0, 0.0);
        let (mut waste, mut usd) = (0.0, 0.0);
        let mut latencies = Vec::with_capacity(records.len());
        for record in records {
            if let Some(first) = record.first {
                shares[first] += 1.0 / n;
            }
            waste += f64::from(record.attempts - record.answers);
            usd += record.usd;
            let Some(answer) = &record.delivered else {
                unanswered += 1.0;
                latencies.push(f64::INFINITY);
                continue;
            };
            latencies.push(answer.after_s);
            if answer.after_s <= setting.slo_s {
                in_time += 1.0;
                success += f64::from(u8::from(answer.right));
            }
        }
        latencies.sort_by(f64::total_cmp);
        Self {
            requests: records.len(),
            success: success / n,
            in_time: in_time / n,
            unanswered: unanswered / n,
            waste: waste / n,
            p50_s: percentile(&latencies, 0.50),
            p99_s: percentile(&latencies, 0.99),
            usd: usd / n,
            utility: success / n - setting.usd_weight * usd / n,
            shares,
            detection: detect(setting, requests, records),
        }
    }
}

/// The nearest rank at or above.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The means of one scenario and policy over the seeds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) policy: String,
    pub(crate) seeds: usize,
    pub(crate) requests: f64,
    pub(crate) success_pct: f64,
    pub(crate) in_time_pct: f64,
    pub(crate) err_pct: f64,
    pub(crate) waste_per_1k: f64,
    pub(crate) regret_per_1k: f64,
    pub(crate) p50_s: f64,
    pub(crate) p99_s: f64,
    pub(crate) ttd_s: Mean,
    pub(crate) ttd_requests: Mean,
    pub(crate) ttr_s: Mean,
    pub(crate) cost_usd_per_1k: f64,
    /// Standard error of `success_pct` over the seeds.
    pub(crate) success_error: f64,
    pub(crate) shares: Vec<f64>,
}

/// The mean of a figure that not every seed has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mean {
    pub(crate) mean: Option<f64>,
    pub(crate) of: usize,
}

impl Row {
    /// `oracle` has the same seeds in the same order.
    pub(crate) fn new(
        scenario: &str,
        policy: &str,
        cells: &[&Figures],
        oracle: &[&Figures],
    ) -> Self {
        let mean = |figure: fn(&Figures) -> f64| mean(cells.iter().map(|cell| figure(cell)));
        let some = |figure: fn(&Detection) -> Option<f64>| {
            let found: Vec<f64> = cells
                .iter()
                .filter_map(|cell| figure(&cell.detection))
                .collect();
            Mean {
                mean: (!found.is_empty()).then(|| self::mean(found.iter().copied())),
                of: found.len(),
            }
        };
        let regrets = cells
            .iter()
            .zip(oracle)
            .map(|(cell, best)| best.utility - cell.utility);
        let models = cells.first().map_or(0, |cell| cell.shares.len());
        Self {
            scenario: scenario.to_owned(),
            policy: policy.to_owned(),
            seeds: cells.len(),
            requests: mean(|cell| cell.requests as f64),
            success_pct: 100.0 * mean(|cell| cell.success),
            in_time_pct: 100.0 * mean(|cell| cell.in_time),
            err_pct: 100.0 * mean(|cell| cell.unanswered),
            waste_per_1k: 1000.0 * mean(|cell| cell.waste),
            regret_per_1k: 1000.0 * self::mean(regrets),
            p50_s: mean(|cell| cell.p50_s),
            p99_s: mean(|cell| cell.p99_s),
            ttd_s: some(|found| found.ttd_s),
            ttd_requests: some(|found| found.ttd_requests),
            ttr_s: some(|found| found.ttr_s),
            cost_usd_per_1k: 1000.0 * mean(|cell| cell.usd),
            success_error: standard_error(cells.iter().map(|cell| 100.0 * cell.success)),
            shares: (0..models)
                .map(|model| self::mean(cells.iter().map(|cell| cell.shares[model])))
                .collect(),
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    if n == 0.0 { 0.0 } else { sum / n }
}

fn standard_error(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count() as f64;
    if n < 2.0 {
        return 0.0;
    }
    let middle = mean(values.clone());
    let squares: f64 = values.map(|value| (value - middle).powi(2)).sum();
    (squares / (n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_counts_what_never_came() {
        let sorted = [1.0, 2.0, 3.0, f64::INFINITY];
        assert_eq!(percentile(&sorted, 0.50), 2.0);
        assert_eq!(percentile(&sorted, 0.99), f64::INFINITY);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn the_standard_error_is_that_of_the_mean() {
        assert!((standard_error([1.0, 3.0].into_iter()) - 1.0).abs() < 1e-9);
        assert_eq!(standard_error([5.0].into_iter()), 0.0);
    }
}
