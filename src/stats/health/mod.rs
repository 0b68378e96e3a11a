mod condition;
mod probing;
mod witnessed;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::condition::{Condition, Gate, Steady};
use self::probing::{FIRST_PAUSE, LONGEST_PAUSE};
pub(crate) use self::witnessed::Witnessed;
use super::{
    aging::{Aging, faded},
    keep::{KeptHealth, sound},
    others::Others,
    overdue::{DueSlot, Overdue},
};

/// Evidence of failure fades by half in this time: long enough to bridge a pause in traffic, short
/// enough that a recovered target is tried again within minutes. With little traffic it spans the
/// last 20 attempts.
const HALF_LIFE: Duration = Duration::from_secs(30);
const SAMPLES: u32 = 20;
const LONGEST: Duration = Duration::from_secs(3600);

/// A newcomer counts as 99 % healthy, with the weight of two attempts: one early failure costs it
/// a third, not everything.
const PRIOR: f64 = 0.99;
const PRIOR_MASS: f64 = 2.0;
/// The same where another target of its upstream is broken: what it did before says little.
const SUSPECT: f64 = 0.5;
const SUSPECT_MASS: f64 = 8.0;
const SUSPECT_KEEPS: f64 = 0.05;

/// Failures in a row that open the breaker.
const RUN: u32 = 5;
/// Below this a target is in doubt: it is believed until a probe tells otherwise.
const DOUBT: f64 = 0.9;
/// After fewer attempts than these, one failure may be the beginning of an outage and weighs for as
/// long as many requests: it is a doubt, too. Where there is more traffic, it is soon outweighed.
const FEW: f64 = 30.0;
/// A run of failures goes on through answers to older requests while at least one of so many
/// attempts that began since has failed.
const BEGUN_PER_FAILURE: u32 = 2;
/// The probes that may be open at once double with every success; from this many on, the target is
/// believed again.
const REHABILITATED: u32 = 16;

/// Answers from which it is known how many of a target's meet the objective as a rule.
const USUAL_ANSWERS: f64 = 500.0;

/// How long a probe may stay unanswered before another one may start. A model can think for
/// minutes; a probe that is dropped gives its place back at once.
const PROBE_LEASE: Duration = Duration::from_secs(60);

/// How often a target fails, and whether its breaker is open.
///
/// While a target is well, evidence fades with time. Once it is in doubt, it does not: it is left
/// alone, but for probes with growing pauses, and a probe's success lets twice as many through, and
/// so on until it is believed again. So nobody returns as a herd, and nothing recovers by being
/// forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    aging: Aging,
    /// The age to which the sums are brought up.
    age: f64,
    ok: f64,
    bad: f64,
    /// What of them others saw, and when we last saw an answer ourselves.
    others: Others,
    answered: Option<Instant>,
    /// Failures in a row, when the first of them began, and the attempts that began since it ended.
    run: u32,
    failing: Option<Instant>,
    begun_since: u32,
    /// When the breaker opened last. What began before tells nothing about its recovery.
    opened: Option<Instant>,
    in_doubt: bool,
    /// The break of another target of its upstream for which it was suspected last.
    suspected: Option<u32>,
    /// Whether the last evidence was good, and when it came.
    good: bool,
    last: Instant,
    /// When the last attempt began.
    begun: Instant,
    pause: f64,
    window: u32,
    probes: u32,
    lease: Option<Instant>,
    /// Share of answers that met the objective, over many of them, and how many.
    timely: f64,
    answers: f64,
    overdue: Overdue,
    /// How many were overdue at the last success.
    overdue_before: u32,
}

/// How an attempt speaks for or against a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    Good,
    /// It answered, but later than its answers ever come. No breaker opens for that.
    Late,
    /// It answered as it does, which is past the objective. That is for the latency to say.
    Slow,
    Bad,
}

/// What an attempt has to hand back at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    due: Option<DueSlot>,
    pub(crate) probe: bool,
}

impl Health {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            aging: Aging::new(HALF_LIFE, SAMPLES, LONGEST, now),
            age: 0.0,
            ok: 0.0,
            bad: 0.0,
            others: Others::default(),
            answered: None,
            run: 0,
            failing: None,
            begun_since: 0,
            opened: None,
            in_doubt: false,
            suspected: None,
            good: true,
            last: now,
            begun: now,
            pause: FIRST_PAUSE,
            window: 1,
            probes: 0,
            lease: None,
            timely: 1.0,
            answers: 0.0,
            overdue: Overdue::new(now),
            overdue_before: 0,
        }
    }

    /// Says what is believed now; `suspect` is the number of the last break
    /// of its upstream, while another target of that is broken.
    pub(crate) fn condition(&mut self, suspect: Option<u32>, now: Instant) -> Condition {
        let (prior, prior_mass) = if suspect.is_some() {
            (SUSPECT, SUSPECT_MASS)
        } else {
            (PRIOR, PRIOR_MASS)
        };
        if suspect.is_some() && suspect != self.suspected {
            self.ok *= SUSPECT_KEEPS;
            self.suspected = suspect;
        }
        let overdue = self.overdue.count(now);
        let run = self.run_with(overdue);
        let weight = if self.in_doubt {
            1.0
        } else {
            faded(self.aging.age(now) - self.age)
        };
        let (ok, bad) = (self.ok * weight, self.bad * weight);
        let (ok, bad) = if run >= RUN && self.run < RUN {
            (0.0, bad.max(f64::from(run)))
        } else {
            (ok, bad)
        };
        // Two that are broken must not keep each other from ever being probed.
        let spared = now >= self.last + Duration::from_secs_f64(LONGEST_PAUSE)
            || (self.good && self.in_doubt);
        let mass = ok + bad;
        let gate = if run < RUN {
            Gate::Closed
        } else if self.is_probe_due(now) {
            Gate::Probe
        } else {
            Gate::Open(self.next_probe(now))
        };
        Condition {
            health: (ok + prior * prior_mass) / (mass + prior_mass),
            mass,
            at_best: if suspect.is_some() && !spared {
                prior
            } else {
                self.at_best()
            },
            usually_in_time: self.timely,
            gate,
            in_doubt: self.in_doubt,
        }
    }

    /// Returns what is steady, since when and until when: nothing is the matter, and only time goes
    /// by. As of the last count of what is overdue.
    pub(crate) fn steady(&mut self, now: Instant) -> Option<(Steady, Instant, Option<Instant>)> {
        if self.in_doubt || self.is_broken(now) {
            return None;
        }
        let steady = Steady {
            ok: self.ok,
            bad: self.bad,
            half_life: self.aging.half_life(),
            at_best: self.at_best(),
            usually_in_time: self.timely,
        };
        Some((steady, self.aging.last(), self.overdue.steady_until()))
    }

    /// Returns whether the breaker is open or half open.
    pub(crate) fn is_broken(&mut self, now: Instant) -> bool {
        let overdue = self.overdue.count(now);
        self.run_with(overdue) >= RUN
    }

    /// Begins an attempt that should be answered within `within`.
    pub(crate) fn begin(&mut self, probe: bool, within: Option<Duration>, now: Instant) -> Watch {
        self.begun = self.begun.max(now);
        self.begun_since = self.begun_since.saturating_add(1);
        if probe {
            self.probes = self.probes.saturating_add(1);
            self.lease = Some(now + PROBE_LEASE);
        }
        Watch {
            due: within.and_then(|within| self.overdue.begin(within, now)),
            probe,
        }
    }

    /// Notes that an answer has begun: it is no longer waited for.
    pub(crate) fn answered(&mut self, watch: &mut Watch, now: Instant) {
        if let Some(due) = watch.due.take() {
            self.overdue.end(due, now);
        }
    }

    /// Ends an attempt that tells nothing.
    pub(crate) fn release(&mut self, watch: Watch, now: Instant) {
        if let Some(due) = watch.due {
            self.overdue.end(due, now);
        }
        if watch.probe {
            self.probes = self.probes.saturating_sub(1);
        }
    }

    /// Ends an attempt that began at `started` and takes in how it went. Returns whether it began too long
    /// ago to tell how it is now.
    pub(crate) fn record(
        &mut self,
        evidence: Evidence,
        watch: Watch,
        started: Instant,
        now: Instant,
    ) -> bool {
        self.release(watch, now);
        // In doubt there is only the traffic of the probes, which says nothing about the usual.
        let age = self.aging.advance(!self.in_doubt && self.run == 0, now);
        self.fade_to(age);
        let before = self.is_older(started);
        match evidence {
            Evidence::Good => {
                self.ok += 1.0;
                self.overdue_before = self.overdue.count(now);
                if !before {
                    self.answered = Some(now);
                    self.run = 0;
                    if self.in_doubt || watch.probe {
                        self.window = self.window.saturating_mul(2);
                    }
                    let well = self.health() > (1.0 + DOUBT) / 2.0;
                    if self.window >= REHABILITATED || well {
                        self.believe();
                    }
                }
            }
            Evidence::Late => {
                self.bad += 1.0;
                self.in_doubt |= self.is_little();
                self.disappoint(watch.probe);
            }
            Evidence::Slow => {
                self.ok += 1.0;
                // It answers, after all.
                self.overdue_before = self.overdue.count(now);
                let ends = !before && self.run > 0;
                if !before {
                    self.answered = Some(now);
                    self.run = 0;
                    self.opened = None;
                }
                self.disappoint(watch.probe && !ends);
            }
            Evidence::Bad => {
                self.bad += 1.0;
                if self.run == 0 {
                    self.failing = Some(started);
                    self.begun_since = 0;
                }
                self.run_on(1, now);
                self.in_doubt |= self.is_little();
                self.disappoint(watch.probe);
            }
        }
        match evidence {
            Evidence::Good => self.note_timely(1.0, 1.0),
            Evidence::Slow => self.note_timely(0.0, 1.0),
            Evidence::Late | Evidence::Bad => {}
        }
        // An old answer does not end the pause that newer failures began.
        if !(evidence == Evidence::Good && before) {
            self.good = evidence == Evidence::Good;
            self.last = self.last.max(now);
        }
        before
    }

    /// Returns what is worth keeping over a restart.
    pub(crate) fn keep(&self, now: Instant) -> KeptHealth {
        let weight = if self.in_doubt {
            1.0
        } else {
            faded(self.aging.age(now) - self.age)
        };
        KeptHealth {
            gap_s: self.aging.gap(),
            ok: self.ok * weight,
            bad: self.bad * weight,
            run: self.run,
            in_doubt: self.in_doubt,
            timely: self.timely,
            answers: self.answers,
        }
    }

    /// Takes up what was kept `ago`; a target in doubt is probed first.
    pub(crate) fn resume(&mut self, kept: &KeptHealth, ago: Duration) {
        self.aging.resume(kept.gap_s);
        let weight = if kept.in_doubt {
            1.0
        } else {
            self.aging.remains(ago)
        };
        self.ok = sound(kept.ok) * weight;
        self.bad = sound(kept.bad) * weight;
        self.run = kept.run;
        self.in_doubt = kept.in_doubt;
        self.good = !kept.in_doubt;
        if (0.0..=1.0).contains(&kept.timely) {
            self.timely = kept.timely;
            self.answers = sound(kept.answers).min(USUAL_ANSWERS);
        }
    }

    /// Brings the sums up to an age.
    fn fade_to(&mut self, age: f64) {
        let weight = faded(age - self.age);
        self.age = age;
        self.ok *= weight;
        self.bad *= weight;
        self.others.fade(weight);
    }

    /// So many more have failed in a row.
    fn run_on(&mut self, failures: u32, now: Instant) {
        let before = self.run;
        self.run = self.run.saturating_add(failures);
        if before < RUN && self.run >= RUN {
            // A run is a change, whatever was before.
            self.ok = 0.0;
            self.bad = self.bad.max(f64::from(RUN));
        }
        if self.run >= RUN {
            self.opened = Some(now);
        }
    }

    /// Takes in which share of so many answers met the objective.
    fn note_timely(&mut self, share: f64, answers: f64) {
        self.answers = (self.answers + answers).min(USUAL_ANSWERS);
        self.timely += (share - self.timely) * (answers / self.answers).min(1.0);
    }

    fn health(&self) -> f64 {
        (self.ok + PRIOR * PRIOR_MASS) / (self.ok + self.bad + PRIOR_MASS)
    }

    /// What it would be if nothing had failed.
    fn at_best(&self) -> f64 {
        let samples = self.aging.seen();
        (samples + PRIOR * PRIOR_MASS) / (samples + PRIOR_MASS)
    }

    fn is_little(&self) -> bool {
        self.ok + self.bad < FEW
    }

    /// Returns whether an attempt that began at `started` is too old to end a run of failures.
    /// Where answers take longer than failures, those that were open when an outage began come back
    /// amid its failures.
    fn is_older(&self, started: Instant) -> bool {
        let opened = self.opened.is_some_and(|opened| started < opened);
        let failing = self.failing.is_some_and(|failing| started < failing);
        let most = BEGUN_PER_FAILURE.saturating_mul(self.run.saturating_add(RUN));
        (opened || failing) && self.begun_since <= most
    }

    /// Failures in a row, with the attempts that take longer than nine of ten do and that nobody has
    /// overtaken: an outage in which nothing comes back is not waited out.
    fn run_with(&self, overdue: u32) -> u32 {
        let silent = overdue.saturating_sub(self.overdue_before);
        self.run.saturating_add(silent)
    }
}
