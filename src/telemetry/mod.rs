//! What happens, told to those who watch: metrics by the facade of the crate `metrics`.
//!
//! # When
//!
//! Wherever a router runs unattended. [`Metrics`] counts what a router does, for any recorder of the
//! facade; [`Prometheus`] is that with a recorder that writes what it holds as text, for one router,
//! as the gateway's admin listener serves it.
//!
//! Labels have the names of the configuration and the words below only, so that no caller can add
//! to them. No prompt, answer, task, tenant or key is ever part of one.
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `outcome_requests_total` | counter | `pool`, `model` | Requests that were routed, by the model they named |
//! | `outcome_substituted_total` | counter | `pool`, `target`, `reason` | Requests that another target than the preferred one answered, by what stood against that |
//! | `outcome_refused_total` | counter | `pool` | Requests that were turned away: nobody could serve them |
//! | `outcome_passed_through_total` | counter | `reason` | Requests that passed through unrouted |
//! | `outcome_waiting_requests` | gauge |  | Requests that wait for a target now |
//! | `outcome_decision_seconds` | histogram |  | Time to decide on one attempt |
//! | `outcome_attempts_total` | counter | `pool`, `target`, `class` | Attempts that ended, by how they did |
//! | `outcome_wasted_attempts_total` | counter | `pool`, `target` | Attempts that came to nothing, though the request was in order |
//! | `outcome_late_answers_total` | counter | `pool`, `target` | Good answers that were later than they should be, or than the target's ever are |
//! | `outcome_shadow_attempts_total` | counter | `pool`, `target`, `class` | Copies of requests, whose answers were dropped, by how they ended |
//! | `outcome_attempts_in_flight` | gauge | `pool`, `target` | Attempts that are open now |
//! | `outcome_attempt_seconds` | histogram | `pool`, `target` | Time to the end of good answers |
//! | `outcome_first_content_seconds` | histogram | `pool`, `target` | Time to the first content of good answers that were streamed |
//! | `outcome_tokens_total` | counter | `pool`, `target`, `type` | Tokens that were used, as reported. Cached, written and reasoning ones are part of the others |
//! | `outcome_cost_dollars` | gauge | `pool`, `target` | Dollars spent on targets with a price, since the start |
//! | `outcome_wasted_cost_dollars` | gauge | `pool`, `target` | Of these, dollars for attempts that failed |
//! | `outcome_repeats_total` | counter |  | Attempts beyond the first of their request |
//! | `outcome_paid_twice_total` | counter |  | Repeats after an attempt that the provider may have worked on, and charged for |
//! | `outcome_cascades_total` | counter |  | Good answers that failed their checks and were asked for again, of another target |
//! | `outcome_scores_total` | counter |  | Scores of answers that were reported |
//! | `outcome_target_state` | gauge | `pool`, `target`, `state` | 1 for the state that a target is in, else 0 |
//! | `outcome_health_ratio` | gauge | `pool`, `target` | Probability that an attempt does not fail |
//! | `outcome_quality_ratio` | gauge | `pool`, `target` | Expected score of an answer |
//! | `outcome_headroom_ratio` | gauge | `pool`, `target` | Share that is left of the provider's limit; not a number where none is known |
//! | `outcome_wall_seconds` | gauge | `pool`, `target` | Time until nothing is left of it, as things go; infinite where that is not in sight |
//! | `outcome_cooldown_seconds` | gauge | `pool`, `target` | Time for which the provider asked to be left alone |
//! | `outcome_pool_mode` | gauge | `pool`, `mode` | 1 for the mode that a pool is in, else 0 |
//! | `outcome_caught_panics_total` | counter | `in` | Panics in code of yours, which were caught |
//! | `outcome_store_writes_total` | counter |  | Snapshots of the state that were written |
//! | `outcome_store_failures_total` | counter |  | Snapshots of the state that could not be written |
//! | `outcome_store_refusals_total` | counter |  | Snapshots of the state, or parts of one, that were found at the start and not believed |
//!
//! Names and labels are stable. `class` is a [`Class`](crate::Class), `state` a
//! [`State`](crate::router::State), `reason` the [kind](crate::router::Obstacle::kind) of an obstacle,
//! `least_bad` or `canary`, and of what passed through a [`Passed`](crate::router::Passed); `type` is
//! `input`, `output`, `cached`, `written` or `reasoning`; `in` is `policy`, `classifier`,
//! `task_classifier`, `check` or `observer`. `model` is what requests named: a model, an alias or a
//! pool. Costs only grow, though they are gauges: counters of the facade are whole numbers.

mod metrics;
mod prometheus;
mod recorder;

pub use self::{metrics::Metrics, prometheus::Prometheus, recorder::PrometheusRecorder};

#[cfg(test)]
mod tests;
