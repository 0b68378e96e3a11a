#[cfg(feature = "store")]
use super::names;
use super::{
    Metrics,
    names::{
        CASCADES, COOLDOWN, COST, HEADROOM, HEALTH, IN_FLIGHT, MODE, Metric, PAID_TWICE, PANICS,
        PASSED, QUALITY, REPEATS, SCORES, STATE, WAITING, WALL, WASTED_COST,
    },
};
use crate::router::{Counts, Mode, Passed, PoolSnapshot, Snapshot, State, TargetSnapshot};
#[cfg(feature = "store")]
use crate::store::Writes;

impl Metrics {
    /// Brings up to date what is read from a snapshot: the states of targets and pools, what is left
    /// of limits, costs, and counts beside attempts.
    pub fn refresh(&self, snapshot: &Snapshot) {
        self.count(&snapshot.counts);
        for pool in &snapshot.pools {
            self.show_pool(pool);
            for target in &pool.targets {
                self.show_target(&pool.name, target);
            }
        }
    }

    /// Brings up to date how often state was kept.
    #[cfg(feature = "store")]
    pub fn refresh_store(&self, writes: Writes) {
        self.absolute(&names::STORE_WRITES, &[], writes.done);
        self.absolute(&names::STORE_FAILURES, &[], writes.failed);
        self.absolute(&names::STORE_REFUSALS, &[], writes.refused);
    }

    fn count(&self, counts: &Counts) {
        for why in Passed::ALL {
            let passed = counts.passed_through.iter();
            let count = passed.filter(|(reason, _)| *reason == why).map(|(_, n)| n);
            self.absolute(&PASSED, &[why.as_str()], count.sum());
        }
        for (metric, count) in [
            (&REPEATS, counts.repeats),
            (&PAID_TWICE, counts.paid_twice),
            (&CASCADES, counts.cascades),
            (&SCORES, counts.reports),
        ] {
            self.absolute(metric, &[], count);
        }
        for (place, count) in [
            ("policy", counts.policy_panics),
            ("classifier", counts.classifier_panics),
            ("task_classifier", counts.task_panics),
            ("check", counts.check_panics),
            ("observer", counts.observer_panics),
        ] {
            self.absolute(&PANICS, &[place], count);
        }
        self.set(&WAITING, &[], counts.waiting as f64);
    }

    fn show_pool(&self, pool: &PoolSnapshot) {
        for (mode, name) in [
            (Mode::Route, "route"),
            (Mode::Observe, "observe"),
            (Mode::Off, "off"),
        ] {
            let is = u8::from(pool.mode == mode);
            self.set(&MODE, &[&pool.name, name], f64::from(is));
        }
    }

    fn show_target(&self, pool: &str, target: &TargetSnapshot) {
        let of = [pool, &target.name];
        for state in State::ALL {
            let is = u8::from(target.state == state);
            self.set(&STATE, &[pool, &target.name, state.as_str()], is.into());
        }
        self.set(&IN_FLIGHT, &of, target.in_flight.into());
        self.set(&HEALTH, &of, target.health);
        self.set(&QUALITY, &of, target.quality);
        self.set(&HEADROOM, &of, target.headroom.unwrap_or(f64::NAN));
        self.set(&WALL, &of, target.wall_in_s.unwrap_or(f64::INFINITY));
        self.set(&COOLDOWN, &of, target.rate_limited_s.unwrap_or(0.0));
        // Without a price there is nothing to say.
        if let Some(dollars) = target.dollars {
            self.set(&COST, &of, dollars);
        }
        if let Some(dollars) = target.failed_dollars {
            self.set(&WASTED_COST, &of, dollars);
        }
    }

    fn set(&self, metric: &Metric, values: &[&str], value: f64) {
        self.sink.gauge(metric, values).set(value);
    }

    fn absolute(&self, metric: &Metric, values: &[&str], count: u64) {
        self.sink.counter(metric, values).absolute(count);
    }
}
