use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// Holds metrics, and writes them in the text format of Prometheus. For any metrics of the facade,
/// though made for [ours](super::Metrics).
///
/// Its memory is bounded: a histogram is its buckets, and a series beyond 50,000 is not held.
///
/// ```
/// use std::sync::Arc;
/// use tower_outcome::{OutcomeRouter, telemetry::{Metrics, PrometheusRecorder}};
///
/// let recorder = Arc::new(PrometheusRecorder::new());
/// let metrics = Arc::new(Metrics::recorded_by(recorder.clone()));
/// let router = OutcomeRouter::builder().model("gpt-4o").observer(metrics.clone()).build()?;
///
/// // Whenever somebody asks:
/// metrics.refresh(&router.snapshot());
/// let text = recorder.render();
/// assert!(text.contains("outcome_health_ratio{pool=\"default\",target=\"gpt-4o\"} 0.99"));
/// # Ok::<(), tower_outcome::BuildError>(())
/// ```
#[derive(Debug, Default)]
pub struct PrometheusRecorder {
    families: Mutex<Families>,
}

#[derive(Debug, Default)]
struct Families {
    by_name: BTreeMap<String, Family>,
    series: usize,
}

/// The series of a name.
#[derive(Debug, Default)]
struct Family {
    help: Option<String>,
    counters: BTreeMap<String, Arc<AtomicU64>>,
    gauges: BTreeMap<String, Arc<AtomicU64>>,
    histograms: BTreeMap<String, Arc<Buckets>>,
}

/// More than any configuration has: it bounds what a mistake can do.
const MOST_SERIES: usize = 50_000;

/// Upper bounds in seconds, from microseconds for decisions to minutes for long answers: a factor of
/// two to two and a half between neighbours.
const BOUNDS: [f64; 24] = [
    2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 5e-3, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0,
];

impl PrometheusRecorder {
    /// The media type of [`render`](Self::render).
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Creates a recorder that holds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what it holds, in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.lock();
        let mut text = String::new();
        for (name, family) in &families.by_name {
            family.write(name, &mut text);
        }
        text
    }

    fn describe(&self, name: &KeyName, help: &SharedString) {
        let mut families = self.lock();
        let family = families.by_name.entry(name_of(name.as_str())).or_default();
        family.help = Some(help.to_string());
    }

    /// Returns a series, which is made if there is none and there is room.
    fn series<T: Default>(
        &self,
        key: &Key,
        of: impl FnOnce(&mut Family) -> &mut BTreeMap<String, Arc<T>>,
    ) -> Option<Arc<T>> {
        let labels = labels_of(key);
        let mut families = self.lock();
        let families = &mut *families;
        if families.series >= MOST_SERIES && !families.by_name.contains_key(key.name()) {
            return None;
        }
        let family = families.by_name.entry(name_of(key.name())).or_default();
        let series = of(family);
        if let Some(known) = series.get(&labels) {
            return Some(known.clone());
        }
        if families.series >= MOST_SERIES {
            return None;
        }
        families.series += 1;
        Some(series.entry(labels).or_default().clone())
    }

    fn lock(&self) -> MutexGuard<'_, Families> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for PrometheusRecorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let series = self.series(key, |family| &mut family.counters);
        series.map_or_else(Counter::noop, |it| Counter::from_arc(Arc::new(Count(it))))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let series = self.series(key, |family| &mut family.gauges);
        series.map_or_else(Gauge::noop, |it| Gauge::from_arc(Arc::new(Level(it))))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let series = self.series(key, |family| &mut family.histograms);
        series.map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

struct Count(Arc<AtomicU64>);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

/// The bits of a float.
struct Level(Arc<AtomicU64>);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        add(&self.0, value);
    }

    fn decrement(&self, value: f64) {
        add(&self.0, -value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Buckets {
    /// Of each bound, without those of smaller ones; the last is beyond all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// The bits of a float.
    sum: AtomicU64,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        add(&self.sum, value);
    }
}

fn add(bits: &AtomicU64, value: f64) {
    let sum = |bits| Some((f64::from_bits(bits) + value).to_bits());
    let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
}

impl Family {
    fn write(&self, name: &str, text: &mut String) {
        let kind = match (&self.counters, &self.gauges, &self.histograms) {
            (counters, ..) if !counters.is_empty() => "counter",
            (_, gauges, _) if !gauges.is_empty() => "gauge",
            (.., histograms) if !histograms.is_empty() => "histogram",
            _ => return,
        };
        if let Some(help) = &self.help {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            line(text, format_args!("# HELP {name} {help}"));
        }
        line(text, format_args!("# TYPE {name} {kind}"));
        // A name has one kind: whatever else was registered under it is left out.
        match kind {
            "counter" => {
                for (labels, count) in &self.counters {
                    let count = count.load(Ordering::Relaxed);
                    line(text, format_args!("{name}{} {count}", Braced(labels, "")));
                }
            }
            "gauge" => {
                for (labels, level) in &self.gauges {
                    let level = Number(f64::from_bits(level.load(Ordering::Relaxed)));
                    line(text, format_args!("{name}{} {level}", Braced(labels, "")));
                }
            }
            _ => {
                for (labels, buckets) in &self.histograms {
                    buckets.write(name, labels, text);
                }
            }
        }
    }
}

impl Buckets {
    fn write(&self, name: &str, labels: &str, text: &mut String) {
        let mut below = 0;
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            let bound = format!("le=\"{}\"", Number(bound));
            let labels = Braced(labels, &bound);
            line(text, format_args!("{name}_bucket{labels} {below}"));
        }
        let (sum, labels) = (self.sum.load(Ordering::Relaxed), Braced(labels, ""));
        let sum = Number(f64::from_bits(sum));
        line(text, format_args!("{name}_sum{labels} {sum}"));
        line(text, format_args!("{name}_count{labels} {below}"));
    }
}

fn line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

/// Labels, and one more, in braces if there are any.
struct Braced<'a>(&'a str, &'a str);

impl fmt::Display for Braced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            ("", "") => Ok(()),
            (labels, "") | ("", labels) => write!(f, "{{{labels}}}"),
            (labels, more) => write!(f, "{{{labels},{more}}}"),
        }
    }
}

/// A number as Prometheus writes it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number}"),
        }
    }
}

/// Writes labels as they stand between the braces.
fn labels_of(key: &Key) -> String {
    let mut text = String::new();
    for label in key.labels() {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&name_of(label.key()));
        text.push_str("=\"");
        for c in label.value().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }
    text
}

/// Makes a name of what may be one in the facade only.
fn name_of(name: &str) -> String {
    let letter = |(at, c): (usize, char)| {
        let fits = c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
        if fits { c } else { '_' }
    };
    name.chars().enumerate().map(letter).collect()
}
