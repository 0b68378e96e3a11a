//! The requests of a run: who asks what, when, and what they say of the answer.

use crate::{
    draws::{Draws, Use},
    setting::{Setting, Tasks},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) at_s: f64,
    pub(crate) input_tokens: f64,
    pub(crate) output_tokens: f64,
    pub(crate) question: usize,
    pub(crate) category: usize,
    pub(crate) task: usize,
    /// How long after the answer it is scored, if it is.
    pub(crate) scored_after_s: Option<f64>,
}

/// Returns the requests of one seed in order of arrival.
pub(crate) fn requests(setting: &Setting, seed: u64) -> Vec<Request> {
    let mut arrivals = Vec::new();
    let span = setting.arrivals.last().map_or(0.0, |last| last.at_s);
    for copy in 0..setting.copies as usize {
        // The first copy is the trace itself; the last arrival of a copy falls on its start.
        let offset = match copy {
            0 => 0.0,
            _ => span * Draws::new(seed, Use::Offset, [copy, 0, 0]).uniform(),
        };
        for (row, arrival) in setting.arrivals.iter().enumerate() {
            let mut arrival = *arrival;
            if span > 0.0 {
                arrival.at_s = (arrival.at_s + offset) % span;
            }
            let kept = setting.keep.is_none_or(|[from, to]| {
                let share = from + (to - from) * arrival.at_s / setting.duration_s;
                Draws::new(seed, Use::Keep, [copy, row, 0]).chance(share)
            });
            if arrival.at_s <= setting.duration_s && kept {
                arrivals.push(arrival);
            }
        }
    }
    arrivals.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let requests = arrivals.iter().enumerate().map(|(index, arrival)| {
        let mut draws = Draws::new(seed, Use::Question, [index, 0, 0]);
        let question = draws.below(setting.questions.of.len());
        let category = setting.questions.of[question];
        let task = match setting.tasks {
            Tasks::Category => category,
            Tasks::One => 0,
            Tasks::Many { tenants } => {
                // A few tenants are large.
                let n = tenants as f64;
                let tenant = ((n + 1.0).powf(draws.uniform()) - 1.0).floor();
                category * tenants + (tenant as usize).min(tenants - 1)
            }
        };
        let mut draws = Draws::new(seed, Use::Feedback, [index, 0, 0]);
        let scored = draws.chance(setting.feedback.probability);
        Request {
            at_s: arrival.at_s,
            input_tokens: arrival.input_tokens,
            output_tokens: arrival.output_tokens,
            question,
            category,
            task,
            scored_after_s: scored.then(|| draws.exponential(setting.feedback.mean_delay_s)),
        }
    });
    requests.collect()
}

/// Returns the names of the tasks, by number.
pub(crate) fn task_names(setting: &Setting) -> Vec<String> {
    let categories = setting.questions.categories.iter();
    match setting.tasks {
        Tasks::Category => categories.cloned().collect(),
        Tasks::One => vec!["all".to_owned()],
        Tasks::Many { tenants } => (0..categories.len() * tenants)
            .map(|task| format!("task-{task}"))
            .collect(),
    }
}
