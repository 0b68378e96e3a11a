//! What the scripted events make of a model over time.

use crate::scenario::{Event, Kind, ends};

/// How often a call fails with a 5xx where no event says otherwise.
const ERROR: f64 = 0.002;

/// The events of one model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    events: Vec<Change>,
    /// Where limits begin or cease to change.
    bends: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    kind: Kind,
    from_s: f64,
    to_s: f64,
    value: [f64; 2],
}

/// What a model is like at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) latency: f64,
    pub(crate) error: f64,
    pub(crate) hang: f64,
    pub(crate) quality_drop: f64,
    pub(crate) price: f64,
}

impl Change {
    fn at(&self, now_s: f64) -> f64 {
        let part = (now_s - self.from_s) / (self.to_s - self.from_s);
        let [from, to] = self.value;
        from + (to - from) * part.clamp(0.0, 1.0)
    }
}

impl Script {
    pub(crate) fn new<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        let events: Vec<_> = events
            .map(|event| Change {
                kind: event.kind,
                from_s: *event.from_s.as_ref(),
                to_s: *event.to_s.as_ref(),
                value: ends(&event.value),
            })
            .collect();
        Self::of(events)
    }

    fn of(events: Vec<Change>) -> Self {
        let limits = events.iter().filter(|event| event.kind == Kind::Limit);
        let mut bends: Vec<f64> = limits
            .flat_map(|event| [event.from_s, event.to_s])
            .collect();
        bends.sort_by(f64::total_cmp);
        bends.dedup();
        Self { events, bends }
    }

    fn active(&self, kind: Kind, now_s: f64) -> impl Iterator<Item = f64> + '_ {
        self.events
            .iter()
            .filter(move |event| event.kind == kind)
            .filter(move |event| event.from_s <= now_s && now_s < event.to_s)
            .map(move |event| event.at(now_s))
    }

    /// Factors of several events at once multiply.
    fn factor(&self, kind: Kind, now_s: f64) -> f64 {
        self.active(kind, now_s).product()
    }

    /// Probabilities of several events at once combine as if independent.
    fn probability(&self, kind: Kind, now_s: f64) -> Option<f64> {
        let mut active = self.active(kind, now_s).peekable();
        active.peek()?;
        Some(1.0 - active.map(|p| 1.0 - p).product::<f64>())
    }

    pub(crate) fn at(&self, now_s: f64) -> Now {
        if self.events.is_empty() {
            return Now {
                latency: 1.0,
                error: ERROR,
                hang: 0.0,
                quality_drop: 0.0,
                price: 1.0,
            };
        }
        Now {
            latency: self.factor(Kind::Latency, now_s),
            error: self.probability(Kind::Error, now_s).unwrap_or(ERROR),
            hang: self.probability(Kind::Hang, now_s).unwrap_or(0.0),
            quality_drop: self.probability(Kind::QualityDrop, now_s).unwrap_or(0.0),
            price: self.factor(Kind::Price, now_s),
        }
    }

    /// Returns whether prices change.
    pub(crate) fn has_prices(&self) -> bool {
        self.events.iter().any(|event| event.kind == Kind::Price)
    }

    pub(crate) fn limit(&self, now_s: f64) -> f64 {
        if self.bends.is_empty() {
            return 1.0;
        }
        self.factor(Kind::Limit, now_s)
    }

    /// The limit just before a moment.
    pub(crate) fn limit_before(&self, now_s: f64) -> f64 {
        if self.bends.is_empty() {
            return 1.0;
        }
        let ending = |event: &&Change| event.from_s < now_s && now_s <= event.to_s;
        let limits = self.events.iter().filter(|event| event.kind == Kind::Limit);
        limits.filter(ending).map(|event| event.at(now_s)).product()
    }

    /// Returns the moments strictly between two others at which the limits bend.
    pub(crate) fn bends(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = f64> + '_ {
        self.bends
            .iter()
            .copied()
            .filter(move |at| from_s < *at && *at < to_s)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn script(events: &[(Kind, f64, f64, [f64; 2])]) -> Script {
        let changes = events.iter().map(|(kind, from_s, to_s, value)| Change {
            kind: *kind,
            from_s: *from_s,
            to_s: *to_s,
            value: *value,
        });
        Script::of(changes.collect())
    }

    pub(crate) fn limit(events: &[(f64, f64, [f64; 2])]) -> Script {
        let events = events
            .iter()
            .map(|(from, to, value)| (Kind::Limit, *from, *to, *value));
        script(&events.collect::<Vec<_>>())
    }

    #[test]
    fn an_event_goes_evenly_from_one_value_to_the_other() {
        let script = script(&[(Kind::Latency, 10.0, 20.0, [1.0, 4.0])]);
        let at = |now_s| script.at(now_s).latency;
        assert_eq!(
            [at(9.9), at(10.0), at(15.0), at(20.0)],
            [1.0, 1.0, 2.5, 1.0]
        );
    }

    #[test]
    fn events_at_the_same_time_combine() {
        let always = [0.5, 0.5];
        let script = script(&[
            (Kind::Error, 0.0, 10.0, always),
            (Kind::Error, 5.0, 10.0, always),
            (Kind::Limit, 0.0, 10.0, always),
            (Kind::Limit, 5.0, 10.0, always),
        ]);
        assert_eq!(script.at(6.0).error, 0.75);
        assert_eq!(script.limit(6.0), 0.25);
        assert_eq!(script.limit_before(5.0), 0.5);
        assert_eq!(script.at(10.0).error, ERROR);
    }
}
