/// What others saw counts for no more than so many samples of our own: whoever lies, or is somewhere
/// else, is soon outweighed by what is seen here.
const MOST: f64 = 200.0;

/// How much of a decayed sum others have contributed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Others(f64);

impl Others {
    /// Lets in as much of so many samples as there is room for, each of which would count `each`.
    /// Returns the weight of all of them together.
    pub(crate) fn admit(&mut self, samples: u32, each: f64) -> f64 {
        self.admit_in(samples, each, 1.0)
    }

    /// The same where a sample of now counts `unit`.
    pub(crate) fn admit_in(&mut self, samples: u32, each: f64, unit: f64) -> f64 {
        let room = (MOST * unit - self.0).max(0.0);
        let weight = (f64::from(samples) * each.clamp(0.0, 1.0) * unit).min(room);
        self.0 += weight;
        weight
    }

    /// Takes back so many samples, as far as they were let in: what never was is not there to go.
    /// Returns the weight of all of them together.
    pub(crate) fn take_back_in(&mut self, samples: u32, each: f64, unit: f64) -> f64 {
        let weight = (f64::from(samples) * each.clamp(0.0, 1.0) * unit).min(self.0);
        self.0 -= weight;
        weight
    }

    pub(crate) fn weight(self) -> f64 {
        self.0
    }

    pub(crate) fn add_weight(&mut self, weight: f64) {
        self.0 += weight;
    }

    /// Adds what came with another sum.
    pub(crate) fn add(&mut self, more: Self) {
        self.0 += more.0;
    }

    /// Fades with the sum that it is part of.
    pub(crate) fn fade(&mut self, weight: f64) {
        self.0 *= weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_they_weigh_no_more_than_allowed() {
        let mut others = Others::default();
        let mut sum = 0.0;
        for _ in 0..1000 {
            sum += others.admit(u32::MAX, 1.0);
        }
        assert_eq!(sum, MOST);
        others.fade(0.5);
        assert_eq!(others.admit(u32::MAX, 1.0), MOST / 2.0);
    }

    #[test]
    fn few_count_in_full_and_old_ones_less() {
        let mut others = Others::default();
        assert_eq!(others.admit(3, 1.0), 3.0);
        assert_eq!(others.admit(4, 0.5), 2.0);
        assert_eq!(others.admit(4, f64::INFINITY), 4.0);
    }
}
