//! How good are routing decisions? Replays real arrivals, answers and latencies against scripted
//! faults, in virtual time, and compares policies with an oracle. See `benches/quality`.
//!
//! `cargo run --release --example simulate`

#![allow(
    clippy::indexing_slicing,
    reason = "every index comes from the table that it is used on"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::float_cmp, reason = "tests"))]

mod adaptive;
mod bodies;
mod bucket;
mod chart;
mod cli;
mod compare;
mod csv;
mod data;
mod detection;
mod draws;
mod drive;
mod faults;
mod figures;
mod json;
mod mistake;
mod plot;
mod policies;
mod progress;
mod run;
mod scenario;
mod script;
mod series;
mod setting;
mod table;
mod traffic;
mod world;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;

use crate::{
    adaptive::Fleet,
    cli::Cli,
    compare::Reference,
    data::Data,
    mistake::Mistake,
    run::{Plan, run},
    scenario::Scenario,
    setting::Setting,
};

fn main() -> ExitCode {
    match simulate(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Returns whether the rows agree with the reference, if there is one.
fn simulate(cli: &Cli) -> Result<bool, Box<dyn Error>> {
    let reference = cli.compare.as_deref().map(Reference::read).transpose()?;
    let plan = Plan {
        settings: settings(cli)?,
        policies: match cli.policy.as_slice() {
            [] => policies::names().into_iter().map(str::to_owned).collect(),
            named => named.to_vec(),
        },
        seeds: cli.seeds,
        fleet: Fleet {
            instances: usize::from(cli.instances),
            exchange: cli.exchange_ms.map(Duration::from_millis),
        },
        jobs: cli.jobs.map(usize::from),
    };
    let played = run(&plan)?;
    let rows = &played.rows;
    print!("{}", table::table(rows));
    if let Some(file) = &cli.json {
        write(file, &json::json(rows)?)?;
    }
    if let Some(file) = &cli.plot {
        write(file, &plot::svg(&played, &plan.settings)?)?;
    }
    let Some(reference) = reference else {
        return Ok(true);
    };
    let (report, agrees) = reference.compare(rows);
    print!("\n{report}");
    Ok(agrees)
}

fn write(file: &Path, text: &str) -> Result<(), Mistake> {
    fs::write(file, text)
        .map_err(|error| Mistake::in_file(file, format!("cannot be written: {error}")))
}

/// Reads and checks all that is to be played.
fn settings(cli: &Cli) -> Result<Vec<Arc<Setting>>, Mistake> {
    let files = if cli.scenario.is_empty() {
        shipped()?
    } else {
        cli.scenario.clone()
    };
    let mut data = Data::read(&cli.data)?;
    let mut settings: Vec<Arc<Setting>> = Vec::new();
    for file in &files {
        let scenario = Scenario::read(file, &mut data)?;
        let name = scenario.name.as_ref();
        if settings.iter().any(|known| known.name == *name) {
            let what = format!("another scenario is named {name:?}, too");
            return Err(Mistake::in_file(file, what));
        }
        settings.push(Arc::new(Setting::new(&scenario, &mut data)?));
    }
    Ok(settings)
}

fn shipped() -> Result<Vec<PathBuf>, Mistake> {
    let folder = cli::folder().join("scenarios");
    let unreadable = |error| Mistake::in_file(&folder, format!("cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|end| end == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
