//! Every metric there is. The table in the documentation of [`telemetry`](crate::telemetry) repeats
//! it for people; a test compares the two.

use metrics::Unit;

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::telemetry) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct Metric {
    pub(in crate::telemetry) name: &'static str,
    pub(in crate::telemetry) kind: Kind,
    pub(in crate::telemetry) unit: Unit,
    pub(in crate::telemetry) labels: &'static [&'static str],
    pub(in crate::telemetry) help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: Unit,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        unit,
        labels,
        help,
    }
}

macro_rules! metrics {
    ($($constant:ident = $name:literal $kind:ident $unit:ident [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: Metric =
            metric($name, Kind::$kind, Unit::$unit, &[$($label),*], $help);)*

        pub(in crate::telemetry) const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    REQUESTS = "outcome_requests_total" Counter Count ["pool", "model"]
        "Requests that were routed, by the model they named.";
    SUBSTITUTED = "outcome_substituted_total" Counter Count ["pool", "target", "reason"]
        "Requests that another target than the preferred one answered, by what stood against that.";
    REFUSED = "outcome_refused_total" Counter Count ["pool"]
        "Requests that were turned away: nobody could serve them.";
    PASSED = "outcome_passed_through_total" Counter Count ["reason"]
        "Requests that passed through unrouted.";
    WAITING = "outcome_waiting_requests" Gauge Count []
        "Requests that wait for a target now.";
    DECISION = "outcome_decision_seconds" Histogram Seconds []
        "Time to decide on one attempt.";
    ATTEMPTS = "outcome_attempts_total" Counter Count ["pool", "target", "class"]
        "Attempts that ended, by how they did.";
    WASTED = "outcome_wasted_attempts_total" Counter Count ["pool", "target"]
        "Attempts that came to nothing, though the request was in order.";
    LATE = "outcome_late_answers_total" Counter Count ["pool", "target"]
        "Good answers that were later than they should be, or than the target's ever are.";
    SHADOWS = "outcome_shadow_attempts_total" Counter Count ["pool", "target", "class"]
        "Copies of requests, whose answers were dropped, by how they ended.";
    IN_FLIGHT = "outcome_attempts_in_flight" Gauge Count ["pool", "target"]
        "Attempts that are open now.";
    SECONDS = "outcome_attempt_seconds" Histogram Seconds ["pool", "target"]
        "Time to the end of good answers.";
    FIRST_CONTENT = "outcome_first_content_seconds" Histogram Seconds ["pool", "target"]
        "Time to the first content of good answers that were streamed.";
    TOKENS = "outcome_tokens_total" Counter Count ["pool", "target", "type"]
        "Tokens that were used, as reported. Cached, written and reasoning ones are part of the others.";
    COST = "outcome_cost_dollars" Gauge Count ["pool", "target"]
        "Dollars spent on targets with a price, since the start.";
    WASTED_COST = "outcome_wasted_cost_dollars" Gauge Count ["pool", "target"]
        "Of these, dollars for attempts that failed.";
    REPEATS = "outcome_repeats_total" Counter Count []
        "Attempts beyond the first of their request.";
    PAID_TWICE = "outcome_paid_twice_total" Counter Count []
        "Repeats after an attempt that the provider may have worked on, and charged for.";
    CASCADES = "outcome_cascades_total" Counter Count []
        "Good answers that failed their checks and were asked for again, of another target.";
    SCORES = "outcome_scores_total" Counter Count []
        "Scores of answers that were reported.";
    STATE = "outcome_target_state" Gauge Count ["pool", "target", "state"]
        "1 for the state that a target is in, else 0.";
    HEALTH = "outcome_health_ratio" Gauge Count ["pool", "target"]
        "Probability that an attempt does not fail.";
    QUALITY = "outcome_quality_ratio" Gauge Count ["pool", "target"]
        "Expected score of an answer.";
    HEADROOM = "outcome_headroom_ratio" Gauge Count ["pool", "target"]
        "Share that is left of the provider's limit; not a number where none is known.";
    WALL = "outcome_wall_seconds" Gauge Seconds ["pool", "target"]
        "Time until nothing is left of it, as things go; infinite where that is not in sight.";
    COOLDOWN = "outcome_cooldown_seconds" Gauge Seconds ["pool", "target"]
        "Time for which the provider asked to be left alone.";
    MODE = "outcome_pool_mode" Gauge Count ["pool", "mode"]
        "1 for the mode that a pool is in, else 0.";
    PANICS = "outcome_caught_panics_total" Counter Count ["in"]
        "Panics in code of yours, which were caught.";
    STORE_WRITES = "outcome_store_writes_total" Counter Count []
        "Snapshots of the state that were written.";
    STORE_FAILURES = "outcome_store_failures_total" Counter Count []
        "Snapshots of the state that could not be written.";
    STORE_REFUSALS = "outcome_store_refusals_total" Counter Count []
        "Snapshots of the state, or parts of one, that were found at the start and not believed.";
}
