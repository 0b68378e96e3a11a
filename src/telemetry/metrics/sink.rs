use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, with_recorder};

use super::names::{ALL, Kind, Metric};

/// Where metrics go.
#[derive(Clone)]
pub(super) enum Sink {
    /// To whatever recorder the process has installed.
    Installed,
    Own(Arc<dyn Recorder + Send + Sync>),
}

const METADATA: Metadata<'static> = Metadata::new("tower_outcome", Level::INFO, None);

impl Sink {
    pub(super) fn counter(&self, metric: &Metric, values: &[&str]) -> Counter {
        self.with(|to| to.register_counter(&key(metric, values), &METADATA))
    }

    pub(super) fn gauge(&self, metric: &Metric, values: &[&str]) -> Gauge {
        self.with(|to| to.register_gauge(&key(metric, values), &METADATA))
    }

    pub(super) fn histogram(&self, metric: &Metric, values: &[&str]) -> Histogram {
        self.with(|to| to.register_histogram(&key(metric, values), &METADATA))
    }

    /// Tells the recorder what the metrics mean.
    pub(super) fn describe(&self) {
        self.with(|to| {
            for metric in ALL {
                let (name, unit) = (metric.name.into(), Some(metric.unit));
                let help = metric.help.into();
                match metric.kind {
                    Kind::Counter => to.describe_counter(name, unit, help),
                    Kind::Gauge => to.describe_gauge(name, unit, help),
                    Kind::Histogram => to.describe_histogram(name, unit, help),
                }
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&dyn Recorder) -> T) -> T {
        match self {
            Self::Installed => with_recorder(f),
            Self::Own(recorder) => f(&**recorder),
        }
    }
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels = metric.labels.iter().zip(values);
    let labels = labels.map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Installed => "Installed",
            Self::Own(_) => "Own",
        })
    }
}

/// What was made for a name once, and is at hand from then on. The names are those of the
/// configuration, and words of ours, so that it cannot grow without bound;
/// and so few that to compare them takes less time than to hash one.
#[derive(Debug)]
pub(super) struct Cache<V>(Mutex<BTreeMap<Box<str>, V>>);

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Cache<V> {
    /// Returns what belongs to a name. It is made outside of the lock: a recorder is others' code.
    pub(super) fn get(&self, name: &str, make: impl FnOnce() -> V) -> V {
        let known = self.lock().get(name).cloned();
        known.unwrap_or_else(|| {
            let made = make();
            self.lock().entry(name.into()).or_insert(made).clone()
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
