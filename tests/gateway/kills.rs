//! The binary, killed under load again and again: its snapshot is always whole, and what it no longer
//! knows is no older than one interval and the write that was under way.
//!
//! `OUTCOME_STORE_KILLS` sets how often; the default is small enough for every test run.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "real processes go by the real time, and the figures are to be seen"
)]

mod books;
mod callers;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};
use tower_outcome::{
    gateway::scripted::{Script, Scripted},
    policy::Rng,
};

use self::{
    books::{Books, Kept, seconds},
    callers::Callers,
};
use crate::{process::Process, support::*};

/// What is kept of so many tasks takes longer to write than it takes to notice that it is written.
const TASKS: u64 = 1_000;
/// As short as it may be.
const INTERVAL_S: f64 = 0.1;
/// A machine that does other things as well may take so much longer to take its turn and to write, now
/// and then; but not as a rule.
const SLACK_S: f64 = 5.0;
const TARGETS: [&str; 3] = ["first", "second", "third"];
const KEY: &str = "og-test-key";
/// Dollars per call, at the usage that is scripted.
const COST: f64 = (9.0 * 1.0 + 4.0 * 10.0) / 1e6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f48_killed_under_load_it_loses_no_more_than_an_interval() {
    let rounds = std::env::var("OUTCOME_STORE_KILLS").map_or(5, |told| told.parse().unwrap());
    let provider = Scripted::start(Script::new()).await.unwrap();
    let folder = Folder::new(&provider.base_url());
    let callers = Callers::new();
    let mut rng = Rng::new(6, 48);
    let mut books = Books::default();
    let mut tally = Tally::default();
    for round in 0..rounds {
        let process = folder.start(&mut books).await;
        let calling = callers.call(process.address);
        sleep(Duration::from_secs_f64(0.8 * rng.next_f64())).await;
        // The first of all writes is the one that finds no snapshot to leave as it was.
        if round == 0 || round % 2 == 1 {
            until_it_writes(&folder.state()).await;
        }
        let killed = seconds();
        let said = process.kill().await;
        let dead = seconds();
        assert_quiet(&said);
        let torn = folder.0.join("state.new").exists();
        let sent = calling.join().await;
        assert!(!sent.is_empty());
        books.close(sent, dead);

        let kept = Kept::read(&folder.state());
        books.check(&kept, killed, dead);
        assert!(!folder.0.join("state.bad").exists());
        tally.note(&books, &kept, killed, torn);
    }
    // Who is told to stop loses nothing.
    let process = folder.start(&mut books).await;
    let calling = callers.call(process.address);
    sleep(Duration::from_millis(300)).await;
    calling.stop();
    let sent = calling.join().await;
    process.stop().await;
    let stopped = seconds();
    books.close(sent, stopped);
    books.check_all(&Kept::read(&folder.state()), stopped);
    folder.start(&mut books).await.stop().await;
    assert_eq!(folder.names(), ["gateway.toml", "state", "state.lock"]);
    tally.tell();
}

/// What became of the kills.
#[derive(Default)]
struct Tally {
    kills: usize,
    /// How old the snapshot was that each left, if it left one, in seconds.
    ages: Vec<f64>,
    /// How long calls took as a rule, in seconds.
    calls: Vec<f64>,
    torn: usize,
    scores: usize,
    lost: usize,
    bytes: u64,
}

impl Tally {
    fn note(&mut self, books: &Books, kept: &Kept, killed: f64, torn: bool) {
        self.kills += 1;
        self.torn += usize::from(torn);
        self.scores += books.scored_before(killed);
        self.bytes = self.bytes.max(kept.bytes);
        self.calls.extend(books.usual_call());
        let Some(at) = kept.at else { return };
        self.lost += books.scored_before(killed) - books.scored_before(at);
        self.ages.push(killed - at);
        let age = killed - at;
        assert!(age < INTERVAL_S + SLACK_S, "it was {age} s old");
    }

    fn tell(mut self) {
        self.ages.sort_by(f64::total_cmp);
        let [median, most] = [self.ages.len() / 2, self.ages.len() - 1].map(|it| self.ages[it]);
        println!(
            "{} kills, {} of them in a write of up to {} bytes; the snapshot was {:.0} ms old as a \
             rule, {:.0} ms at most; of {} scores {} were lost",
            self.kills,
            self.torn,
            self.bytes,
            median * 1e3,
            most * 1e3,
            self.scores,
            self.lost,
        );
        // The interval, and the write of a build that is not optimized, on a machine on which a call takes
        // a few milliseconds.
        self.calls.sort_by(f64::total_cmp);
        let call = self.calls[self.calls.len() / 2];
        assert!(
            median <= 3.0 * INTERVAL_S + 10.0 * call,
            "it was {median} s old as a rule, where a call took {call} s"
        );
        assert!(self.torn > 0, "no kill came in mid-write");
    }
}

/// Waits until the next snapshot is being prepared.
async fn until_it_writes(state: &Path) {
    let new = state.with_extension("new");
    let begin = Instant::now();
    block_in_place(|| {
        while !new.exists() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it never wrote");
            std::thread::sleep(Duration::from_micros(30));
        }
    });
}

/// It warned of nothing, and did not panic.
fn assert_quiet(said: &[String]) {
    for word in ["WARN", "ERROR", "panicked"] {
        assert!(!said.iter().any(|line| line.contains(word)), "{said:?}");
    }
}

/// A folder with a configuration whose state is kept beside it.
struct Folder(PathBuf);

impl Folder {
    fn new(base_url: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("outcome-kills-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let state = folder.join("state");
        let targets = TARGETS.map(|name| {
            format!(
                "[[pool.target]]\nmodel = \"{name}\"\nupstream = \"u\"\n\
                 price = {{ input = 1.0, output = 10.0 }}\n"
            )
        });
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
             [store]\npath = {state:?}\ninterval_ms = {}\n\
             [[upstream]]\nname = \"u\"\nbase_url = \"{base_url}\"\n\
             [[key]]\nname = \"team\"\ndaily_dollars = 1e6\ntrust = [\"pin\"]\nsha256 = \"{}\"\n\
             [[pool]]\nname = \"chat\"\n{}",
            INTERVAL_S * 1e3,
            crate::restart::KEY_HASH,
            targets.concat(),
        );
        fs::write(folder.join("gateway.toml"), config).unwrap();
        Self(folder)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Starts it, which finds what was kept, all of it and nothing else.
    async fn start(&self, books: &mut Books) -> Process {
        let kept = Kept::read(&self.state());
        let process = Process::start(&self.0).await;
        let said = process.before.join("\n");
        assert_quiet(&process.before);
        let told = match kept.at {
            Some(_) => "state goes on from what was kept",
            None => "state starts cold: nothing was kept yet",
        };
        assert!(said.contains(told), "{said}");
        let asked = seconds();
        let answer = get(process.admin(), "/state").await;
        let state: Value = serde_json::from_str(&answer).unwrap();
        books.open(&kept, &state, [asked, seconds()]);
        process
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
