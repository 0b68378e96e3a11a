use std::path::{Path, PathBuf};

use toml::Spanned;

use super::{Arrivals, By, Event, Feedback, Kind, Model, Scenario, Tasks};
use crate::{data::Data, mistake::Mistake};

/// What a file must hold beyond its form.
struct Check<'a> {
    file: &'a Path,
    text: &'a str,
}

/// Checks the numbers, and that all names lead somewhere.
pub(super) fn check(
    file: &Path,
    text: &str,
    scenario: &Scenario,
    data: &mut Data,
) -> Result<(), Mistake> {
    Check { file, text }.scenario(scenario, data)
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
            self.two("keep", keep)?;
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
        self.two("value", &event.value)?;
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
        // Longer ones are no names of models.
        const LONGEST: usize = 256;
        let value = text.as_ref();
        if value.len() > LONGEST {
            let what = format!("{what} is longer than {LONGEST} bytes");
            return Err(self.wrong(text, what));
        }
        if value.trim().is_empty() || value.chars().any(char::is_control) {
            return Err(self.wrong(text, format!("{what} is empty or has control characters")));
        }
        Ok(())
    }

    fn two(&self, what: &str, values: &Spanned<Vec<f64>>) -> Result<(), Mistake> {
        if values.as_ref().len() == 2 {
            return Ok(());
        }
        let wanted = format!("{what} must be two numbers: at the beginning and at the end");
        Err(self.wrong(values, wanted))
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

#[cfg(test)]
mod tests;
