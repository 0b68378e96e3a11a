use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{FileStore, Keeping, Opened, file, format, lock::Lock};
use crate::{
    classify::{Class, Verdict},
    router::{Learned, Outcome, OutcomeRouter, PickRequest, Score},
};

/// A folder that is gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "outcome-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// The snapshot in it.
    fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn router() -> OutcomeRouter {
    let models = OutcomeRouter::builder().model("a").model("b");
    models.seed(1).build().unwrap()
}

fn learn(router: &OutcomeRouter) {
    let now = router.now();
    for (class, score) in [(Class::Success, 0.25), (Class::ServerError, 0.5)] {
        let request = PickRequest::new("a").task("summaries");
        let ticket = router.pick_at(&request, now).unwrap();
        let id = ticket.outcome_id();
        ticket.settle_at(Outcome::new(Verdict::new(class)), now);
        let _ = router.report_at(id, Score::new(score).unwrap(), now);
    }
}

/// What was learned, without when that was kept.
fn essence(learned: &Learned) -> serde_json::Value {
    let mut value = serde_json::to_value(learned).unwrap();
    value["kept_at"].take();
    value
}

fn open(path: &Path) -> Opened {
    let fast = Duration::from_millis(100);
    FileStore::new(path).interval(fast).open()
}

fn keep(path: &Path, router: &OutcomeRouter) -> Keeping {
    let router = router.clone();
    open(path).keep_learned(move || router.clone()).start()
}

/// Keeps what a router has learned, and returns what there is then.
async fn kept(path: &Path) -> (Learned, Vec<u8>) {
    let router = router();
    let keeping = keep(path, &router);
    learn(&router);
    keeping.stop().await;
    (open(path).learned().unwrap(), fs::read(path).unwrap())
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn what_was_learned_is_there_after_a_restart() {
    let folder = Folder::new();
    let (learned, _) = kept(&folder.state()).await;
    let models = OutcomeRouter::builder().model("a").model("new");
    let next = models.learned(learned).build().unwrap();
    let pool = &essence(&next.learned())["pools"][0];
    let quality = &pool["quality"];
    assert!(quality["levels"][0]["mass"].as_f64() > Some(1.99), "{pool}");
    assert!(quality["tasks"][1]["cells"][0]["mass"].as_f64() > Some(1.99));
    assert_eq!(pool["targets"][0]["health"]["run"], 1);
    assert_eq!(folder.names(), ["state", "state.lock"]);
}

#[tokio::test]
async fn other_versions_start_cold_and_are_set_aside() {
    let folder = Folder::new();
    let path = folder.state();
    fs::write(&path, "tower-outcome-state 2 of a later day\n{}").unwrap();
    assert!(open(&path).learned().is_none());
    assert_eq!(folder.names(), ["state.bad", "state.lock"]);
    // An old form of one section leaves the others as they are.
    let old = [
        ("learned", r#"{"version":0,"pools":[]}"#),
        ("spending", "[1,2]"),
        ("broken", r#"{"a":"b"}"#),
    ];
    let sections = old.map(|(name, text)| {
        let value = serde_json::value::RawValue::from_string(text.to_owned());
        (name.to_owned(), value.unwrap())
    });
    fs::write(&path, format::encode(&sections.into()).unwrap()).unwrap();
    let opened = open(&path);
    assert!(opened.learned().is_none());
    assert_eq!(opened.section::<Vec<u8>>("spending"), Some(vec![1, 2]));
    assert_eq!(opened.section::<Vec<u8>>("broken"), None);
    assert_eq!(opened.section::<Vec<u8>>("none"), None);
    let keeping = opened.start();
    assert_eq!(keeping.writes().refused, 2);
    keeping.stop().await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read() {
    let folder = Folder::new();
    let path = folder.state();
    let sparse = fs::File::create(&path).unwrap();
    sparse.set_len(300 * 1024 * 1024).unwrap();
    assert!(open(&path).learned().is_none());
    assert_eq!(folder.names(), ["state.bad", "state.lock"]);
}

#[tokio::test]
async fn a_snapshot_is_written_only_when_something_changed() {
    let folder = Folder::new();
    let router = router();
    let keeping = keep(&folder.state(), &router);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(folder.names(), ["state.lock"]);
    learn(&router);
    until("written", || keeping.writes().done > 0).await;
    // A write that came in the midst of it is followed by another one, and that by none.
    sleep(Duration::from_millis(300)).await;
    let done = keeping.writes().done;
    assert!(done <= 2, "{done}");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(keeping.writes().done, done);
    let size = fs::metadata(folder.state()).unwrap().len();
    assert_eq!(keeping.writes().bytes, size);
    keeping.stop().await;
}

#[tokio::test]
async fn parts_are_kept_side_by_side() {
    let folder = Folder::new();
    let spent = Arc::new(AtomicU64::new(0));
    let (revision, value) = (spent.clone(), spent.clone());
    let keeping = open(&folder.state())
        .keep(
            "spending",
            move || revision.load(Ordering::Relaxed),
            move || value.load(Ordering::Relaxed),
        )
        .keep_learned(router)
        .start();
    spent.store(7, Ordering::Relaxed);
    keeping.stop().await;
    let opened = open(&folder.state());
    assert_eq!(opened.section::<u64>("spending"), Some(7));
    assert!(opened.learned().is_some());
}

#[cfg(unix)]
#[tokio::test]
async fn f47_the_file_and_its_folder_are_their_users_own() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let path = folder.0.join("new/deep/state");
    kept(&path).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&path.with_extension("lock")), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.0.join("new")), 0o700);
}

#[cfg(unix)]
#[tokio::test]
async fn f47_a_symbolic_link_is_neither_read_nor_replaced() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new();
    let path = folder.state();
    let elsewhere = folder.0.join("elsewhere");
    let (_, bytes) = kept(&path).await;
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();

    assert!(open(&path).learned().is_none());
    let router = router();
    let keeping = keep(&path, &router);
    learn(&router);
    until("refused", || keeping.writes().failed > 1).await;
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read(&elsewhere).unwrap(), bytes);
    // Nor in the places where it is prepared.
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, folder.0.join("state.new")).unwrap();
    until("written", || keeping.writes().done == 1).await;
    assert_eq!(fs::read(&elsewhere).unwrap(), bytes);
    keeping.stop().await;
    fs::remove_file(folder.0.join("state.lock")).unwrap();
    symlink(&elsewhere, folder.0.join("state.lock")).unwrap();
    assert!(Lock::take(&path).is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_its_place_is_not_waited_for() {
    let folder = Folder::new();
    let path = folder.state();
    let made = Command::new("mkfifo").arg(&path).status();
    if made.is_ok_and(|status| status.success()) {
        assert!(open(&path).learned().is_none());
    }
}

#[tokio::test]
async fn a_write_that_fails_is_counted_and_heals() {
    let folder = Folder::new();
    let path = folder.state();
    fs::create_dir(&path).unwrap();
    let router = router();
    let keeping = keep(&path, &router);
    learn(&router);
    until("failed", || keeping.writes().failed > 2).await;
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();
    // Now the place where it is prepared is taken.
    fs::create_dir(folder.0.join("state.new")).unwrap();
    let before = keeping.writes().failed;
    until("failed again", || keeping.writes().failed > before + 1).await;
    assert!(!path.exists());
    fs::remove_dir(folder.0.join("state.new")).unwrap();
    until("healed", || keeping.writes().done > 0).await;
    keeping.stop().await;
    assert!(open(&path).learned().is_some());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_yet_is_made_later() {
    let folder = Folder::new();
    let in_the_way = folder.0.join("sub");
    fs::write(&in_the_way, "").unwrap();
    let path = in_the_way.join("state");
    let router = router();
    let keeping = keep(&path, &router);
    learn(&router);
    until("failed", || keeping.writes().failed > 0).await;
    fs::remove_file(&in_the_way).unwrap();
    until("healed", || keeping.writes().done > 0).await;
    keeping.stop().await;
}

#[tokio::test]
async fn two_at_one_path_do_not_overwrite_each_other() {
    let folder = Folder::new();
    let path = folder.state();
    let (_, bytes) = kept(&path).await;
    let (first, second) = (router(), router());
    let keeping_first = keep(&path, &first);
    let opened = open(&path);
    // It may read what is there.
    assert!(opened.learned().is_some());
    let kept = second.clone();
    let keeping_second = opened.keep_learned(move || kept.clone()).start();
    learn(&second);
    until("refused", || keeping_second.writes().failed > 1).await;
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // A bad file is the first one's to put aside.
    fs::write(&path, "bad").unwrap();
    assert!(open(&path).learned().is_none());
    assert_eq!(folder.names(), ["state", "state.lock"]);
    // It takes over where the first has ended.
    keeping_first.stop().await;
    until("taken over", || keeping_second.writes().done > 0).await;
    keeping_second.stop().await;
}

/// Not a test of its own: the process that the next one kills.
#[test]
fn a_writer_that_never_ends() {
    let Some(path) = std::env::var_os("OUTCOME_STORE_WRITER") else {
        return;
    };
    let path = PathBuf::from(path);
    let _lock = Lock::take(&path).unwrap();
    for number in 1_u64.. {
        let numbers = vec![number; 20_000];
        let value = serde_json::value::to_raw_value(&numbers).unwrap();
        let sections = [("numbers".to_owned(), value)].into();
        file::write(&path, &sections).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "wrote").unwrap();
        out.flush().unwrap();
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "nothing else runs here")]
fn f48_killing_the_writer_leaves_a_whole_snapshot() {
    let folder = Folder::new();
    let path = folder.state();
    let rounds = std::env::var("OUTCOME_STORE_KILLS").map_or(12, |text| text.parse().unwrap());
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "store::snapshot::tests::a_writer_that_never_ends",
                "--exact",
                "--nocapture",
            ])
            .env("OUTCOME_STORE_WRITER", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed at another moment each time, of the first write and of later ones.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let writes = lines
            .by_ref()
            .filter(|line| line.as_ref().unwrap() == "wrote");
        writes.take(round % 4).for_each(drop);
        std::thread::sleep(Duration::from_micros(700 * (round as u64 % 13)));
        child.kill().unwrap();
        child.wait().unwrap();
        let opened = open(&path);
        assert!(opened.trouble.is_none(), "the lock went with it");
        if path.exists() {
            let numbers: Vec<u64> = opened.section("numbers").unwrap();
            assert_eq!(numbers.len(), 20_000);
            assert!(numbers.iter().all(|number| *number == numbers[0]));
        }
        assert!(!folder.0.join("state.bad").exists());
    }
    assert!(path.exists());
}
