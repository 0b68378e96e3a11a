use std::{io, time::Duration};

use super::plot::{FIRST, OTHER_FIRST, OTHER_SECOND, SECOND, THIRD};
use crate::{
    gateway::scripted::{Script, Scripted},
    router::{BuildError, Pool, Price, Target, Upstream},
};

/// An answer that takes longer is late.
const OBJECTIVE: Duration = Duration::from_millis(3000);

/// Who plays: the models of two pools, each with a provider of its own.
#[derive(Debug)]
pub(super) struct Cast {
    pools: Vec<(&'static str, Vec<Role>)>,
}

#[derive(Debug)]
struct Role {
    model: &'static str,
    script: Script,
    price: Option<Price>,
    /// How good its answers are found.
    score: f64,
}

impl Cast {
    /// Sets the scripts of the two models that the story is about.
    pub(super) fn new(first: Script, second: Script) -> Self {
        let calm = |latency, writing| {
            Script::new()
                .latency(Duration::from_millis(latency))
                .writing(Duration::from_millis(writing))
                .spread(0.35)
                .usage(400, 60)
        };
        let price = |input, output| Some(Price::per_million(input, output));
        let role = |model, script, price, score| Role {
            model,
            script,
            price,
            score,
        };
        let chat = vec![
            role(FIRST, first, price(2.5, 10.0), 0.92),
            role(SECOND, second, price(0.15, 0.6), 0.66),
            role(THIRD, calm(380, 450).usage(900, 220), None, 0.6),
        ];
        let mail = vec![
            role(OTHER_FIRST, calm(260, 350), price(1.0, 5.0), 0.85),
            role(OTHER_SECOND, calm(240, 300), price(0.1, 0.3), 0.75),
        ];
        Self {
            pools: vec![("chat", chat), ("mail", mail)],
        }
    }

    /// Starts a provider for each of them, and returns these with the pools in front of them.
    pub(super) async fn enter(&self) -> io::Result<(Vec<Scripted>, Vec<Pool>)> {
        let mut providers = Vec::new();
        let mut pools = Vec::new();
        for (name, roles) in &self.pools {
            let mut pool = Pool::new(*name).objective(OBJECTIVE).ask_usage(true);
            for role in roles {
                let provider = Scripted::start(role.script.clone()).await?;
                pool = pool.target(role.target(&provider).map_err(io::Error::other)?);
                providers.push(provider);
            }
            pools.push(pool);
        }
        Ok((providers, pools))
    }

    /// Returns how good the answers of a model are found.
    pub(super) fn score(&self, model: &str) -> Option<f64> {
        let mut roles = self.pools.iter().flat_map(|(_, roles)| roles);
        roles
            .find(|role| role.model == model)
            .map(|role| role.score)
    }
}

impl Role {
    fn target(&self, provider: &Scripted) -> Result<Target, BuildError> {
        let upstream = Upstream::new(&provider.base_url())?;
        let target = Target::new(self.model)
            .upstream(upstream)
            .expected_quality(self.score);
        Ok(match self.price {
            Some(price) => target.price(price),
            None => target,
        })
    }
}
