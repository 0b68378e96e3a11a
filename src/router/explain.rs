use tokio::time::Instant;

use super::{
    Inner, PickRequest, Unavailable,
    decision::{Decision, Obstacle, Reason, Terms, Weighed},
    evaluation::Evaluation,
};
use crate::policy::Rng;

/// Redraws of the randomness for the propensity of a choice.
const REDRAWS: u64 = 200;
const REDRAW: u64 = 0x0DD5_0DD5_0DD5_0001;

impl Inner {
    /// Evaluates a request and tells all of it.
    pub(super) fn explain(
        &self,
        request: &PickRequest<'_>,
        number: u64,
        now: Instant,
    ) -> Result<Decision, Unavailable> {
        let name = self.name(request.model)?;
        match self.evaluate(request, name, number, now) {
            Ok(evaluation) => {
                let choice = evaluation.choose();
                let retry_in = choice.as_ref().err().and_then(Unavailable::retry_in);
                let mut decision = evaluation.told(choice.ok());
                decision.retry_in = retry_in;
                Ok(decision)
            }
            Err(error) if error.is_no_candidate() => {
                let pool = self.pool(name)?;
                let weighed = self.weigh(request, None)?;
                Ok(Decision {
                    pool: pool.name.clone(),
                    policy: pool.policy.name(),
                    candidates: weighed,
                    chosen: None,
                    reason: None,
                    retry_in: None,
                    number,
                    seed: self.seed,
                    propensity: None,
                    scores: 0.0,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Every target of the pool, with what was found out about it.
    fn weigh(
        &self,
        request: &PickRequest<'_>,
        evaluation: Option<&Evaluation<'_>>,
    ) -> Result<Vec<Weighed>, Unavailable> {
        let name = self.name(request.model)?;
        let pool = self.pool(name)?;
        let first_reachable = self
            .reachable(name, pool)
            .next()
            .map_or(0, |(index, _)| index);
        let weighed = pool.targets.clone().filter_map(|index| {
            let target = self.targets.get(index)?;
            let seen = evaluation.and_then(|evaluation| evaluation.weighed(index));
            let excluded = if index < first_reachable {
                Some(Obstacle::Excluded)
            } else {
                self.excluded(target, name, request)
            };
            let (terms, score, obstacle) = match seen {
                Some((terms, score, obstacle)) => (Some(terms), Some(score), obstacle),
                None => (None, None, evaluation.and_then(|it| it.spared(target))),
            };
            Some(Weighed {
                target: target.name.clone(),
                model: target.model.clone(),
                terms,
                score,
                obstacle: excluded.or(obstacle),
            })
        });
        Ok(weighed.collect())
    }
}

impl Evaluation<'_> {
    /// Tells the whole decision, of which `choice` came.
    pub(super) fn told(&self, choice: Option<(usize, Reason)>) -> Decision {
        let picked = choice.as_ref().and_then(|(chosen, _)| self.target(*chosen));
        let candidates = self
            .inner
            .weigh(self.request, Some(self))
            .unwrap_or_default();
        Decision {
            pool: self.pool.name.clone(),
            policy: self.pool.policy.name(),
            candidates,
            chosen: picked.map(|id| (id.0 as usize).saturating_sub(self.pool.targets.start)),
            propensity: choice.as_ref().map(|(chosen, _)| self.propensity(*chosen)),
            reason: choice.map(|(_, reason)| reason),
            retry_in: None,
            number: self.number,
            seed: self.inner.seed,
            scores: self.feedback,
        }
    }

    /// The share of redraws of the randomness in which the same target has the highest score.
    fn propensity(&self, chosen: usize) -> f64 {
        let mut scores = vec![0.0; self.scores.len()];
        let wins = (0..REDRAWS).filter(|redraw| {
            scores.fill(0.0);
            let rng = Rng::new(self.inner.seed ^ REDRAW ^ self.number, *redraw);
            self.score_with(rng, &mut scores);
            self.best(&scores) == Some(chosen)
        });
        wins.count() as f64 / REDRAWS as f64
    }

    fn weighed(&self, target: usize) -> Option<(Terms, f64, Option<Obstacle>)> {
        let at = self
            .standings
            .iter()
            .position(|one| one.target.0 as usize == target)?;
        let (standing, candidate) = (self.standings.get(at)?, self.candidates.get(at)?);
        let quality = self.pool.beliefs.quality();
        let belief = quality.read(self.task, self.now).belief(candidate.rank);
        let terms = Terms {
            quality: belief.quality,
            quality_sd: belief.sd,
            level: belief.level,
            task_effect: belief.task_effect,
            drift: belief.drift,
            scores: belief.cell_mass,
            validity: belief.validity,
            health: candidate.health,
            in_time: candidate.in_time,
            cost: candidate.cost,
            latency: candidate.latency,
            probe: standing.probe,
        };
        let score = self.scores.get(at).copied()?;
        Some((terms, score, standing.obstacle.clone()))
    }
}
