//! A scenario with the data it names: all that a run needs.

use std::sync::Arc;

use crate::{
    bucket::Limits,
    data::{Arrival, Data, Questions, Speed},
    mistake::Mistake,
    scenario::{By, Only, Scenario, ends},
    script::Script,
};

#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) duration_s: f64,
    pub(crate) slo_s: f64,
    pub(crate) timeout_s: f64,
    pub(crate) usd_weight: f64,
    pub(crate) arrivals: Arc<[Arrival]>,
    pub(crate) copies: u32,
    pub(crate) keep: Option<[f64; 2]>,
    pub(crate) feedback: Feedback,
    pub(crate) tasks: Tasks,
    pub(crate) questions: Questions,
    pub(crate) models: Vec<Model>,
    pub(crate) degraded: Option<Degraded>,
    /// What is scripted to be wrong, for the plot.
    pub(crate) faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Feedback {
    pub(crate) probability: f64,
    pub(crate) mean_delay_s: f64,
    pub(crate) fixed: Option<f64>,
    pub(crate) only_wrong: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Tasks {
    Category,
    One,
    /// So many tenants in each category.
    Many {
        tenants: usize,
    },
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) usd_input: f64,
    pub(crate) usd_output: f64,
    pub(crate) limits: Limits,
    pub(crate) sends_limit_headers: bool,
    pub(crate) sends_retry_after: bool,
    pub(crate) script: Script,
    /// Which questions it answers rightly.
    pub(crate) right: Arc<[bool]>,
    /// Share of right answers, by category.
    pub(crate) accuracy: Vec<f64>,
    pub(crate) speeds: Arc<[Speed]>,
    /// What latencies answers of any length have, in order.
    latencies: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Degraded {
    pub(crate) model: usize,
    pub(crate) onset_s: f64,
    pub(crate) recovery_s: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) model: usize,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    pub(crate) what: &'static str,
}

impl Model {
    /// Returns the share of answers, of whatever length, that take no longer than this while
    /// nothing is scripted.
    pub(crate) fn share_within(&self, latency_s: f64) -> f64 {
        let within = self.latencies.partition_point(|other| *other <= latency_s);
        within as f64 / (self.latencies.len() as f64).max(1.0)
    }

    /// Returns the price of a call in dollars.
    pub(crate) fn usd(&self, input_tokens: f64, output_tokens: f64, now_s: f64) -> f64 {
        let price = self.script.at(now_s).price / 1e6;
        (input_tokens * self.usd_input + output_tokens * self.usd_output) * price
    }
}

impl Setting {
    pub(crate) fn new(scenario: &Scenario, data: &mut Data) -> Result<Self, Mistake> {
        let questions = data.questions.clone();
        let arrivals = data.trace(scenario.arrivals.trace.as_ref())?;
        let lengths = lengths(&arrivals);
        let models = scenario.models.iter().map(|model| {
            let right = data.outcomes(model.outcomes.as_ref())?;
            let speeds = data.latencies(model.latency.as_ref());
            let speeds = speeds.unwrap_or_else(|| Arc::new([]));
            let name = model.name.as_ref();
            let events = scenario.events.iter();
            Ok(Model {
                name: name.clone(),
                usd_input: *model.usd_per_mtok.input.as_ref(),
                usd_output: *model.usd_per_mtok.output.as_ref(),
                limits: Limits {
                    rpm: *model.limits.rpm.as_ref(),
                    tpm: *model.limits.tpm.as_ref(),
                    burst_s: *model.limits.burst_s.as_ref(),
                },
                sends_limit_headers: model.sends_limit_headers,
                sends_retry_after: model.sends_retry_after,
                script: Script::new(events.filter(|event| event.model.as_ref() == name)),
                accuracy: accuracy(&right, &questions),
                right,
                latencies: latencies(&speeds, &lengths),
                speeds,
            })
        });
        let models = models.collect::<Result<Vec<_>, Mistake>>()?;
        let tasks = match scenario.tasks.by.as_ref() {
            By::Category => Tasks::Category,
            By::One => Tasks::One,
            By::Many => {
                let count = scenario
                    .tasks
                    .count
                    .as_ref()
                    .map_or(1, |count| *count.as_ref());
                Tasks::Many {
                    tenants: (count as usize / questions.categories.len()).max(1),
                }
            }
        };
        let place = |name: &String| scenario.model(name).unwrap_or(0);
        Ok(Self {
            name: scenario.name.as_ref().clone(),
            duration_s: *scenario.duration_s.as_ref(),
            slo_s: *scenario.slo_s.as_ref(),
            timeout_s: *scenario.timeout_s.as_ref(),
            usd_weight: *scenario.usd_weight.as_ref(),
            arrivals,
            copies: *scenario.arrivals.copies.as_ref(),
            keep: scenario.arrivals.keep.as_ref().map(ends),
            feedback: Feedback {
                probability: *scenario.feedback.probability.as_ref(),
                mean_delay_s: *scenario.feedback.mean_delay_s.as_ref(),
                fixed: scenario
                    .feedback
                    .fixed
                    .as_ref()
                    .map(|fixed| *fixed.as_ref()),
                only_wrong: scenario.feedback.only == Some(Only::Wrong),
            },
            tasks,
            questions,
            models,
            degraded: scenario.degraded.as_ref().map(|degraded| Degraded {
                model: place(degraded.model.as_ref()),
                onset_s: *degraded.onset_s.as_ref(),
                recovery_s: *degraded.recovery_s.as_ref(),
            }),
            faults: scenario
                .events
                .iter()
                .map(|event| Fault {
                    model: place(event.model.as_ref()),
                    from_s: *event.from_s.as_ref(),
                    to_s: *event.to_s.as_ref(),
                    what: event.kind.label(),
                })
                .collect(),
        })
    }
}

/// Lengths of answers that stand for those of all arrivals.
fn lengths(arrivals: &[Arrival]) -> Vec<f64> {
    const SAMPLE: usize = 400;
    let mut lengths: Vec<f64> = arrivals
        .iter()
        .map(|arrival| arrival.output_tokens)
        .collect();
    lengths.sort_by(f64::total_cmp);
    let step = lengths.len().div_ceil(SAMPLE).max(1);
    lengths.into_iter().skip(step / 2).step_by(step).collect()
}

fn latencies(speeds: &[Speed], lengths: &[f64]) -> Vec<f64> {
    let pairs = speeds.iter().flat_map(|speed| {
        let latency_s = |length: &f64| speed.latency_s(*length);
        lengths.iter().map(latency_s)
    });
    let mut latencies: Vec<f64> = pairs.collect();
    latencies.sort_by(f64::total_cmp);
    latencies
}

fn accuracy(right: &[bool], questions: &Questions) -> Vec<f64> {
    let mut counts = vec![(0.0, 0.0); questions.categories.len()];
    for (right, category) in right.iter().zip(questions.of.iter()) {
        let (rights, all) = &mut counts[*category];
        *rights += f64::from(u8::from(*right));
        *all += 1.0;
    }
    counts.iter().map(|(rights, all)| rights / all).collect()
}
