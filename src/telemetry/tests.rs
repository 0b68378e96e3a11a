use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Metrics, PrometheusRecorder,
    metrics::names::{ALL, Kind},
};
use crate::{
    classify::{Class, Usage, Verdict},
    hints::Candidates,
    router::{Outcome, OutcomeRouter, PickRequest, Pool, Price, Target},
    store::FleetState,
};

struct Watched {
    router: OutcomeRouter,
    metrics: Arc<Metrics>,
    recorder: Arc<PrometheusRecorder>,
}

impl Watched {
    fn new(pool: Pool) -> Self {
        let recorder = Arc::new(PrometheusRecorder::new());
        let metrics = Arc::new(Metrics::recorded_by(recorder.clone()));
        let router = OutcomeRouter::builder().pool(pool).seed(1);
        let router = router.observer(metrics.clone()).build().unwrap();
        Self {
            router,
            metrics,
            recorder,
        }
    }

    fn of_two() -> Self {
        let price = Price::per_million(1.0, 2.0);
        let pool = Pool::new("chat").alias("default");
        Self::new(
            pool.target(Target::new("a").price(price))
                .target(Target::new("b").price(price)),
        )
    }

    fn settle(&self, request: &PickRequest<'_>, outcome: Outcome) {
        let now = self.router.now();
        let ticket = self.router.pick_at(request, now).unwrap();
        ticket.settle_at(outcome, now + Duration::from_millis(30));
    }

    fn text(&self) -> String {
        self.metrics.refresh(&self.router.snapshot());
        self.recorder.render()
    }

    #[track_caller]
    fn assert(&self, lines: &[&str]) {
        let text = self.text();
        for line in lines {
            assert!(text.lines().any(|it| it == *line), "{line}\n{text}");
        }
    }
}

fn ended(class: Class) -> Outcome {
    Outcome::new(Verdict::new(class))
}

#[test]
fn what_happens_is_counted_once() {
    let watched = Watched::of_two();
    let used = Usage::new(100, 10).cached(40);
    let good = ended(Class::Success)
        .usage(Some(used))
        .first_content(Some(Duration::from_millis(15)));
    watched.settle(&PickRequest::new("default"), good);
    watched.settle(&PickRequest::new("a"), ended(Class::ServerError));
    watched.settle(&PickRequest::new("a"), ended(Class::ClientError));
    let shadow = PickRequest::new("a").shadow(true);
    watched.settle(&shadow, ended(Class::Success));
    let only = Candidates::only(["b"]);
    let elsewhere = PickRequest::new("a").candidates(&only);
    watched.settle(&elsewhere, ended(Class::Success));
    watched.assert(&[
        "outcome_requests_total{pool=\"chat\",model=\"default\"} 1",
        "outcome_requests_total{pool=\"chat\",model=\"a\"} 3",
        "outcome_attempts_total{pool=\"chat\",target=\"a\",class=\"success\"} 1",
        "outcome_attempts_total{pool=\"chat\",target=\"a\",class=\"server_error\"} 1",
        "outcome_wasted_attempts_total{pool=\"chat\",target=\"a\"} 1",
        "outcome_substituted_total{pool=\"chat\",target=\"b\",reason=\"excluded\"} 1",
        "outcome_tokens_total{pool=\"chat\",target=\"a\",type=\"input\"} 100",
        "outcome_tokens_total{pool=\"chat\",target=\"a\",type=\"cached\"} 40",
        "outcome_cost_dollars{pool=\"chat\",target=\"a\"} 0.00012",
        "outcome_attempt_seconds_bucket{pool=\"chat\",target=\"a\",le=\"0.02\"} 0",
        "outcome_attempt_seconds_bucket{pool=\"chat\",target=\"a\",le=\"0.05\"} 1",
        "outcome_attempt_seconds_bucket{pool=\"chat\",target=\"a\",le=\"+Inf\"} 1",
        "outcome_attempt_seconds_sum{pool=\"chat\",target=\"a\"} 0.03",
        "outcome_first_content_seconds_count{pool=\"chat\",target=\"a\"} 1",
        "outcome_target_state{pool=\"chat\",target=\"b\",state=\"healthy\"} 1",
        "outcome_headroom_ratio{pool=\"chat\",target=\"a\"} NaN",
        "outcome_wall_seconds{pool=\"chat\",target=\"a\"} +Inf",
        "outcome_pool_mode{pool=\"chat\",mode=\"route\"} 1",
        "# TYPE outcome_decision_seconds histogram",
    ]);
    let shadows = "outcome_shadow_attempts_total";
    assert!(watched.text().contains(shadows));
}

#[test]
fn what_is_documented_is_what_there_is() {
    let watched = Watched::of_two();
    watched.settle(&PickRequest::new("a"), ended(Class::Success));
    let table = include_str!("mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `outcome_"));
    let documented: Vec<String> = table.map(|row| format!("| `outcome_{row}")).collect();
    let is: Vec<String> = ALL
        .iter()
        .map(|metric| {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let labels = metric.labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            let help = metric.help.trim_end_matches('.');
            format!("| `{}` | {kind} | {labels} | {help} |", metric.name)
        })
        .collect();
    assert_eq!(documented, is);
    // And nothing is emitted that is not among them.
    let text = watched.text();
    let emitted: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .map(|words| (words[0].to_owned(), words[1].to_owned()))
        .collect();
    for (name, kind) in emitted {
        let known = ALL.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(format!("{:?}", known.kind).to_lowercase(), kind, "{name}");
    }
}

#[test]
fn names_have_their_units_and_kinds_in_them() {
    for metric in ALL {
        let name = metric.name;
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        let in_seconds = metric.unit == metrics::Unit::Seconds;
        assert_eq!(name.ends_with("_seconds"), in_seconds, "{name}");
    }
}

#[test]
fn f20_f40_labels_hold_configured_names_only_and_are_escaped() {
    let odd = "<img \"onerror\\\n>";
    assert!(OutcomeRouter::builder().model(odd).build().is_err());
    let watched = Watched::new(Pool::new("\"q\\").target(Target::new("<b>")));
    let tenant = PickRequest::new("<b>")
        .tenant("canary-tenant")
        .task("canary-task");
    watched.settle(&tenant, ended(Class::Success));
    assert!(
        watched
            .router
            .pick(&PickRequest::new("canary-model"))
            .is_err()
    );
    let text = watched.text();
    assert!(
        text.contains("{pool=\"\\\"q\\\\\",target=\"<b>\"}"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn a_router_without_a_recorder_costs_nothing_and_breaks_nothing() {
    let metrics = Arc::new(Metrics::new());
    let router = OutcomeRouter::builder()
        .model("a")
        .observer(metrics.clone());
    let router = router.build().unwrap();
    drop(router.pick(&PickRequest::new("a")).unwrap());
    metrics.refresh(&router.snapshot());
    assert_eq!(router.snapshot().counts.observer_panics, 0);
}

#[test]
fn the_recorder_is_bounded_and_takes_any_metric() {
    use metrics::{Key, Label, Level, Metadata, Recorder as _};

    let recorder = PrometheusRecorder::new();
    let metadata = Metadata::new("x", Level::INFO, None);
    for n in 0..60_000 {
        let labels = vec![Label::new("n", n.to_string())];
        let key = Key::from_parts("my.counter", labels);
        recorder.register_counter(&key, &metadata).increment(n);
    }
    let gauge = recorder.register_gauge(&Key::from_name("late"), &metadata);
    gauge.set(1.0);
    let text = recorder.render();
    assert_eq!(text.lines().count(), 50_001);
    assert!(text.contains("my_counter{n=\"49999\"} 49999\n"));
    assert!(!text.contains("late"));
}

#[test]
fn how_sharing_goes_is_told_where_anything_is_shared() {
    let watched = Watched::of_two();
    assert!(!watched.text().contains("\noutcome_fleet_"));
    let state = FleetState {
        instances: 3,
        dropped: 7,
        ..FleetState::default()
    };
    watched.metrics.refresh_fleet(&state);
    watched.assert(&[
        "outcome_fleet_instances 3",
        "outcome_fleet_connected 0",
        "outcome_fleet_exchange_age_seconds +Inf",
        "outcome_fleet_dropped_total 7",
    ]);
    let state = FleetState {
        connected: true,
        last_exchange_s: Some(0.25),
        taken: 5,
        ..state
    };
    watched.metrics.refresh_fleet(&state);
    watched.assert(&[
        "outcome_fleet_connected 1",
        "outcome_fleet_exchange_age_seconds 0.25",
        "outcome_fleet_taken_total 5",
    ]);
}
