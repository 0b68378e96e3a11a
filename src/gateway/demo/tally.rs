use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{PREFERRED, traffic::Answer};
use crate::{
    classify::Class,
    router::{Snapshot, TargetSnapshot},
};

/// The same news are told again after this.
const NEWS_AGAIN: Duration = Duration::from_secs(5);
/// What the shares and medians in the table are about.
const WINDOW: Duration = Duration::from_secs(5);

/// Counts what callers saw.
#[derive(Debug)]
pub(super) struct Tally {
    start: Instant,
    ok: u64,
    failed: u64,
    recent: Vec<(Instant, String, Duration)>,
    told: HashMap<String, (Instant, u32)>,
}

impl Tally {
    pub(super) fn new(start: Instant) -> Self {
        Self {
            start,
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
        let served = &answer.model;
        let why = &answer.reason;
        // Telling the same reason with other numbers is no news.
        let kind: String = why.chars().filter(|c| !c.is_ascii_digit()).collect();
        let repeated = match answer.attempts {
            0 | 1 => String::new(),
            attempts => format!(", after {attempts} attempts"),
        };
        let key = format!("{PREFERRED} -> {served}{kind}{repeated}");
        if served == PREFERRED {
            // Only a return is news, not every request on the usual way.
            let away = !self.told.is_empty() && !self.told.contains_key(&key);
            self.told.entry(key).or_insert((end, 0));
            return away.then(|| self.line(end, &format!("{served} serves: {why}{repeated}")));
        }
        self.tell(
            end,
            key,
            &format!("{PREFERRED} -> {served}, because {why}{repeated}"),
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
        let elapsed = now.saturating_duration_since(self.start).as_secs_f64();
        format!("{elapsed:6.1} s  {text}")
    }

    /// Returns the lines of a table of all targets.
    pub(super) fn table(&mut self, snapshot: &Snapshot, now: Instant) -> Vec<String> {
        self.recent
            .retain(|(at, ..)| now.saturating_duration_since(*at) < WINDOW);
        let mut lines = vec![format!(
            "{:6.1} s  {:<14}{:>6}{:>7}{:>6}{:>7}{:>6}{:>7}{:>8}{:>8}",
            now.saturating_duration_since(self.start).as_secs_f64(),
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
        lines.extend(snapshot.targets().map(|target| self.row(target)));
        lines
    }

    fn row(&self, target: &TargetSnapshot) -> String {
        let of_it = self
            .recent
            .iter()
            .filter(|(_, model, _)| **model == *target.model);
        let mut took: Vec<Duration> = of_it.map(|(_, _, took)| *took).collect();
        took.sort_unstable();
        let share = 100.0 * took.len() as f64 / self.recent.len().max(1) as f64;
        let median = took.get(took.len() / 2).copied();
        let ok = target.outcomes_of(Class::Success);
        let limited = target.outcomes_of(Class::RateLimited);
        let failed = target.settled() - ok - limited;
        format!(
            "{:10}{:<14}{:>6}{ok:>7}{limited:>6}{failed:>7}{:>6}{:>6.0}%{:>8}{:>8}",
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
        gateway::demo::{SECOND, THIRD},
        router::{OutcomeRouter, Pool, Target},
    };

    #[test]
    fn the_table_fits_a_terminal_of_80_columns() {
        let pool = [PREFERRED, SECOND, THIRD]
            .into_iter()
            .fold(Pool::new("chat"), |pool, model| {
                pool.target(Target::new(model))
            });
        let router = OutcomeRouter::builder().pool(pool).build().unwrap();
        let now = Instant::now();
        let mut tally = Tally::new(now);
        for line in tally.table(&router.snapshot_at(now), now) {
            assert!(line.len() <= 79, "{} {line}", line.len());
        }
    }
}
