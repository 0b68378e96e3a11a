use std::path::{Path, PathBuf};

use clap::Parser;

use crate::policies;

/// Replays real arrivals, answers and latencies against scripted faults, in virtual time, and
/// compares how well policies route.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
pub(crate) struct Cli {
    /// Folder with outcomes.csv, latency.csv and arrivals_<trace>.csv
    #[arg(long, value_name = "DIR", default_value_os_t = folder().join("data"))]
    pub(crate) data: PathBuf,
    /// Scenario to play; may be given several times [default: all that ship]
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Vec<PathBuf>,
    /// Policies to play [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
          value_parser = clap::builder::PossibleValuesParser::new(policies::names()))]
    pub(crate) policy: Vec<String>,
    /// Seeds to take the mean over
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) seeds: u64,
    /// Routers that the requests are spread over, at random, where the policy is our own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) instances: u16,
    /// Let the routers share what they learn, by an exchange every so many milliseconds [default: they
    /// do not]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(crate) exchange_ms: Option<u64>,
    /// Write the rows as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw who served and how well, over time
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Compare with the rows of a reference; fails if this simulator deviates from it
    #[arg(long, value_name = "FILE.tsv")]
    pub(crate) compare: Option<PathBuf>,
    /// Runs at a time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// The benchmark's folder: that of the sources, or else that of where we are.
pub(crate) fn folder() -> PathBuf {
    let here = Path::new("benches/quality");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(here);
    if source.is_dir() {
        source
    } else {
        here.to_owned()
    }
}
