use super::Price;
use crate::classify::{Class, Usage};

/// What the attempts on a target used, and what that cost.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// Here as well as where decisions read it, so that it changes between two attempts and not
    /// within one.
    price: Option<Price>,
    /// How many attempts reported usage.
    pub(super) reports: u64,
    /// The sum of what they reported.
    pub(super) usage: Usage,
    dollars: f64,
    failed_dollars: f64,
}

impl Spent {
    pub(super) fn new(price: Option<Price>) -> Self {
        Self {
            price,
            ..Self::default()
        }
    }

    /// Goes on at another price, or without one.
    pub(super) fn reprice(&mut self, price: Option<Price>) {
        self.price = price;
    }

    pub(super) fn price(&self) -> Option<Price> {
        self.price
    }

    /// Adds what an attempt used, and returns what it cost, if that is known.
    pub(super) fn add(&mut self, usage: &Usage, class: Class) -> Option<f64> {
        self.reports = self.reports.saturating_add(1);
        let add = |sum: &mut u64, more| *sum = sum.saturating_add(more);
        add(&mut self.usage.input, usage.input);
        add(&mut self.usage.output, usage.output);
        add(&mut self.usage.cached, usage.cached);
        add(&mut self.usage.written, usage.written);
        add(&mut self.usage.reasoning, usage.reasoning);
        let cost = self.price?.cost(usage);
        // What overflows stays a number, which JSON can write.
        let add = |sum: &mut f64| *sum = (*sum + cost).min(f64::MAX);
        add(&mut self.dollars);
        if has_failed(class) {
            add(&mut self.failed_dollars);
        }
        Some(cost)
    }

    /// Returns what all attempts cost, and of that those that failed; `None` without a price. One of
    /// 0 is a price.
    pub(super) fn dollars(&self) -> Option<(f64, f64)> {
        self.price.map(|_| (self.dollars, self.failed_dollars))
    }
}

/// Whether an attempt brought nothing to anybody.
fn has_failed(class: Class) -> bool {
    !matches!(
        class,
        Class::Success | Class::Degraded | Class::ContentFilter | Class::Abandoned
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_without_a_price_and_a_free_model_has_one() {
        let usage = Usage::new(1_000, 10);
        let mut spent = Spent::new(None);
        assert_eq!(spent.add(&usage, Class::Success), None);
        assert_eq!(spent.dollars(), None);
        spent.reprice(Some(Price::per_million(0.0, 0.0)));
        assert_eq!(spent.add(&usage, Class::Success), Some(0.0));
        assert_eq!(spent.dollars(), Some((0.0, 0.0)));
        spent.reprice(Some(Price::per_million(1.0, 0.0)));
        assert_eq!(spent.add(&usage, Class::Success), Some(0.001));
        assert_eq!(spent.dollars(), Some((0.001, 0.0)));
        assert_eq!((spent.reports, spent.usage.input), (3, 3_000));
    }

    #[test]
    fn failures_that_cost_are_told_apart() {
        let mut spent = Spent::new(Some(Price::per_million(1e6, 0.0)));
        for class in Class::ALL {
            spent.add(&Usage::new(1, 0), class);
        }
        assert_eq!(spent.dollars(), Some((13.0, 9.0)));
    }

    #[test]
    fn sums_saturate() {
        let usage = Usage::new(u64::MAX, u64::MAX).reasoning(u64::MAX);
        let mut spent = Spent::new(Some(Price::per_million(f64::MAX, f64::MAX)));
        for _ in 0..2 {
            spent.add(&usage, Class::Timeout);
        }
        assert_eq!(spent.usage, usage);
        assert_eq!(spent.dollars(), Some((f64::MAX, f64::MAX)));
    }
}
