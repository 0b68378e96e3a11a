use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{stage::Stage, traffic::Answer};
use crate::{
    classify::Class,
    router::{PoolSnapshot, Snapshot, TargetSnapshot},
};

/// The same news are told again after this.
const NEWS_AGAIN: Duration = Duration::from_secs(5);
/// What the shares and medians in the table are about.
const WINDOW: Duration = Duration::from_secs(5);

/// Counts what callers saw.
#[derive(Debug)]
pub(super) struct Tally {
    stage: Arc<Stage>,
    ok: u64,
    failed: u64,
    recent: Vec<(Instant, String, Duration)>,
    told: HashMap<String, (Instant, u32)>,
}

impl Tally {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self {
            stage,
            ok: 0,
            failed: 0,
            recent: Vec::new(),
            told: HashMap::new(),
        }
    }

    /// Takes an answer in. Returns what there is to tell of it.
    pub(super) fn take(&mut self, answer: &Answer) -> Option<String> {
        let end = answer.at + answer.took;
        if !answer.status.is_some_and(|status| status.is_success()) {
            self.failed += 1;
            let status = answer
                .status
                .map_or("no answer".to_owned(), |status| status.to_string());
            return self.tell(end, format!("caller got {status}"), "");
        }
        self.ok += 1;
        self.recent.push((end, answer.model.clone(), answer.took));
        let (asked, served) = (answer.asked, &answer.model);
        let why = &answer.reason;
        // Telling the same reason with other numbers is no news.
        let kind: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        let repeated = match answer.attempts {
            0 | 1 => String::new(),
            attempts => format!(", after {attempts} attempts"),
        };
        let key = format!("{asked} -> {served}{kind}{repeated}");
        if served == asked {
            // Only a return is news, not every request on the usual way.
            let of_it = format!("{asked} -> ");
            let before = self.told.keys().any(|told| told.starts_with(&of_it));
            let away = before && !self.told.contains_key(&key);
            self.told.entry(key).or_insert((end, 0));
            return away.then(|| self.line(end, &format!("{served} serves: {why}{repeated}")));
        }
        self.tell(
            end,
            key,
            &format!("{asked} -> {served}, because {why}{repeated}"),
        )
    }

    fn tell(&mut self, now: Instant, key: String, text: &str) -> Option<String> {
        let text = if text.is_empty() {
            key.clone()
        } else {
            text.to_owned()
        };
        let (told, alike) = self.told.get(&key).copied().unwrap_or((now, 0));
        if self.told.contains_key(&key) && now.saturating_duration_since(told) < NEWS_AGAIN {
            self.told.insert(key, (told, alike + 1));
            return None;
        }
        self.told.insert(key, (now, 0));
        let alike = match alike {
            0 => String::new(),
            alike => format!("  (and {alike} alike before)"),
        };
        Some(self.line(now, &format!("{text}{alike}")))
    }

    fn line(&self, now: Instant, text: &str) -> String {
        format!("{}  {text}", self.stage.clock(now))
    }

    /// Returns the lines of a table of all targets.
    pub(super) fn table(&mut self, snapshot: &Snapshot, now: Instant) -> Vec<String> {
        self.recent
            .retain(|(at, ..)| now.saturating_duration_since(*at) < WINDOW);
        let mut lines = vec![format!(
            "{}  {:<16}{:>6}{:>7}{:>5}{:>7}{:>5}{:>7}{:>8}{:>8}",
            self.stage.clock(now),
            "model",
            "share",
            "ok",
            "429s",
            "failed",
            "late",
            "health",
            "limited",
            "p50",
        )];
        for pool in &snapshot.pools {
            let rows = pool.targets.iter().map(|target| self.row(pool, target));
            lines.extend(rows);
        }
        lines
    }

    fn row(&self, pool: &PoolSnapshot, target: &TargetSnapshot) -> String {
        let of_pool = self
            .recent
            .iter()
            .filter(|(_, model, _)| pool.targets.iter().any(|one| **model == *one.model));
        let of_it = self
            .recent
            .iter()
            .filter(|(_, model, _)| **model == *target.model);
        let mut took: Vec<Duration> = of_it.map(|(_, _, took)| *took).collect();
        took.sort_unstable();
        let share = 100.0 * took.len() as f64 / of_pool.count().max(1) as f64;
        let median = took.get(took.len() / 2).copied();
        let ok = target.outcomes_of(Class::Success);
        let limited = target.outcomes_of(Class::RateLimited);
        let failed = target.settled() - ok - limited;
        format!(
            "{:10}{:<16}{:>6}{ok:>7}{limited:>5}{failed:>7}{:>5}{:>6.0}%{:>8}{:>8}",
            "",
            target.model,
            format!("{share:.0}%"),
            target.late,
            100.0 * target.health,
            target
                .rate_limited_s
                .map_or("-".to_owned(), |wait| format!("{wait:.1} s")),
            median.map_or("-".to_owned(), |median| format!(
                "{} ms",
                median.as_millis()
            )),
        )
    }

    /// Returns what it all came to.
    pub(super) fn sum(&self) -> String {
        format!(
            "Callers saw {} answers and {} errors.",
            self.ok, self.failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gateway::demo::plot::Plot,
        router::{Builder, OutcomeRouter},
    };

    #[tokio::test]
    async fn the_table_fits_a_terminal_of_80_columns() {
        let (stage, pools) = Stage::open(Plot::afternoon()).await.unwrap();
        let router = pools
            .into_iter()
            .fold(OutcomeRouter::builder(), Builder::pool);
        let router = router.build().unwrap();
        let now = Instant::now();
        let mut tally = Tally::new(Arc::new(stage));
        for line in tally.table(&router.snapshot_at(now), now) {
            assert!(line.len() <= 79, "{} {line}", line.len());
        }
    }
}
