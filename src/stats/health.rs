use std::time::Duration;

use tokio::time::Instant;

use super::decay;

/// Evidence of failure fades by half in this time: long enough to bridge a pause in traffic, short
/// enough that a recovered target is tried again within minutes.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// A newcomer counts as 99 % healthy, with the weight of two attempts: one early failure costs it
/// a third, not everything.
const PRIOR_OK: f64 = 1.98;
const PRIOR_MASS: f64 = 2.0;

/// Failures in a row that open the breaker.
const RUN: u32 = 5;
const FIRST_BREAK: Duration = Duration::from_secs(2);
const LONGEST_BREAK: Duration = Duration::from_secs(300);

/// How long a probe may stay unanswered before another one may start. A model can think for
/// minutes; a probe that is dropped gives its place back at once.
const PROBE_LEASE: Duration = Duration::from_secs(60);

/// How often a target fails, and whether its breaker is open.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    ok: f64,
    bad: f64,
    at: Instant,
    /// Failures in a row. It does not fade by waiting: only a success ends it.
    run: u32,
    /// How often in a row the breaker has opened.
    breaks: u32,
    open_until: Option<Instant>,
    /// When it opened last. What began before tells nothing about its recovery.
    opened: Option<Instant>,
    probe_until: Option<Instant>,
}

/// How an attempt speaks for or against a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    Good,
    /// It answered, but later than its answers ever come. No breaker opens for that.
    Late,
    Bad,
}

/// Whether a breaker lets an attempt through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Closed: everything passes.
    Closed,
    /// Half open: one probe may pass.
    Probe,
    /// Open until the given time.
    Open(Instant),
}

impl Health {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ok: 0.0,
            bad: 0.0,
            at: now,
            run: 0,
            breaks: 0,
            open_until: None,
            opened: None,
            probe_until: None,
        }
    }

    /// Returns the probability that the next attempt does not fail, 0 to 1.
    pub(crate) fn estimate(&self, now: Instant) -> f64 {
        if self.ok + self.bad == 0.0 {
            return PRIOR_OK / PRIOR_MASS;
        }
        let weight = decay(self.at, now, HALF_LIFE);
        let (ok, bad) = (self.ok * weight, self.bad * weight);
        (ok + PRIOR_OK) / (ok + bad + PRIOR_MASS)
    }

    pub(crate) fn gate(&self, now: Instant) -> Gate {
        match (self.open_until, self.probe_until) {
            (None, _) => Gate::Closed,
            (Some(until), _) if now < until => Gate::Open(until),
            (Some(_), Some(lease)) if now < lease => Gate::Open(lease),
            (Some(_), _) => Gate::Probe,
        }
    }

    /// Takes the place of the probe, if the breaker is half open; returns until when it is taken.
    pub(crate) fn begin(&mut self, now: Instant) -> Option<Instant> {
        let lease = (self.gate(now) == Gate::Probe).then(|| now + PROBE_LEASE);
        self.probe_until = lease.or(self.probe_until);
        lease
    }

    /// Gives the place of a probe back that ended without evidence, unless it is another's by now.
    pub(crate) fn release(&mut self, lease: Instant) {
        if self.probe_until == Some(lease) {
            self.probe_until = None;
        }
    }

    /// Takes in how an attempt went that began at `started`.
    pub(crate) fn record(&mut self, evidence: Evidence, started: Instant, now: Instant) {
        let weight = decay(self.at, now, HALF_LIFE);
        self.ok *= weight;
        self.bad *= weight;
        self.at = self.at.max(now);
        if evidence == Evidence::Bad {
            self.fail(now);
            return;
        }
        if evidence == Evidence::Good {
            self.ok += 1.0;
        } else {
            self.bad += 1.0;
        }
        if self.opened.is_none_or(|opened| started >= opened) {
            self.run = 0;
            self.breaks = 0;
            self.open_until = None;
            self.opened = None;
            self.probe_until = None;
        }
    }

    fn fail(&mut self, now: Instant) {
        self.bad += 1.0;
        self.run = self.run.saturating_add(1);
        if self.run >= RUN && self.open_until.is_none_or(|until| now >= until) {
            let pause = FIRST_BREAK
                .saturating_mul(1 << self.breaks.min(16))
                .min(LONGEST_BREAK);
            self.breaks = self.breaks.saturating_add(1);
            self.open_until = Some(now + pause);
            self.opened = Some(now);
            self.probe_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn good(health: &mut Health, now: Instant) {
        health.record(Evidence::Good, now, now);
    }

    fn bad(health: &mut Health, now: Instant) {
        health.record(Evidence::Bad, now, now);
    }

    #[test]
    fn one_early_failure_costs_a_third_and_fades() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        assert!((health.estimate(t0) - 0.99).abs() < 1e-9);
        bad(&mut health, t0);
        assert!((health.estimate(t0) - 0.66).abs() < 1e-9);
        assert!(health.estimate(t0 + s(300.0)) > 0.98);
        assert_eq!(health.gate(t0), Gate::Closed);
    }

    #[test]
    fn five_failures_in_a_row_open_the_breaker_and_one_probe_closes_it() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..10_000 {
            good(&mut health, t0);
        }
        for _ in 0..4 {
            bad(&mut health, t0);
            assert_eq!(health.gate(t0), Gate::Closed);
        }
        bad(&mut health, t0);
        assert_eq!(health.gate(t0), Gate::Open(t0 + s(2.0)));
        assert_eq!(health.gate(t0 + s(2.0)), Gate::Probe);
        assert!(health.begin(t0 + s(2.0)).is_some());
        assert_eq!(health.begin(t0 + s(2.5)), None, "one probe at a time");
        good(&mut health, t0 + s(3.0));
        assert_eq!(health.gate(t0 + s(3.0)), Gate::Closed);
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_do_not_fade_by_waiting() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..5 {
            bad(&mut health, t0);
        }
        let mut now = t0;
        for expected in [4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0] {
            let Gate::Open(until) = health.gate(now) else {
                panic!("open")
            };
            now = until + s(3600.0);
            assert!(health.begin(now).is_some());
            bad(&mut health, now);
            assert_eq!(health.gate(now), Gate::Open(now + s(expected)));
        }
    }

    #[test]
    fn stragglers_do_not_lengthen_an_open_breaker() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..50 {
            bad(&mut health, t0);
        }
        assert_eq!(health.gate(t0), Gate::Open(t0 + s(2.0)));
    }

    #[test]
    fn a_dropped_probe_gives_its_place_back_and_a_stuck_one_expires() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..5 {
            bad(&mut health, t0);
        }
        let t1 = t0 + s(2.0);
        let lease = health.begin(t1).unwrap();
        health.release(lease + s(1.0));
        assert_eq!(health.begin(t1), None, "another's place is not given back");
        health.release(lease);
        assert!(health.begin(t1).is_some());
        assert_eq!(health.begin(t1 + s(59.0)), None);
        assert!(health.begin(t1 + s(60.0)).is_some());
    }

    #[test]
    fn time_that_runs_backwards_is_now() {
        let t0 = Instant::now() + s(1000.0);
        let mut health = Health::new(t0);
        bad(&mut health, t0);
        good(&mut health, t0 - s(500.0));
        let h = health.estimate(t0 - s(900.0));
        assert!((0.0..=1.0).contains(&h));
    }

    #[test]
    fn late_answers_cost_health_and_open_no_breaker() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..20 {
            health.record(Evidence::Late, t0, t0);
        }
        assert!(health.estimate(t0) < 0.1);
        assert_eq!(health.gate(t0), Gate::Closed);
    }

    #[test]
    fn what_began_before_the_breaker_opened_does_not_close_it() {
        let t0 = Instant::now();
        let mut health = Health::new(t0);
        for _ in 0..5 {
            bad(&mut health, t0 + s(10.0));
        }
        health.record(Evidence::Good, t0, t0 + s(11.0));
        assert_eq!(health.gate(t0 + s(11.0)), Gate::Open(t0 + s(12.0)));
        health.record(Evidence::Good, t0 + s(12.0), t0 + s(13.0));
        assert_eq!(health.gate(t0 + s(13.0)), Gate::Closed);
    }
}
