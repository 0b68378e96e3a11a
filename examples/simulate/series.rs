//! Who served, and how well, over time.

use crate::{setting::Setting, traffic::Request, world::Record};

/// Counts by time of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    pub(crate) bins: Vec<Bin>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bin {
    pub(crate) requests: f64,
    pub(crate) successes: f64,
    /// By model.
    pub(crate) served: Vec<f64>,
}

const BINS: usize = 70;

impl Series {
    pub(crate) fn new(setting: &Setting, requests: &[Request], records: &[Record]) -> Self {
        let empty = Bin {
            served: vec![0.0; setting.models.len()],
            ..Bin::default()
        };
        let mut bins = vec![empty; BINS];
        for (request, record) in requests.iter().zip(records) {
            let at = request.at_s / setting.duration_s * BINS as f64;
            let bin = &mut bins[(at as usize).min(BINS - 1)];
            bin.requests += 1.0;
            if let Some(answer) = &record.delivered {
                bin.served[answer.model] += 1.0;
                let in_time = answer.after_s <= setting.slo_s;
                bin.successes += f64::from(u8::from(in_time && answer.right));
            }
        }
        Self { bins }
    }

    /// Adds what another seed brought.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.bins.is_empty() {
            self.bins.clone_from(&other.bins);
            return;
        }
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.requests += other.requests;
            bin.successes += other.successes;
            for (served, other) in bin.served.iter_mut().zip(&other.served) {
                *served += other;
            }
        }
    }
}
