use std::io::{IsTerminal, stdout};

use crate::figures::{Mean, Row};

const HEADER: [&str; 16] = [
    "scenario",
    "policy",
    "n",
    "success%",
    "slo_ok%",
    "err%",
    "waste/1k",
    "p50",
    "p99",
    "regret/1k",
    "ttd_s",
    "ttd_req",
    "ttr_s",
    "cost$/1k",
    "se_succ",
    "shares",
];

/// Returns the rows as a table: aligned for a terminal, with tabs for anything else.
pub(crate) fn table(rows: &[Row]) -> String {
    let header: Vec<String> = HEADER.map(str::to_owned).to_vec();
    let lines: Vec<Vec<String>> = [header].into_iter().chain(rows.iter().map(cells)).collect();
    if !stdout().is_terminal() {
        return lines.iter().map(|line| line.join("\t") + "\n").collect();
    }
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 1 && line[0] != lines[number - 1][0] {
            text.push('\n');
        }
        let padded = line.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if column < 2 || column + 1 == HEADER.len() {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let padded: Vec<String> = padded.collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row) -> Vec<String> {
    let shares: Vec<String> = row
        .shares
        .iter()
        .map(|share| format!("{share:.2}"))
        .collect();
    vec![
        row.scenario.clone(),
        row.policy.clone(),
        format!("{:.0}", row.requests),
        format!("{:.2}", row.success_pct),
        format!("{:.2}", row.in_time_pct),
        format!("{:.2}", row.err_pct),
        format!("{:.1}", row.waste_per_1k),
        format!("{:.2}", row.p50_s),
        format!("{:.2}", row.p99_s),
        format!("{:.1}", row.regret_per_1k),
        some(&row.ttd_s, row.seeds),
        some(&row.ttd_requests, row.seeds),
        some(&row.ttr_s, row.seeds),
        format!("{:.3}", row.cost_usd_per_1k),
        format!("{:.2}", row.success_error),
        shares.join("/"),
    ]
}

fn some(mean: &Mean, seeds: usize) -> String {
    match mean.mean {
        None => "-".to_owned(),
        Some(value) if mean.of == seeds => format!("{value:.0}"),
        Some(value) => format!("{value:.0}({}/{seeds})", mean.of),
    }
}
