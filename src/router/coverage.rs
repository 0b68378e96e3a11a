//! Which requests a pool has nobody to take over for.

use std::fmt;

use super::Pool;
use crate::dialect::{self, Dialect};

/// Operations of one dialect that only one target of a pool takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lone {
    pool: String,
    target: String,
    dialect: &'static str,
    operations: Vec<&'static str>,
}

impl fmt::Display for Lone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pool,
            target,
            dialect,
            operations,
        } = self;
        let operations = operations.join(", ");
        write!(
            f,
            "pool {pool:?}: of its targets only {target:?} takes {operations} (format {dialect}): \
             nothing can take over when it fails"
        )
    }
}

/// Finds what only one of several targets takes, by the dialects that their upstreams speak.
///
/// A target at the caller's own upstream, or at one whose dialect nobody named, may take anything;
/// so only what some target is known to take is looked at.
pub(crate) fn lone(pool: &Pool) -> Vec<Lone> {
    if pool.targets.len() < 2 {
        return Vec::new();
    }
    dialect::ALL
        .iter()
        .flat_map(|dialect| lone_in(pool, *dialect))
        .collect()
}

fn lone_in(pool: &Pool, dialect: &dyn Dialect) -> Vec<Lone> {
    let name = dialect.name();
    let mut found: Vec<Lone> = Vec::new();
    for (operation, _) in dialect.operations() {
        let mut takers = pool.targets.iter().filter(|target| {
            let upstream = target.upstream.as_ref();
            upstream.is_none_or(|upstream| upstream.takes(name, Some(operation)))
        });
        let (Some(taker), None) = (takers.next(), takers.next()) else {
            continue;
        };
        let upstream = taker.upstream.as_ref();
        if upstream.is_none_or(|upstream| upstream.dialect.is_none()) {
            continue;
        }
        match found.iter_mut().find(|lone| lone.target == taker.label()) {
            Some(lone) => lone.operations.push(operation),
            None => found.push(Lone {
                pool: pool.name.clone(),
                target: taker.label().to_owned(),
                dialect: name,
                operations: vec![operation],
            }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::{Target, Upstream};

    fn pool(upstreams: &[&str]) -> Pool {
        upstreams.iter().fold(Pool::new("p"), |pool, url| {
            let target = Target::new(*url).named(*url);
            pool.target(target.upstream(Upstream::new(url).unwrap()))
        })
    }

    fn told(pool: &Pool) -> Vec<String> {
        lone(pool).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_one_target_alone_takes_is_told() {
        let pool = pool(&["https://api.groq.com/openai/v1", "https://api.deepseek.com"]);
        let told = told(&pool);
        assert_eq!(told.len(), 3, "{told:#?}");
        assert_eq!(
            told[0],
            "pool \"p\": of its targets only \"https://api.deepseek.com\" takes /v1/messages, \
             /v1/messages/count_tokens (format anthropic): nothing can take over when it fails"
        );
        assert!(told[1].contains("only \"https://api.deepseek.com\" takes /completions"));
        assert!(told[2].contains("groq.com"), "{told:#?}");
        assert!(told[2].contains("/responses"), "{told:#?}");
        assert!(!told[2].contains("/chat/completions"), "{told:#?}");
    }

    #[test]
    fn two_of_a_kind_cover_each_other_and_the_unknown_takes_all() {
        let twice = pool(&[
            "https://api.groq.com/openai/v1",
            "https://eu.api.groq.com/v1",
        ]);
        assert!(told(&twice).is_empty());
        let unknown = pool(&["https://api.openai.com/v1", "http://localhost:1234/v1"]);
        assert!(told(&unknown).is_empty());
        let own = pool(&["https://api.openai.com/v1"]).model("own");
        assert!(told(&own).is_empty());
        assert!(told(&pool(&["https://api.openai.com/v1"])).is_empty());
    }
}
