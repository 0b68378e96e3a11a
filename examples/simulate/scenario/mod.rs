//! A scenario as its file says it, checked.

mod check;

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::{
    data::Data,
    mistake::{Mistake, read},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: Spanned<String>,
    pub(crate) duration_s: Spanned<f64>,
    /// A request succeeds if it is answered rightly within this.
    pub(crate) slo_s: Spanned<f64>,
    /// Of one attempt.
    pub(crate) timeout_s: Spanned<f64>,
    /// Utility lost per dollar spent.
    #[serde(default = "zero")]
    pub(crate) usd_weight: Spanned<f64>,
    pub(crate) arrivals: Arrivals,
    #[serde(default)]
    pub(crate) feedback: Feedback,
    #[serde(default)]
    pub(crate) tasks: Tasks,
    #[serde(default, rename = "model")]
    pub(crate) models: Vec<Model>,
    #[serde(default, rename = "event")]
    pub(crate) events: Vec<Event>,
    pub(crate) degraded: Option<Degraded>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrivals {
    pub(crate) trace: Spanned<String>,
    #[serde(default = "one")]
    pub(crate) copies: Spanned<u32>,
    /// The share of arrivals that is kept, at the beginning and at the end.
    pub(crate) keep: Option<Spanned<Vec<f64>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Feedback {
    #[serde(default = "zero")]
    pub(crate) probability: Spanned<f64>,
    #[serde(default = "zero")]
    pub(crate) mean_delay_s: Spanned<f64>,
    /// What every report says, whatever the answer.
    pub(crate) fixed: Option<Spanned<f64>>,
    pub(crate) only: Option<Only>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Only {
    Wrong,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tasks {
    pub(crate) by: Spanned<By>,
    pub(crate) count: Option<Spanned<u32>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    Category,
    One,
    Many,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    pub(crate) name: Spanned<String>,
    /// Its column in `outcomes.csv`, without `_ok`.
    pub(crate) outcomes: Spanned<String>,
    /// Its source in `latency.csv`.
    pub(crate) latency: Spanned<String>,
    pub(crate) usd_per_mtok: Prices,
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) sends_limit_headers: bool,
    #[serde(default)]
    pub(crate) sends_retry_after: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    pub(crate) input: Spanned<f64>,
    pub(crate) output: Spanned<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) rpm: Spanned<f64>,
    pub(crate) tpm: Spanned<f64>,
    pub(crate) burst_s: Spanned<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    pub(crate) model: Spanned<String>,
    pub(crate) from_s: Spanned<f64>,
    pub(crate) to_s: Spanned<f64>,
    pub(crate) kind: Kind,
    /// At its beginning and at its end; linear in between.
    pub(crate) value: Spanned<Vec<f64>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Latency,
    Error,
    Hang,
    Limit,
    QualityDrop,
    /// Multiplies the prices. Not in the benchmark's definition.
    Price,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Degraded {
    pub(crate) model: Spanned<String>,
    pub(crate) onset_s: Spanned<f64>,
    pub(crate) recovery_s: Spanned<f64>,
}

/// Returns the two ends of what changes evenly; a check made sure that there are two.
pub(crate) fn ends(values: &Spanned<Vec<f64>>) -> [f64; 2] {
    match values.as_ref().as_slice() {
        [from, to] => [*from, *to],
        _ => [1.0, 1.0],
    }
}

impl Kind {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Latency => "slow",
            Self::Error => "errors",
            Self::Hang => "hangs",
            Self::Limit => "limited",
            Self::QualityDrop => "wrong answers",
            Self::Price => "price",
        }
    }
}

impl Default for Feedback {
    fn default() -> Self {
        Self {
            probability: zero(),
            mean_delay_s: zero(),
            fixed: None,
            only: None,
        }
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            by: Spanned::new(0..0, By::Category),
            count: None,
        }
    }
}

fn zero() -> Spanned<f64> {
    Spanned::new(0..0, 0.0)
}

fn one() -> Spanned<u32> {
    Spanned::new(0..0, 1)
}

impl Scenario {
    pub(crate) fn read(file: &Path, data: &mut Data) -> Result<Self, Mistake> {
        Self::parse(file, &read(file)?, data)
    }

    pub(crate) fn parse(file: &Path, text: &str, data: &mut Data) -> Result<Self, Mistake> {
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let what = error.message().replace('\n', ", ");
            match error.span() {
                Some(span) => Mistake::at_span(file, text, &span, what),
                None => Mistake::at_line(file, 1, what),
            }
        })?;
        check::check(file, text, &scenario, data)?;
        Ok(scenario)
    }

    pub(crate) fn model(&self, name: &str) -> Option<usize> {
        self.models
            .iter()
            .position(|model| model.name.as_ref() == name)
    }
}
