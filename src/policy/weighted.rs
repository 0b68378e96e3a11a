use super::{RoutingPolicy, View};

/// Shares the traffic out by fixed weights: each target is picked with a probability in proportion
/// to its [`weight`](crate::Target::weight), 1 unless set.
///
/// Targets that are walled, broken or tried are left out as under every policy, and the rest share
/// what would have been theirs. A weight of 0 is only used when nobody else is free.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted;

impl RoutingPolicy for Weighted {
    fn name(&self) -> &'static str {
        "weighted"
    }

    /// The largest of u^(1/w), with u uniform, is one with probability w / sum of w: Efraimidis and
    /// Spirakis, "Weighted random sampling with a reservoir" (2006). Its logarithm has the same
    /// order.
    fn score(&self, view: &View<'_>, scores: &mut [f64]) {
        let mut rng = view.rng;
        for (score, candidate) in scores.iter_mut().zip(view.candidates) {
            let u = 1.0 - rng.next_f64();
            *score = u.ln() / candidate.weight;
            if candidate.weight <= 0.0 {
                *score = f64::NEG_INFINITY;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::policy::{Candidate, Rng};

    #[test]
    fn shares_follow_the_weights() {
        let now = Instant::now();
        let candidates: Vec<_> = [3.0, 1.0, 0.0]
            .into_iter()
            .enumerate()
            .map(|(rank, weight)| Candidate {
                weight,
                ..Candidate::new("t", "m", rank)
            })
            .collect();
        let mut wins = [0; 3];
        for number in 0..10_000 {
            let view = View::new(&candidates, Rng::new(1, number), now);
            let mut scores = [0.0; 3];
            Weighted.score(&view, &mut scores);
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            wins[best.unwrap()] += 1;
        }
        assert!((7300..7700).contains(&wins[0]), "{wins:?}");
        assert_eq!(wins[2], 0);
    }
}
