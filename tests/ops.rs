//! What stands in `examples/ops` goes with the metrics that there are.

#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/ops")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// The metrics of the documented table, with what a histogram is made of.
fn documented() -> BTreeSet<String> {
    let table = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/telemetry/mod.rs");
    let text = fs::read_to_string(table).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut names = BTreeSet::new();
    for row in rows.filter(|row| row.starts_with("outcome_")) {
        let (name, rest) = row.split_once('`').unwrap();
        if rest.starts_with(" | histogram") {
            names.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        } else {
            names.insert(name.to_owned());
        }
    }
    assert!(names.len() > 20, "{names:?}");
    names
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let words = text.split(|c| !is_name(c));
    let metrics = words.filter(|word| word.starts_with("outcome_"));
    metrics.map(str::to_owned).collect()
}

#[test]
fn rules_and_board_name_metrics_that_there_are() {
    let documented = documented();
    for file in ["alerts.yml", "alerts_test.yml", "grafana.json"] {
        let named = named(&read(file));
        let unknown: Vec<_> = named.difference(&documented).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
        assert!(named.len() > 8, "{file}: only {named:?}");
    }
}

#[test]
fn the_board_is_one_and_every_panel_asks_something() {
    let board: serde_json::Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            assert!(target["expr"].as_str().unwrap().contains("outcome_"));
            assert_eq!(target["datasource"]["uid"], "${datasource}");
        }
    }
    assert!(ids.len() > 20);
}

/// Only where Prometheus is installed.
#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    for arguments in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let run = Command::new("promtool")
            .args(arguments)
            .current_dir(folder())
            .output();
        let Ok(output) = run else {
            return;
        };
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}
