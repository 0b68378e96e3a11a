//! Plays every cell, some at a time.

use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    adaptive::Fleet,
    drive::play,
    figures::{Figures, Row},
    policies::ORACLE,
    progress::Progress,
    series::Series,
    setting::Setting,
    traffic::requests,
};

/// What is played.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Vec<Arc<Setting>>,
    pub(crate) policies: Vec<String>,
    pub(crate) seeds: u64,
    pub(crate) fleet: Fleet,
    pub(crate) jobs: Option<usize>,
}

#[derive(Clone, Debug)]
struct Cell {
    setting: usize,
    policy: String,
    seed: u64,
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Played {
    /// In order of scenario and policy.
    pub(crate) rows: Vec<Row>,
    /// All that were played, even if only to compare with.
    pub(crate) policies: Vec<String>,
    /// By scenario and policy, over all seeds.
    pub(crate) series: Vec<Vec<Series>>,
}

type Result<T> = std::result::Result<T, String>;

/// Plays all.
pub(crate) fn run(plan: &Plan) -> Result<Played> {
    let mut played = plan.policies.clone();
    if !played.iter().any(|policy| policy == ORACLE) {
        // Regret is against it.
        played.push(ORACLE.to_owned());
    }
    let mut cells = Vec::new();
    for setting in 0..plan.settings.len() {
        for policy in &played {
            cells.extend((0..plan.seeds).map(|seed| Cell {
                setting,
                policy: policy.clone(),
                seed,
            }));
        }
    }
    let results = play_all(plan, &cells)?;
    let of = |setting: usize, policy: &str| {
        let policy = policy.to_owned();
        let found = cells.iter().zip(&results);
        found
            .filter(move |(cell, _)| cell.setting == setting && cell.policy == policy)
            .map(|(_, result)| result)
    };
    let figures = |setting: usize, policy: &str| -> Vec<&Figures> {
        of(setting, policy).map(|(figures, _)| figures).collect()
    };
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for (at, setting) in plan.settings.iter().enumerate() {
        let oracle = figures(at, ORACLE);
        for policy in &plan.policies {
            let cells = figures(at, policy);
            rows.push(Row::new(&setting.name, policy, &cells, &oracle));
        }
        let sum = |policy: &String| {
            let mut sum = Series::default();
            of(at, policy).for_each(|(_, series)| sum.add(series));
            sum
        };
        series.push(played.iter().map(sum).collect());
    }
    Ok(Played {
        rows,
        policies: played,
        series,
    })
}

fn play_all(plan: &Plan, cells: &[Cell]) -> Result<Vec<(Figures, Series)>> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = plan.jobs.unwrap_or_else(cores).min(cells.len().max(1));
    let next = AtomicUsize::new(0);
    let played: Mutex<Vec<Option<(Figures, Series)>>> = Mutex::new(vec![None; cells.len()]);
    let failed: Mutex<Option<String>> = Mutex::new(None);
    let progress = Progress::new(cells.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((at, cell)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(at).map(|cell| (at, cell))
                } {
                    match play_cell(&plan.settings[cell.setting], cell, plan.fleet) {
                        Ok(figures) => {
                            let mut played = played.lock().unwrap_or_else(PoisonError::into_inner);
                            played[at] = Some(figures);
                        }
                        Err(what) => {
                            next.store(cells.len(), Ordering::Relaxed);
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
                        }
                    }
                    progress.step();
                }
            });
        }
    });
    progress.done();
    if let Some(what) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(what);
    }
    let played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    played
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| "a run was lost".to_owned())
}

fn play_cell(setting: &Arc<Setting>, cell: &Cell, fleet: Fleet) -> Result<(Figures, Series)> {
    let records = play(setting, &cell.policy, cell.seed, fleet)?;
    let requests = requests(setting, cell.seed);
    Ok((
        Figures::new(setting, &requests, &records),
        Series::new(setting, &requests, &records),
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{cli, data::Data, policies, scenario::Scenario};

    /// `two_pm` ten times as fast, with other keys.
    fn plan(change: impl Fn(String) -> String) -> Plan {
        let mut data = Data::read(&cli::folder().join("data")).unwrap();
        let file = cli::folder().join("scenarios/two_pm.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text = change(text.replace("00\n", "0\n"));
        let scenario = Scenario::parse(&file, &text, &mut data).unwrap();
        let setting = Setting::new(&scenario, &mut data).unwrap();
        Plan {
            settings: vec![Arc::new(setting)],
            policies: policies::names().into_iter().map(str::to_owned).collect(),
            seeds: 2,
            fleet: Fleet::ONE,
            jobs: Some(2),
        }
    }

    #[test]
    fn the_same_seeds_give_the_same_rows() {
        let plan = plan(|text| text);
        assert_eq!(run(&plan).unwrap(), run(&plan).unwrap());
    }

    #[test]
    fn instances_that_share_give_the_same_rows_again() {
        let plan = Plan {
            policies: vec![policies::ADAPTIVE.to_owned()],
            seeds: 1,
            fleet: Fleet {
                instances: 3,
                exchange: Some(Duration::from_millis(250)),
            },
            ..plan(|text| text)
        };
        let played = run(&plan).unwrap();
        assert_eq!(played, run(&plan).unwrap());
        let alone = Plan {
            fleet: Fleet {
                exchange: None,
                ..plan.fleet
            },
            ..plan
        };
        assert_ne!(played, run(&alone).unwrap(), "what is told changes nothing");
    }

    #[test]
    fn nobody_asks_and_nothing_breaks() {
        let plan = plan(|text| text.replace("copies = 1", "copies = 8\nkeep = [0, 0]"));
        let rows = run(&plan).unwrap().rows;
        assert_eq!(rows.len(), policies::names().len());
        assert!(
            rows.iter()
                .all(|row| row.success_pct == 0.0 && row.regret_per_1k == 0.0)
        );
    }

    #[test]
    fn scores_may_lie_and_may_be_for_wrong_answers_only() {
        for feedback in ["fixed = 0.5", "only = \"wrong\""] {
            let change = format!("mean_delay_s = 20\n{feedback}");
            let plan = plan(|text| text.replace("mean_delay_s = 20", &change));
            assert!(
                run(&plan)
                    .unwrap()
                    .rows
                    .iter()
                    .all(|row| row.success_pct > 30.0)
            );
        }
    }
}
