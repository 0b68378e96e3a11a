use super::posted::Number;
use crate::classify::Usage;

/// What a model costs, in dollars per million tokens.
///
/// ```
/// use tower_outcome::{Price, classify::Usage};
///
/// let price = Price::per_million(3.0, 15.0).cached(0.3).written(3.75);
/// let usage = Usage::new(10_000, 500).cached(8_000).written(1_000);
/// let dollars = (1_000.0 * 3.0 + 8_000.0 * 0.3 + 1_000.0 * 3.75 + 500.0 * 15.0) / 1e6;
/// assert!((price.cost(&usage) - dollars).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Generated tokens, reasoning included.
    pub output: f64,
    /// Prompt tokens that were read from the provider's cache; as any other where not given.
    pub cached: Option<f64>,
    /// Prompt tokens that were written to the provider's cache; as any other where not given.
    pub written: Option<f64>,
}

impl Price {
    /// Creates a price from dollars per million prompt and generated tokens.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Self {
        Self {
            input,
            output,
            ..Self::default()
        }
    }

    /// Sets the dollars per million prompt tokens that were read from the provider's cache. Default:
    /// as any other prompt token.
    #[must_use]
    pub fn cached(mut self, read: f64) -> Self {
        self.cached = Some(read);
        self
    }

    /// Sets the dollars per million prompt tokens that were written to the provider's cache. Default:
    /// as any other prompt token.
    #[must_use]
    pub fn written(mut self, write: f64) -> Self {
        self.written = Some(write);
        self
    }

    /// Returns what so much usage costs, in dollars.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> f64 {
        let cached = usage.cached.min(usage.input);
        let written = usage.written.min(usage.input - cached);
        let fresh = usage.input - cached - written;
        let cost = fresh as f64 * self.input
            + cached as f64 * self.cached.unwrap_or(self.input)
            + written as f64 * self.written.unwrap_or(self.input)
            + usage.output as f64 * self.output;
        cost / TOKENS
    }

    pub(crate) fn is_sound(self) -> bool {
        let sound = |price: f64| price.is_finite() && price >= 0.0;
        let all = [
            Some(self.input),
            Some(self.output),
            self.cached,
            self.written,
        ];
        all.into_iter().flatten().all(sound)
    }

    /// Returns what a prompt costs less, in dollars per million tokens, when it is read from the
    /// cache.
    fn saving(self) -> f64 {
        let saving = self.cached.map(|cached| self.input - cached);
        saving.unwrap_or(CACHED * self.input).max(0.0)
    }
}

/// A price that can be changed while decisions read it; 0 where there is none.
#[derive(Debug)]
pub(super) struct Tariff {
    input: Number,
    output: Number,
    saving: Number,
}

impl Tariff {
    pub(super) fn new(price: Option<Price>) -> Self {
        let price = price.unwrap_or_default();
        Self {
            input: Number::new(price.input),
            output: Number::new(price.output),
            saving: Number::new(price.saving()),
        }
    }

    pub(super) fn set(&self, price: Price) {
        self.input.set(price.input);
        self.output.set(price.output);
        self.saving.set(price.saving());
    }

    /// Returns the expected cost of so many tokens, in dollars.
    pub(super) fn expected(&self, input: f64, output: f64) -> f64 {
        (self.input.get() * input + self.output.get() * output) / TOKENS
    }

    /// Returns what is expected to be saved where a prompt of so many tokens is in the cache, in
    /// dollars.
    pub(super) fn saved(&self, input: f64) -> f64 {
        self.saving.get() * input / TOKENS
    }
}

/// What prices are for.
const TOKENS: f64 = 1e6;

/// The share of a prompt's price that its cache saves, where the price does not say: no
/// provider gives less than half.
const CACHED: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_cost(price: Price, usage: Usage, dollars: f64) {
        let cost = price.cost(&usage);
        assert!((cost - dollars).abs() < 1e-12, "{cost}, not {dollars}");
    }

    #[test]
    fn a_cache_costs_as_any_prompt_unless_it_has_a_price() {
        let usage = Usage::new(1_000_000, 100_000)
            .cached(600_000)
            .written(300_000);
        let price = Price::per_million(3.0, 15.0);
        assert_cost(price, usage, 4.5);
        assert_cost(price.cached(0.3), usage, 0.18 + 1.2 + 1.5);
        assert_cost(price.written(3.75), usage, 2.1 + 1.125 + 1.5);
        assert_cost(price.cached(0.0).written(0.0), usage, 0.3 + 1.5);
    }

    #[test]
    fn parts_beyond_the_whole_cost_nothing() {
        let usage = Usage::new(10, 0).cached(u64::MAX).written(u64::MAX);
        assert_cost(Price::per_million(1e6, 0.0).written(7e9), usage, 10.0);
    }

    #[test]
    fn a_cache_saves_what_its_price_says_or_half() {
        let saved = |price| Tariff::new(Some(price)).saved(1e6);
        let price = Price::per_million(3.0, 15.0);
        assert_eq!(saved(price), 1.5);
        assert_eq!(saved(price.cached(0.25)), 2.75);
        assert_eq!(saved(price.cached(4.0)), 0.0);
        assert_eq!(Tariff::new(None).saved(1e6), 0.0);
    }

    #[test]
    fn every_number_of_a_price_must_be_one() {
        let good = Price::per_million(0.0, 1.0).cached(0.0).written(2.0);
        assert!(good.is_sound());
        for bad in [f64::NAN, f64::INFINITY, -0.1] {
            assert!(!Price::per_million(bad, 1.0).is_sound());
            assert!(!Price::per_million(1.0, bad).is_sound());
            assert!(!good.cached(bad).is_sound());
            assert!(!good.written(bad).is_sound());
        }
    }
}
