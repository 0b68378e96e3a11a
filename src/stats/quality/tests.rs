//! The decayed sums against an implementation that keeps every score and adds them all up.

use proptest::prelude::*;

use super::{super::aging::Aging, reader::drifted, *};

const TARGETS: usize = 3;
const EXPECTED: [Option<f64>; TARGETS] = [None, Some(0.9), None];
/// Fewer than the outliers that are kept.
const TASKS: u64 = 5;

/// Something that happens after so many seconds.
#[derive(Clone, Debug)]
enum Step {
    Score(usize, u64, f64),
    /// The score before the last so many becomes another.
    Correct(usize, f64),
    Form(usize, u64, bool),
}

/// A score, what it added where, and the ages at which it came.
struct Kept {
    target: usize,
    task: u64,
    slow_age: f64,
    fast_age: f64,
    effect: f64,
    level: f64,
    cell: f64,
    residual: f64,
    score: f64,
}

/// Keeps every score.
struct Slow {
    slow: Aging,
    fast: Aging,
    kept: Vec<Kept>,
}

/// What is believed, term by term.
struct Sums {
    level: f64,
    effect: f64,
    cell: f64,
    drift: f64,
    own_drift: f64,
}

impl Slow {
    fn new(now: Instant) -> Self {
        Self {
            slow: Aging::new(HALF_LIFE, SAMPLES, LONGEST, now),
            fast: Aging::new(DRIFT_HALF_LIFE, DRIFT_SAMPLES, DRIFT_LONGEST, now),
            kept: Vec::new(),
        }
    }

    /// Adds up some value of some scores, each with the weight that its age has left it.
    fn sum(&self, now: Instant, of: impl Fn(&Kept) -> Option<f64>) -> f64 {
        let age = self.slow.age(now);
        let weigh = |kept| Some(of(kept)? * (kept.slow_age - age).exp2());
        self.kept.iter().filter_map(weigh).sum()
    }

    fn fast_sum(&self, now: Instant, of: impl Fn(&Kept) -> Option<f64>) -> f64 {
        let age = self.fast.age(now);
        let weigh = |kept| Some(of(kept)? * (kept.fast_age - age).exp2());
        self.kept.iter().filter_map(weigh).sum()
    }

    fn terms(&self, target: usize, task: u64, now: Instant) -> Sums {
        let of_task = |kept: &Kept| kept.task == task;
        let of_target = |kept: &Kept| kept.target == target;
        let of_cell = |kept: &Kept| of_task(kept) && of_target(kept);
        let effect = self.sum(now, |kept| of_task(kept).then_some(kept.effect))
            / (self.sum(now, |kept| of_task(kept).then_some(1.0)) + TASK_MASS);
        let all = self.sum(now, |kept| Some(kept.level + PER_RANK * kept.target as f64));
        let mean = (all + PRIOR * PRIOR_MASS) / (self.sum(now, |_| Some(1.0)) + PRIOR_MASS);
        let prior = (mean - PER_RANK * target as f64).max(LEAST_PRIOR);
        let prior = EXPECTED[target].unwrap_or(prior);
        let level = (self.sum(now, |kept| of_target(kept).then_some(kept.level))
            + LEVEL_MASS * prior)
            / (self.sum(now, |kept| of_target(kept).then_some(1.0)) + LEVEL_MASS);
        let cell = (self.sum(now, |kept| of_cell(kept).then_some(kept.cell))
            + CELL_MASS * (level + effect).clamp(LEAST, MOST))
            / (self.sum(now, |kept| of_cell(kept).then_some(1.0)) + CELL_MASS);
        let drift = self.drift(target, now);
        let n = self.fast_sum(now, |kept| of_cell(kept).then_some(1.0));
        let own = self.fast_sum(now, |kept| of_cell(kept).then_some(kept.residual));
        Sums {
            level,
            effect,
            cell,
            drift,
            own_drift: drifted(own - n * drift, n),
        }
    }

    fn feedback(&self, now: Instant) -> f64 {
        let n = self.sum(now, |_| Some(1.0));
        let mean = self.sum(now, |kept| Some(kept.score)) / n;
        let variance = self.sum(now, |kept| Some((kept.score - mean).powi(2))) / n;
        if n > 0.0 {
            n * (variance / TELLING).min(1.0)
        } else {
            0.0
        }
    }

    fn drift(&self, target: usize, now: Instant) -> f64 {
        let of = |task: u64| {
            let here = move |kept: &Kept| kept.target == target && kept.task == task;
            let sum = self.fast_sum(now, |kept| here(kept).then_some(kept.residual));
            (sum, self.fast_sum(now, |kept| here(kept).then_some(1.0)))
        };
        let tasks: Vec<_> = (0..TASKS).map(of).collect();
        let (mut sum, mut n) = tasks
            .iter()
            .fold((0.0, 0.0), |(s, n), task| (s + task.0, n + task.1));
        if n < 1e-3 {
            return 0.0;
        }
        let towards = f64::signum(sum);
        if tasks.iter().filter(|task| task.1 >= 0.5).count() >= TRIM_FROM {
            let most = tasks
                .iter()
                .max_by(|a, b| (a.0 * towards).total_cmp(&(b.0 * towards)));
            let most = most
                .filter(|most| most.0 * towards > 0.0)
                .unwrap_or(&(0.0, 0.0));
            sum = towards * (towards * (sum - most.0)).max(0.0);
            n -= most.1;
        }
        drifted(sum, n)
    }

    fn record(&mut self, target: usize, task: u64, score: f64, now: Instant) {
        let slow_age = self.slow.advance(true, now);
        let fast_age = self.fast.advance(true, now);
        let terms = self.terms(target, task, now);
        let freed = score - terms.own_drift - terms.drift / 2.0;
        self.kept.push(Kept {
            target,
            task,
            slow_age,
            fast_age,
            effect: score - terms.level - terms.drift - terms.own_drift,
            level: freed - terms.effect,
            cell: freed,
            residual: score - terms.cell,
            score,
        });
    }

    fn correct(&mut self, at: usize, difference: f64) {
        let kept = &mut self.kept[at];
        for value in [
            &mut kept.effect,
            &mut kept.level,
            &mut kept.cell,
            &mut kept.residual,
            &mut kept.score,
        ] {
            *value += difference;
        }
    }
}

fn key(task: u64) -> TaskKey {
    // 0 is that of requests without one.
    TaskKey(task + 1)
}

fn steps(longest: f64) -> impl Strategy<Value = Vec<(f64, Step)>> {
    let score = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    let step = prop_oneof![
        6 => (0..TARGETS, 0..TASKS, score()).prop_map(|(target, task, score)| Step::Score(target, task, score)),
        1 => (0..8_usize, score()).prop_map(|(back, score)| Step::Correct(back, score)),
        1 => (0..TARGETS, 0..TASKS, any::<bool>()).prop_map(|(target, task, valid)| Step::Form(target, task, valid)),
    ];
    let gap = prop_oneof![4 => 0.0..60.0, 1 => 0.0..longest, 1 => Just(0.0)];
    proptest::collection::vec((gap, step), 1..120)
}

/// Plays the steps; `seen` is called after each, with how far they have come.
fn play(steps: &[(f64, Step)], back: f64, mut seen: impl FnMut(&Quality, &Slow, Instant)) {
    let mut now = Instant::now() + Duration::from_secs(1_000_000);
    let mut quality = Quality::new(&EXPECTED, true, 16, now);
    let mut slow = Slow::new(now);
    let mut scores = Vec::new();
    for (number, (gap, step)) in steps.iter().enumerate() {
        let gap = Duration::from_secs_f64(*gap);
        now = if number % 7 == 6 && back > 0.0 {
            now - gap.mul_f64(back)
        } else {
            now + gap
        };
        match *step {
            Step::Score(target, task, score) => {
                slow.record(target, task, score, now);
                let recorded = quality.record(target, key(task), score, now);
                scores.push((target, task, score, recorded));
            }
            Step::Correct(before, score) => {
                let Some(at) = scores.len().checked_sub(1 + before) else {
                    continue;
                };
                let (target, task, old, recorded) = scores[at];
                quality.correct(target, key(task), (old, score), recorded);
                slow.correct(at, score - old);
                scores[at].2 = score;
            }
            Step::Form(target, task, valid) => {
                let age = quality.record_form(target, key(task), valid, now);
                if number % 3 == 0 {
                    quality.correct_form(target, key(task), !valid, age);
                }
            }
        }
        seen(&quality, &slow, now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn forward_decay_adds_up_to_what_all_scores_add_up_to(steps in steps(40_000.0)) {
        let mut worst = 0.0_f64;
        play(&steps, 0.0, |quality, slow, now| {
            let now = now + Duration::from_secs(17);
            let (target, task) = (slow.kept.len() % TARGETS, slow.kept.len() as u64 % TASKS);
            let direct = slow.terms(target, task, now);
            let terms = quality.read(key(task), now).terms(target);
            for (a, b) in [
                (terms.level, direct.level),
                (terms.effect, direct.effect),
                (terms.cell, direct.cell),
                (terms.drift, direct.drift),
                (terms.own_drift, direct.own_drift),
                (quality.feedback(now), slow.feedback(now)),
            ] {
                worst = worst.max((a - b).abs() / b.abs().max(1.0));
            }
        });
        prop_assert!(worst < 1e-4, "{worst}");
    }

    #[test]
    fn whatever_happens_and_when_beliefs_stay_in_range(
        steps in steps(1e8),
        back in 0.0..2.0,
        ahead in 0.0..1e9,
    ) {
        let mut wrong = None;
        play(&steps, back, |quality, _, now| {
            for now in [now, now + Duration::from_secs_f64(ahead), now - Duration::from_secs(9999)] {
                for task in 0..=TASKS {
                    let reader = quality.read(key(task), now);
                    for target in 0..=TARGETS {
                        let belief = reader.belief(target);
                        let fine = (LEAST..=MOST).contains(&belief.quality)
                            && (0.0..=1.0).contains(&belief.validity)
                            && (0.0..=1.0).contains(&belief.sd)
                            && (-2.0..=2.0).contains(&belief.level)
                            && (-2.0..=2.0).contains(&belief.task_effect)
                            && (-3.0..=3.0).contains(&belief.drift)
                            && (0.0..1e4).contains(&belief.cell_mass)
                            && (0.0..1e4).contains(&belief.level_mass);
                        if !fine {
                            wrong = Some(belief);
                        }
                    }
                }
            }
        });
        prop_assert!(wrong.is_none(), "{wrong:?}");
    }
}
