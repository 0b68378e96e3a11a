use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use serde::Serialize;

use super::{
    cell::{Cell, Table},
    figures::{per_second, share, short},
    tally::Counted,
    trail::{SAMPLES, STEP, Trail},
};
use crate::router::State;

/// Samples that a share and a rate are told of: ten seconds; and a success and a cost: thirty.
const SHARE: usize = 5;
const SUCCESS: usize = 15;
const HOUR: f64 = 3600.0;

/// The last 15 minutes of everything, in steps.
#[derive(Clone, Debug, Serialize)]
pub(in crate::gateway) struct History {
    step_s: u64,
    /// In seconds since 1970; what was not known at a time is `null`.
    at: Vec<f64>,
    series: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Series>>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Series {
    share: Vec<Option<f64>>,
    intended: Vec<Option<f64>>,
    headroom: Vec<Option<f64>>,
    success: Vec<Option<f64>>,
    first_content_p50_s: Vec<Option<f64>>,
    dollars_per_hour: Vec<Option<f64>>,
    per_second: Vec<Option<f64>>,
    state: Vec<Option<State>>,
}

impl History {
    pub(super) fn new(table: &Table) -> Self {
        // A target that came later has a shorter trail, which ends at the same time.
        let longest = table.targets.iter().map(|cell| of(cell, Trail::len)).max();
        let longest = longest.unwrap_or(0).min(SAMPLES);
        let at = table
            .targets
            .iter()
            .find(|cell| of(cell, Trail::len) >= longest);
        let at = at.map(|cell| {
            of(cell, |trail| {
                let times = (0..longest).rev().filter_map(|back| trail.back(back));
                times.map(|sample| sample.at).collect()
            })
        });
        let mut series = BTreeMap::new();
        for pool in &table.pools {
            let targets = table.of_pool(pool);
            let mut sums = vec![Counted::default(); longest];
            for cell in targets {
                of(cell, |trail| {
                    for (sum, back) in sums.iter_mut().zip((0..longest).rev()) {
                        let seen = (back < trail.len()).then(|| trail.around(back, SHARE));
                        if let Some((counted, _)) = seen.flatten() {
                            sum.served += counted.served;
                            sum.intended += counted.intended;
                        }
                    }
                });
            }
            let of_pool: &mut BTreeMap<_, _> = series.entry(pool.name.clone()).or_default();
            for cell in targets {
                let told = of(cell, |trail| Series::new(trail, &sums));
                of_pool.insert(cell.name.clone(), told);
            }
        }
        Self {
            step_s: STEP,
            at: at.unwrap_or_default(),
            series,
        }
    }
}

impl Series {
    fn new(trail: &Trail, sums: &[Counted]) -> Self {
        let mut series = Self::default();
        for (sum, back) in sums.iter().zip((0..sums.len()).rev()) {
            series.push(trail, sum, back);
        }
        series
    }

    fn push(&mut self, trail: &Trail, sum: &Counted, back: usize) {
        let sample = trail.back(back).filter(|_| back < trail.len());
        let around = |steps| sample.and_then(|_| trail.around(back, steps));
        let (near, near_s) = around(SHARE).unwrap_or_default();
        let (wide, wide_s) = around(SUCCESS).unwrap_or_default();
        let part = |part, whole| share(part, whole).and_then(short);
        self.share.push(part(near.served, sum.served));
        self.intended.push(part(near.intended, sum.intended));
        self.success
            .push(part(wide.served, wide.served + wide.failed));
        let rate = |sum: f64, seconds| per_second(sum, seconds).and_then(short);
        self.dollars_per_hour
            .push(rate(wide.dollars * HOUR, wide_s));
        self.per_second.push(rate(near.attempts as f64, near_s));
        let seen = |seen: Option<f32>| seen.map(f64::from).and_then(short);
        self.headroom.push(sample.and_then(|it| seen(it.headroom)));
        self.first_content_p50_s
            .push(sample.and_then(|it| seen(it.first_content)));
        self.state.push(sample.map(|it| it.state));
    }
}

fn of<T>(cell: &Cell, f: impl FnOnce(&Trail) -> T) -> T {
    f(&cell.trail.lock().unwrap_or_else(PoisonError::into_inner))
}
