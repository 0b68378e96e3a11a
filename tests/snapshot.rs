//! A snapshot of what a router has learned, damaged in every place: it starts cold, says so once, and
//! never panics or brings a number that nobody wrote.
//!
//! `SNAPSHOT_TASKS` sets how many tasks the snapshot holds, and with that how large it is; every bit of
//! it is flipped. The default is small enough for every test run.

#![cfg(feature = "store")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests"
)]

use std::{
    cell::RefCell,
    fmt::{self, Write as _},
    fs, mem,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;
use tower_outcome::{
    Candidates, Class, Outcome, OutcomeRouter, PickRequest, Pool, Score, Verdict,
    policy::Rng,
    router::{Builder, Learned},
    store::FileStore,
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt as _};

/// A snapshot, and what it says.
struct Sample {
    folder: Folder,
    bytes: Vec<u8>,
    learned: Learned,
    spent: Value,
}

impl Sample {
    /// Lets a router learn, and keeps that.
    fn new(tasks: u64) -> Self {
        hear();
        let folder = Folder::new();
        let router = pools().build().unwrap();
        learn(&router, tasks);
        let spent = json!({ "day": 20_000, "dollars": { "team": 1.25, "other": 1e-9 } });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (kept, value) = (router.clone(), spent.clone());
            let changes = AtomicU64::new(0);
            let keeping = FileStore::new(folder.state())
                .open()
                .keep_learned(move || kept.clone())
                .keep(
                    "spent",
                    move || changes.fetch_add(1, Ordering::Relaxed),
                    move || value.clone(),
                )
                .start();
            keeping.stop().await;
        });
        let bytes = fs::read(folder.state()).unwrap();
        heard();
        let opened = FileStore::new(folder.state()).open();
        let learned = opened.learned().unwrap();
        assert_eq!(opened.section::<Value>("spent"), Some(spent.clone()));
        assert_eq!(heard(), Vec::<String>::new());
        Self {
            folder,
            bytes,
            learned,
            spent,
        }
    }

    /// Opens a file with other bytes, which must not be believed.
    fn refuses(&self, damaged: &[u8], how: &str) {
        let path = self.folder.state();
        fs::write(&path, damaged).unwrap();
        let opened = FileStore::new(&path).open();
        assert_eq!(opened.learned(), None, "{how}");
        assert_eq!(opened.section::<Value>("spent"), None, "{how}");
        let said = heard();
        assert_eq!(said.len(), 1, "{how}: {said:?}");
        assert!(said[0].contains("state starts cold"), "{how}: {said:?}");
        assert!(said[0].contains(path.to_str().unwrap()), "{how}: {said:?}");
        assert!(!path.exists(), "{how}: it would be met again");
        assert!(fs::read(self.folder.bad()).unwrap() == damaged, "{how}");
    }
}

#[test]
fn f47_a_snapshot_cut_at_any_byte_starts_cold_and_says_so_once() {
    let sample = Sample::new(tasks());
    for end in 0..sample.bytes.len() {
        sample.refuses(&sample.bytes[..end], &format!("cut at {end}"));
    }
    println!("{} cuts", sample.bytes.len());
}

#[test]
fn f47_a_snapshot_with_any_bit_flipped_starts_cold_and_says_so_once() {
    let sample = Sample::new(tasks());
    let mut flipped = sample.bytes.clone();
    let bits = flipped.len() * 8;
    for bit in 0..bits {
        flipped[bit / 8] ^= 1 << (bit % 8);
        sample.refuses(&flipped, &format!("bit {bit} flipped"));
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    // The last of them is the file as it was.
    fs::write(sample.folder.state(), &flipped).unwrap();
    let opened = FileStore::new(sample.folder.state()).open();
    assert_eq!(opened.learned().as_ref(), Some(&sample.learned));
    assert_eq!(opened.section("spent").as_ref(), Some(&sample.spent));
    println!("{bits} bits of {} bytes", flipped.len());
}

#[test]
fn f47_a_snapshot_with_a_hole_or_a_tail_starts_cold_and_says_so_once() {
    /// Smaller than what a disk writes at once, so that a small snapshot has many of them.
    const BLOCK: usize = 64;
    let sample = Sample::new(tasks());
    let bytes = &sample.bytes;
    // What a disk that lost its power has not written reads as zeros, or as what was there before.
    let before: Vec<u8> = bytes.iter().rev().copied().collect();
    for begin in (0..bytes.len()).step_by(BLOCK) {
        for end in [bytes.len().min(begin + BLOCK), bytes.len()] {
            let mut damaged = bytes.clone();
            damaged[begin..end].fill(0);
            sample.refuses(&damaged, &format!("{begin} to {end} are zeros"));
            damaged[begin..end].copy_from_slice(&before[begin..end]);
            if damaged != *bytes {
                sample.refuses(&damaged, &format!("{begin} to {end} are others"));
            }
        }
    }
    for tail in [&b" "[..], b"\n", b"\0", bytes] {
        sample.refuses(&[bytes, tail].concat(), "something follows");
        sample.refuses(&[tail, bytes].concat(), "something stands before");
    }
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    sample.refuses(&[rest, half].concat(), "the halves are swapped");
}

#[test]
fn f46_any_number_of_a_snapshot_may_be_nonsense() {
    let sample = Sample::new(3);
    let kept = serde_json::to_value(&sample.learned).unwrap();
    let mut places = Vec::new();
    numbers(&kept, &mut String::new(), &mut places);
    assert!(places.len() > 50, "{}", places.len());
    let odd = [
        json!(0),
        json!(-1),
        json!(0.5),
        json!(1e-320),
        json!(1e9),
        json!(1e18),
        json!(1.8e19),
        json!(1e300),
        json!(f64::MAX),
        json!(f64::MIN),
        json!(u32::MAX),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(null),
    ];
    for place in &places {
        for number in &odd {
            let mut kept = kept.clone();
            *kept.pointer_mut(place).unwrap() = number.clone();
            // A count that is none is not even read.
            if let Ok(learned) = serde_json::from_value::<Learned>(kept) {
                assert_sound(learned, &format!("{place} is {number}"));
            }
        }
    }
}

/// A router that goes on from this believes what can be, and works.
fn assert_sound(learned: Learned, how: &str) {
    let router = pools().learned(learned).build().unwrap();
    for target in router.snapshot().targets() {
        for share in [target.health, target.quality] {
            assert!((0.0..=1.0).contains(&share), "{how}: {target:?}");
        }
        for count in [target.scores, target.attempts] {
            assert!((0.0..=2e9).contains(&count), "{how}: {target:?}");
        }
        let wait = target.rate_limited_s.unwrap_or_default();
        assert!((0.0..=3600.0).contains(&wait), "{how}: {target:?}");
    }
    learn(&router, 2);
    // What it keeps next can be written and read, as infinity could not.
    let again = serde_json::to_string(&router.learned()).unwrap();
    let read = serde_json::from_str::<Learned>(&again);
    assert!(read.is_ok(), "{how}: {again}");
}

/// Collects where the numbers of a value are.
fn numbers(value: &Value, place: &mut String, places: &mut Vec<String>) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Number(_) => return places.push(place.clone()),
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .map(|(index, part)| (index.to_string(), part))
            .collect(),
        Value::Object(parts) => parts
            .iter()
            .map(|(name, part)| (name.clone(), part))
            .collect(),
        _ => return,
    };
    for (name, part) in parts {
        let before = place.len();
        write!(place, "/{name}").unwrap();
        numbers(part, place, places);
        place.truncate(before);
    }
}

fn tasks() -> u64 {
    let told = std::env::var("SNAPSHOT_TASKS");
    told.map_or(3, |told| told.parse().unwrap())
}

fn pools() -> Builder {
    let pool = |name: &str| {
        Pool::new(name)
            .model("first")
            .model("second")
            .model("third")
    };
    OutcomeRouter::builder()
        .pool(pool("chat"))
        .pool(pool("more"))
        .seed(1)
}

/// Settles and scores calls of each kind, some of which failed, and lets one target ask for a wait.
fn learn(router: &OutcomeRouter, tasks: u64) {
    let now = Instant::now();
    let mut rng = Rng::new(1, tasks);
    for task in 0..tasks {
        for (rank, model) in ["first", "second"].into_iter().enumerate() {
            let (name, only) = (format!("task {task}"), Candidates::one(model));
            let request = PickRequest::new("chat").task(&name).candidates(&only);
            let Ok(ticket) = router.pick_at(&request, now) else {
                continue;
            };
            let id = ticket.outcome_id();
            let class = if rng.next_f64() < 0.2 * rank as f64 {
                Class::ServerError
            } else {
                Class::Success
            };
            ticket.settle_at(Outcome::new(Verdict::new(class)), now);
            let score = Score::new(rng.next_f64()).unwrap();
            router.report_at(id, score, now).unwrap();
        }
    }
    let only = Candidates::one("third");
    let request = PickRequest::new("chat").candidates(&only);
    if let Ok(ticket) = router.pick_at(&request, now) {
        let wait =
            Verdict::new(Class::RateLimited).with_retry_after(Some(Duration::from_secs(900)));
        ticket.settle_at(Outcome::new(wait), now);
    }
}

thread_local! {
    /// What was warned of in this thread, which is one test.
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Listens to warnings. For all threads: what a callsite is worth is remembered.
fn hear() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Registry::default().with(Ears)).unwrap();
    });
}

/// Returns what was warned of since it was last asked.
fn heard() -> Vec<String> {
    HEARD.with_borrow_mut(mem::take)
}

struct Ears;

impl<S: Subscriber> Layer<S> for Ears {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut line = Line(String::new());
            event.record(&mut line);
            HEARD.with_borrow_mut(|heard| heard.push(line.0));
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

/// A folder that is gone at the end; in memory where there is such a place, for it is written to
/// some hundred thousand times.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let above = if memory.is_dir() {
            memory.to_owned()
        } else {
            std::env::temp_dir()
        };
        let name = format!(
            "outcome-snapshot-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = above.join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Where what is not believed is set aside.
    fn bad(&self) -> PathBuf {
        self.0.join("state.bad")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
