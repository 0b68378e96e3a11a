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
    drive::play,
    figures::{Figures, Row},
    policies::ORACLE,
    progress::Progress,
    setting::Setting,
    traffic::requests,
};

/// What is played.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) settings: Vec<Arc<Setting>>,
    pub(crate) policies: Vec<String>,
    pub(crate) seeds: u64,
    pub(crate) jobs: Option<usize>,
}

#[derive(Clone, Debug)]
struct Cell {
    setting: usize,
    policy: String,
    seed: u64,
}

/// Plays all and returns the rows in order of scenario and policy.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Row>, String> {
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
    let figures = play_all(plan, &cells)?;
    let of = |setting: usize, policy: &str| -> Vec<&Figures> {
        let found = cells.iter().zip(&figures);
        let found = found.filter(|(cell, _)| cell.setting == setting && cell.policy == policy);
        found.map(|(_, figures)| figures).collect()
    };
    let mut rows = Vec::new();
    for (at, setting) in plan.settings.iter().enumerate() {
        let oracle = of(at, ORACLE);
        for policy in &plan.policies {
            rows.push(Row::new(&setting.name, policy, &of(at, policy), &oracle));
        }
    }
    Ok(rows)
}

fn play_all(plan: &Plan, cells: &[Cell]) -> Result<Vec<Figures>, String> {
    let cores = || thread::available_parallelism().map_or(1, NonZero::get);
    let jobs = plan.jobs.unwrap_or_else(cores).min(cells.len().max(1));
    let next = AtomicUsize::new(0);
    let played: Mutex<Vec<Option<Figures>>> = Mutex::new(vec![None; cells.len()]);
    let failed: Mutex<Option<String>> = Mutex::new(None);
    let progress = Progress::new(cells.len());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((at, cell)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    cells.get(at).map(|cell| (at, cell))
                } {
                    match play_cell(&plan.settings[cell.setting], cell) {
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

fn play_cell(setting: &Arc<Setting>, cell: &Cell) -> Result<Figures, String> {
    let records = play(setting, &cell.policy, cell.seed)?;
    Ok(Figures::new(
        setting,
        &requests(setting, cell.seed),
        &records,
    ))
}
