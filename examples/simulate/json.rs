use serde::Serialize;

use crate::figures::Row;

/// What a file of rows holds; `null` where a figure does not apply.
#[derive(Serialize)]
struct JsonRow<'a> {
    scenario: &'a str,
    policy: &'a str,
    seeds: usize,
    success_pct: Option<f64>,
    err_pct: Option<f64>,
    waste_per_1k: Option<f64>,
    regret_per_1k: Option<f64>,
    ttd_s: Option<f64>,
    ttr_s: Option<f64>,
    cost_usd_per_1k: Option<f64>,
    p50_s: Option<f64>,
    p99_s: Option<f64>,
    /// Of first attempts, in declared order of the models.
    shares: Vec<f64>,
}

pub(crate) fn json(rows: &[Row]) -> Result<String, serde_json::Error> {
    let finite = |value: f64| value.is_finite().then(|| (value * 1e6).round() / 1e6);
    let rows: Vec<JsonRow<'_>> = rows
        .iter()
        .map(|row| JsonRow {
            scenario: &row.scenario,
            policy: &row.policy,
            seeds: row.seeds,
            success_pct: finite(row.success_pct),
            err_pct: finite(row.err_pct),
            waste_per_1k: finite(row.waste_per_1k),
            regret_per_1k: finite(row.regret_per_1k),
            ttd_s: row.ttd_s.mean.and_then(finite),
            ttr_s: row.ttr_s.mean.and_then(finite),
            cost_usd_per_1k: finite(row.cost_usd_per_1k),
            p50_s: finite(row.p50_s),
            p99_s: finite(row.p99_s),
            shares: row.shares.iter().copied().filter_map(finite).collect(),
        })
        .collect();
    Ok(serde_json::to_string_pretty(&rows)? + "\n")
}
