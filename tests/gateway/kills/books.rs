use std::{fs, path::Path, time::SystemTime};

use serde_json::Value;

use super::{COST, INTERVAL_S, KEY, SLACK_S, TARGETS, callers::Sent};

/// A score counts half after so many seconds, an attempt after so many.
const SCORES_HALVE_S: f64 = 3600.0;
const ATTEMPTS_HALVE_S: f64 = 30.0;
/// The order of two things that happen so close together is unknown.
const AT_ONCE_S: f64 = 0.05;
/// How much later than they happen things may be timed by a busy machine: here, and where the gateway
/// stops and begins to let them fade.
const LATE_S: f64 = 0.5;
/// Of a score, or of an attempt: less than there is of one, and more than rounding adds up to.
const ROUNDING: f64 = 0.01;

/// Returns the time in seconds since 1970.
pub(super) fn seconds() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs_f64()
}

/// What a snapshot says.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// When it was made; none where there is no snapshot.
    pub(super) at: Option<f64>,
    pub(super) bytes: u64,
    /// By target: the decayed number of its scores, and of its attempts where they fade as usual.
    scores: [f64; 3],
    attempts: [Option<f64>; 3],
    day: u64,
    calls_paid: f64,
}

impl Kept {
    pub(super) fn read(path: &Path) -> Self {
        let Ok(text) = fs::read_to_string(path) else {
            return Self {
                attempts: [Some(0.0); 3],
                ..Self::default()
            };
        };
        let (line, body) = text.split_once('\n').unwrap();
        assert!(
            line.ends_with(|end: char| end.is_ascii_hexdigit()),
            "{line}"
        );
        // F40: neither what tasks are called nor what opens the gateway.
        assert!(!body.contains("task-") && !body.contains(KEY), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        let learned = &body["learned"];
        let pool = &learned["pools"][0];
        let target = |index: usize| {
            let target = &pool["targets"][index];
            assert_eq!(target["name"], TARGETS[index]);
            &target["health"]
        };
        let number = |value: &Value| value.as_f64().unwrap();
        Self {
            at: Some(number(&learned["kept_at"])),
            bytes: text.len() as u64,
            scores: [0, 1, 2].map(|index| number(&pool["quality"]["levels"][index]["mass"])),
            attempts: [0, 1, 2].map(|index| {
                let health = target(index);
                let usual = health["in_doubt"] == false;
                usual.then(|| number(&health["ok"]) + number(&health["bad"]))
            }),
            day: body["spent"]["day"].as_u64().unwrap(),
            calls_paid: body["spent"]["dollars"]["team"].as_f64().unwrap_or(0.0) / COST,
        }
    }
}

/// What the gateway knew when it started, and what it was told since.
#[derive(Default)]
pub(super) struct Books {
    before: Kept,
    sent: Vec<Sent>,
}

impl Books {
    /// Begins with what a gateway found, which tells between two times what that is.
    pub(super) fn open(&mut self, kept: &Kept, state: &Value, told: [f64; 2]) {
        for (index, name) in TARGETS.into_iter().enumerate() {
            let target = &state["pools"][0]["targets"][index];
            assert_eq!(target["name"], name);
            let since = told.map(|now| kept.at.map_or(0.0, |at| now - at));
            let expected = faded(kept.scores[index], since, SCORES_HALVE_S);
            let scores = target["scores"].as_f64().unwrap();
            within(scores, expected, &format!("scores of {name}"));
            if let Some(kept) = kept.attempts[index] {
                let expected = faded(kept, since, ATTEMPTS_HALVE_S);
                let attempts = target["attempts"].as_f64().unwrap();
                within(attempts, expected, &format!("attempts of {name}"));
            }
        }
        self.before = kept.clone();
        self.sent.clear();
    }

    /// Ends with what was sent until `now`.
    pub(super) fn close(&mut self, sent: Vec<Sent>, now: f64) {
        self.sent = sent;
        self.sent.retain(|one| one.begun < now);
    }

    /// Returns how many scores were known to be taken in at a time.
    pub(super) fn scored_before(&self, at: f64) -> usize {
        let scored = self.sent.iter().filter_map(|one| one.scored);
        scored.filter(|scored| *scored < at).count()
    }

    /// Returns how long a call took as a rule, if any was answered.
    pub(super) fn usual_call(&self) -> Option<f64> {
        let calls = self.sent.iter();
        let mut calls: Vec<_> = calls
            .filter_map(|one| Some(one.answered? - one.begun))
            .collect();
        calls.sort_by(f64::total_cmp);
        calls.get(calls.len() / 2).copied()
    }

    /// A snapshot that was left by who was killed between `killed` and `dead` holds what came before it
    /// was made, and as much as came before the last interval; and nothing that was not sent.
    pub(super) fn check(&self, kept: &Kept, killed: f64, dead: f64) {
        let must = killed - INTERVAL_S - SLACK_S;
        let made = kept.at.unwrap_or(f64::NEG_INFINITY);
        self.check_from(kept, must.max(made), dead);
    }

    /// A snapshot that was left by who was told to stop holds everything.
    pub(super) fn check_all(&self, kept: &Kept, stopped: f64) {
        self.check_from(kept, stopped, stopped);
    }

    /// Everything that ended before `must` is there, and nothing that began after `may`.
    fn check_from(&self, kept: &Kept, must: f64, may: f64) {
        let must = must - AT_ONCE_S;
        let Some(at) = kept.at else {
            assert_eq!(self.scored_before(must), 0, "there is no snapshot");
            return;
        };
        let before = [at - self.before.at.unwrap_or(at); 2];
        for (target, name) in TARGETS.into_iter().enumerate() {
            let sent = || self.sent.iter().filter(|one| one.target == target);
            let [mut least, mut most] = faded(self.before.scores[target], before, SCORES_HALVE_S);
            for one in sent() {
                let Some(begun) = one.score_begun else {
                    continue;
                };
                let [low, high] = faded(1.0, [at - begun; 2], SCORES_HALVE_S);
                least += low * share(one.scored.is_some_and(|scored| scored < must));
                most += high * share(begun < may);
            }
            let found = kept.scores[target];
            within(found, [least, most], &format!("scores of {name}"));
        }
        self.check_paid(kept, must, may);
    }

    /// What settled was paid for, and that does not fade, but for the end of the day.
    fn check_paid(&self, kept: &Kept, must: f64, may: f64) {
        if self.before.at.is_some() && self.before.day != kept.day {
            return;
        }
        let answered = self.sent.iter().filter_map(|one| one.answered);
        let least = answered.filter(|answered| *answered < must).count() as f64;
        let most = self.sent.iter().filter(|one| one.begun < may).count() as f64;
        let found = kept.calls_paid - self.before.calls_paid;
        within(found, [least, most], "calls that were paid for");
        assert!((found - found.round()).abs() < ROUNDING, "{found}");
    }
}

/// Counts or does not.
fn share(counts: bool) -> f64 {
    f64::from(u8::from(counts))
}

fn within(found: f64, [least, most]: [f64; 2], what: &str) {
    assert!(
        (least - ROUNDING..=most + ROUNDING).contains(&found),
        "{what}: {found}, not {least} to {most}"
    );
}

/// What may be left of a count after so many seconds to so many, at least and at most.
fn faded(count: f64, [fewest, most]: [f64; 2], half_life: f64) -> [f64; 2] {
    [most + LATE_S, fewest - LATE_S].map(|seconds| count * (-seconds.max(0.0) / half_life).exp2())
}
