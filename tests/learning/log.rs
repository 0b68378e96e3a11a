use tower_outcome::Class;

use super::world::World;

/// An attempt that was made.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Seconds since the beginning.
    pub(crate) at: f64,
    /// From 1.
    pub(crate) number: usize,
    pub(crate) target: &'static str,
    pub(crate) task: Option<&'static str>,
    pub(crate) tokens: u64,
    pub(crate) took: f64,
    pub(crate) class: Class,
}

impl World {
    /// The attempts that began in these seconds.
    pub(crate) fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Attempt> + Clone {
        let first = self.attempts.partition_point(|one| one.at < from);
        let last = self.attempts.partition_point(|one| one.at < to);
        self.attempts[first..last.max(first)].iter()
    }

    /// The first attempts of the requests that came in these seconds.
    pub(crate) fn firsts(&self, from: f64, to: f64) -> impl Iterator<Item = &Attempt> + Clone {
        self.between(from, to).filter(|one| one.number == 1)
    }

    /// The attempts on a target in these seconds.
    pub(crate) fn on(&self, target: &str, from: f64, to: f64) -> usize {
        let attempts = self.between(from, to);
        attempts.filter(|one| one.target == target).count()
    }

    /// The share of the requests in these seconds whose first attempt went to a target.
    pub(crate) fn share(&self, target: &str, from: f64, to: f64) -> f64 {
        let all = self.firsts(from, to).count().max(1);
        let there = self.firsts(from, to).filter(|one| one.target == target);
        there.count() as f64 / all as f64
    }

    /// The attempts in these seconds that ended with a class.
    pub(crate) fn ended(&self, class: Class, from: f64, to: f64) -> usize {
        let attempts = self.between(from, to);
        attempts.filter(|one| one.class == class).count()
    }
}
