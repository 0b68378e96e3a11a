//! A scenario as its file says it, checked.

use std::path::{Path, PathBuf};

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
    pub(crate) keep: Option<Spanned<[f64; 2]>>,
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
    pub(crate) value: Spanned<[f64; 2]>,
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
        let check = Check { file, text };
        check.scenario(&scenario, data)?;
        Ok(scenario)
    }

    pub(crate) fn model(&self, name: &str) -> Option<usize> {
        self.models
            .iter()
            .position(|model| model.name.as_ref() == name)
    }
}

/// What a file must hold beyond its form.
struct Check<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Check<'_> {
    fn scenario(&self, scenario: &Scenario, data: &mut Data) -> Result<(), Mistake> {
        self.text_field("name", &scenario.name)?;
        self.positive("duration_s", &scenario.duration_s)?;
        self.positive("slo_s", &scenario.slo_s)?;
        self.positive("timeout_s", &scenario.timeout_s)?;
        self.not_negative("usd_weight", &scenario.usd_weight)?;
        self.arrivals(&scenario.arrivals, data)?;
        self.feedback(&scenario.feedback)?;
        self.tasks(&scenario.tasks)?;
        if scenario.models.is_empty() {
            return Err(Mistake::at_line(self.file, 1, "there is no [[model]]"));
        }
        for (at, model) in scenario.models.iter().enumerate() {
            self.model(model, data)?;
            let twin = scenario.model(model.name.as_ref()) != Some(at);
            if twin {
                let what = format!("there are two models {:?}", model.name.as_ref());
                return Err(self.wrong(&model.name, what));
            }
        }
        for event in &scenario.events {
            self.event(event, scenario)?;
        }
        if let Some(degraded) = &scenario.degraded {
            self.known("degraded", &degraded.model, scenario)?;
            self.span(
                "onset_s",
                &degraded.onset_s,
                "recovery_s",
                &degraded.recovery_s,
            )?;
        }
        Ok(())
    }

    fn arrivals(&self, arrivals: &Arrivals, data: &mut Data) -> Result<(), Mistake> {
        let trace = &arrivals.trace;
        self.text_field("trace", trace)?;
        let file: PathBuf = data.trace_file(trace.as_ref());
        if !file.is_file() {
            let what = format!("trace {:?}: there is no {}", trace.as_ref(), file.display());
            return Err(self.wrong(trace, what));
        }
        data.trace(trace.as_ref())?;
        if !(1..=1000).contains(arrivals.copies.as_ref()) {
            return Err(self.wrong(&arrivals.copies, "copies must be from 1 to 1000"));
        }
        if let Some(keep) = &arrivals.keep {
            for share in keep.as_ref() {
                self.probability("keep", keep, *share)?;
            }
        }
        Ok(())
    }

    fn feedback(&self, feedback: &Feedback) -> Result<(), Mistake> {
        let chance = &feedback.probability;
        self.probability("probability", chance, *chance.as_ref())?;
        self.not_negative("mean_delay_s", &feedback.mean_delay_s)?;
        if let Some(fixed) = &feedback.fixed {
            self.probability("fixed", fixed, *fixed.as_ref())?;
        }
        Ok(())
    }

    fn tasks(&self, tasks: &Tasks) -> Result<(), Mistake> {
        match (tasks.by.as_ref(), &tasks.count) {
            (By::Many, None) => Err(self.wrong(&tasks.by, "by = \"many\" needs a count")),
            (By::Many, Some(count)) if *count.as_ref() == 0 => {
                Err(self.wrong(count, "count must be at least 1"))
            }
            _ => Ok(()),
        }
    }

    fn model(&self, model: &Model, data: &Data) -> Result<(), Mistake> {
        self.text_field("name", &model.name)?;
        let outcomes = &model.outcomes;
        if !data.has_outcomes(outcomes.as_ref()) {
            let column = outcomes.as_ref();
            let what = format!("outcomes.csv has no column \"{column}_ok\"");
            return Err(self.wrong(outcomes, what));
        }
        data.outcomes(outcomes.as_ref())?;
        if data.latencies(model.latency.as_ref()).is_none() {
            let what = format!(
                "latency.csv has no answered call of the source {:?}",
                model.latency.as_ref()
            );
            return Err(self.wrong(&model.latency, what));
        }
        self.not_negative("input", &model.usd_per_mtok.input)?;
        self.not_negative("output", &model.usd_per_mtok.output)?;
        self.positive("rpm", &model.limits.rpm)?;
        self.positive("tpm", &model.limits.tpm)?;
        self.positive("burst_s", &model.limits.burst_s)
    }

    fn event(&self, event: &Event, scenario: &Scenario) -> Result<(), Mistake> {
        self.known("event", &event.model, scenario)?;
        self.span("from_s", &event.from_s, "to_s", &event.to_s)?;
        for value in event.value.as_ref() {
            match event.kind {
                Kind::Latency | Kind::Limit | Kind::Price => {
                    self.in_range("value", &event.value, *value, f64::MAX)?;
                }
                Kind::Error | Kind::Hang | Kind::QualityDrop => {
                    self.probability("value", &event.value, *value)?;
                }
            }
        }
        Ok(())
    }

    fn known(&self, what: &str, name: &Spanned<String>, of: &Scenario) -> Result<(), Mistake> {
        if of.model(name.as_ref()).is_some() {
            return Ok(());
        }
        let what = format!("{what}: there is no model {:?}", name.as_ref());
        Err(self.wrong(name, what))
    }

    fn span(
        &self,
        from_name: &str,
        from: &Spanned<f64>,
        to_name: &str,
        to: &Spanned<f64>,
    ) -> Result<(), Mistake> {
        self.not_negative(from_name, from)?;
        self.not_negative(to_name, to)?;
        if from.as_ref() < to.as_ref() {
            return Ok(());
        }
        let what = format!(
            "{from_name} = {} is not before {to_name} = {}",
            from.as_ref(),
            to.as_ref()
        );
        Err(self.wrong(from, what))
    }

    fn text_field(&self, what: &str, text: &Spanned<String>) -> Result<(), Mistake> {
        let value = text.as_ref();
        if value.trim().is_empty() || value.chars().any(char::is_control) {
            return Err(self.wrong(text, format!("{what} is empty or has control characters")));
        }
        Ok(())
    }

    fn positive(&self, what: &str, number: &Spanned<f64>) -> Result<(), Mistake> {
        self.not_negative(what, number)?;
        if *number.as_ref() == 0.0 {
            return Err(self.wrong(number, format!("{what} must be more than 0")));
        }
        Ok(())
    }

    fn not_negative(&self, what: &str, number: &Spanned<f64>) -> Result<(), Mistake> {
        self.in_range(what, number, *number.as_ref(), f64::MAX)
    }

    fn probability<T>(&self, what: &str, at: &Spanned<T>, value: f64) -> Result<(), Mistake> {
        self.in_range(what, at, value, 1.0)
    }

    fn in_range<T>(
        &self,
        what: &str,
        at: &Spanned<T>,
        value: f64,
        most: f64,
    ) -> Result<(), Mistake> {
        if (0.0..=most).contains(&value) {
            return Ok(());
        }
        let wanted = if most == f64::MAX {
            "a finite number of at least 0"
        } else {
            "from 0 to 1"
        };
        Err(self.wrong(at, format!("{what} = {value} must be {wanted}")))
    }

    fn wrong<T>(&self, at: &Spanned<T>, what: impl Into<String>) -> Mistake {
        Mistake::at_span(self.file, self.text, &at.span(), what)
    }
}
