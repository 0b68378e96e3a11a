//! The formulas of a decision and nothing else: no locks, no router, no strings.

use tower_outcome::policy::Rng;

const TARGETS: usize = 8;

/// The sums that are kept of one target, as a straight program would.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    ok: f64,
    bad: f64,
    at: f64,
    level: [f64; 2],
    cell: [f64; 2],
    drift: [f64; 2],
    own_drift: [f64; 2],
    form: [f64; 2],
    /// The sum of logarithms of latencies, of their squares, and their number.
    latency: [f64; 3],
}

#[must_use]
pub(crate) fn targets() -> [Target; TARGETS] {
    let target = Target {
        ok: 30.0,
        bad: 0.3,
        at: 0.0,
        level: [70.0, 100.0],
        cell: [14.0, 20.0],
        drift: [0.5, 6.0],
        own_drift: [0.1, 2.0],
        form: [20.0, 0.1],
        latency: [-280.0, 2000.0, 40.0],
    };
    [target; TARGETS]
}

/// Picks the target with the highest score and books a success for it.
pub(crate) fn decide(targets: &mut [Target; TARGETS], now: f64, number: u64) -> usize {
    let mut rng = Rng::new(1, number);
    let effect = [0.2_f64, 20.0];
    let slow = faded(now / 3600.0);
    let fast = faded(now / 120.0);
    let all = targets.iter().fold([0.0, 0.0], |all, t| {
        [all[0] + t.level[0], all[1] + t.level[1]]
    });
    let confidence = all[1] * slow / (all[1] * slow + 100.0);
    let mut best = (0, f64::NEG_INFINITY);
    for (rank, target) in targets.iter().enumerate() {
        let weight = faded((now - target.at) / 30.0);
        let (ok, bad) = (target.ok * weight, target.bad * weight);
        let health = (ok + 1.98) / (ok + bad + 2.0);
        let rest = (slow * all[0] + 8.4) / (slow * all[1] + 12.0);
        let prior = (rest - 0.02 * rank as f64).max(0.05);
        let level = (target.level[0] * slow + 30.0 * prior) / (target.level[1] * slow + 30.0);
        let effect = effect[0] * slow / (effect[1] * slow + 10.0);
        let mass = target.cell[1] * slow;
        let cell =
            (target.cell[0] * slow + 30.0 * (level + effect).clamp(0.02, 0.98)) / (mass + 30.0);
        let drift = drifted(target.drift[0] * fast, target.drift[1] * fast);
        let own = target.own_drift[1] * fast;
        let own = drifted(target.own_drift[0] * fast - own * drift, own);
        let quality = (cell + drift + own).clamp(0.02, 0.98);
        let validity = (target.form[0] + 4.95) / (target.form[0] + target.form[1] + 5.0);
        let [sum, squares, n] = target.latency;
        let mean = sum / n;
        let sigma = (squares / n - mean * mean).max(0.01).sqrt();
        let in_time = 1.0 / (1.0 + (-1.702 * (-6.2 - mean) / sigma).exp());
        let share = 30.0 / (mass + 30.0);
        let variance = 0.01 * quality * (1.0 - quality) / (mass + 30.0)
            + 0.09 * share * share * level * (1.0 - level) / (target.level[1] * slow + 30.0);
        let chance = health * validity * in_time;
        let of_health = 0.01 * quality * quality * health * (1.0 - health) / (ok + bad + 3.0);
        let sd = confidence * (chance * chance * variance + of_health).sqrt();
        let preference = rank as f64 * (0.05 * (1.0 - confidence) + 0.005 * confidence);
        let score = chance * quality + sd * rng.next_normal() - preference;
        if score > best.1 {
            best = (rank, score);
        }
    }
    if let Some(target) = targets.get_mut(best.0) {
        let weight = faded((now - target.at) / 30.0);
        target.ok = target.ok * weight + 1.0;
        target.bad *= weight;
        target.at = now;
        let ln = (0.0005_f64 + 1e-6 * (number % 7) as f64).ln();
        for (sum, x) in target.latency.iter_mut().zip([ln, ln * ln, 1.0]) {
            *sum = *sum * weight + x;
        }
    }
    best.0
}

fn drifted(sum: f64, n: f64) -> f64 {
    let noise = 0.5 * (0.21 * n).sqrt();
    sum.signum() * (sum.abs() - noise).max(0.0) / (n + 12.0)
}

fn faded(x: f64) -> f64 {
    if x < 0.01 {
        let x = x * std::f64::consts::LN_2;
        return 1.0 - x + x * x / 2.0;
    }
    (-x).exp2()
}
