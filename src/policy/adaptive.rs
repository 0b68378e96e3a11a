use super::{Candidate, RoutingPolicy, View};

/// How much expected success a caller gives up to stay one rank higher while nobody reports
/// scores, and once many do: small enough that a target which fails every tenth call is left, large
/// enough that noise does not move anybody.
const PREFERENCE_UNSCORED: f64 = 0.05;
const PREFERENCE_SCORED: f64 = 0.005;
/// Scores in a pool at which half of the first is replaced by the second.
const SCORES: f64 = 100.0;
/// Between equals, the faster one: the share of success that the slowest candidate's time is worth.
const PER_LATENCY: f64 = 0.02;
/// Width of the sampling of health, as a share of the posterior's.
const WIDTH: f64 = 0.1;
/// The share of requests that explore: sampled so widely that a target which is believed to be worse
/// at a task gets to show it, as long as few of its answers to that task were scored.
const EXPLORING: f64 = 0.015;

/// The target with the best chance to answer well now.
///
/// The score of a target is
///
/// ```text
/// quality x validity x health x in_time + sd x N(0, 1)
///     - preference - cost_weight x expected cost - 0.02 x relative latency
/// ```
///
/// which is Thompson sampling of tempered width: full width costs half as much regret again, no
/// width locks on to wrong targets. With `F` the decayed number of scores in the pool and
/// `f = F / (F + 100)`, the width is multiplied by `f`, and the preference for the declared order is
/// `0.05 (1 - f) + 0.005 f` a rank. So while nobody reports scores, all qualities are equal, nothing
/// is tried out, and the declared order decides among the healthy. Of a hundred requests, one or two
/// are sampled more widely, unless the caller rules that out ([`Risk`](crate::Risk)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Adaptive;

impl RoutingPolicy for Adaptive {
    fn name(&self) -> &'static str {
        "adaptive"
    }

    fn score(&self, view: &View<'_>, scores: &mut [f64]) {
        let confidence = view.scores / (view.scores + SCORES);
        let mut rng = view.rng;
        let explores = rng.next_f64() < EXPLORING && !view.risk_averse;
        let slowest = view.candidates.iter().filter_map(|c| c.latency);
        let slowest = slowest.max().map_or(0.0, |slowest| slowest.as_secs_f64());
        for (score, candidate) in scores.iter_mut().zip(view.candidates) {
            // Drawn for each, so that a candidate's number does not depend on the others' state.
            let noise = rng.next_normal();
            let sd = confidence * deviation(candidate, explores);
            *score = value(candidate) + sd * noise
                - candidate
                    .preference
                    .unwrap_or_else(|| preference(candidate.rank, confidence))
                - view.cost_weight * candidate.cost
                - latency(candidate, slowest);
        }
    }

    fn explores(&self) -> bool {
        true
    }
}

/// Probability of a good answer in time.
fn value(candidate: &Candidate<'_>) -> f64 {
    candidate.quality * candidate.validity * candidate.health * candidate.in_time
}

/// What is not known of it.
fn deviation(candidate: &Candidate<'_>, explores: bool) -> f64 {
    let (q, h) = (candidate.quality, candidate.health);
    let chance = h * candidate.validity * candidate.in_time;
    let of_quality = chance
        * if explores {
            candidate.exploring_sd
        } else {
            candidate.quality_sd
        };
    let of_health = WIDTH * WIDTH * q * q * h * (1.0 - h) / (candidate.health_mass + 3.0);
    (of_quality * of_quality + of_health.max(0.0)).sqrt()
}

fn preference(rank: usize, confidence: f64) -> f64 {
    rank as f64 * (PREFERENCE_UNSCORED * (1.0 - confidence) + PREFERENCE_SCORED * confidence)
}

fn latency(candidate: &Candidate<'_>, slowest: f64) -> f64 {
    match candidate.latency {
        Some(latency) if slowest > 0.0 => PER_LATENCY * latency.as_secs_f64() / slowest,
        _ => 0.0,
    }
}
