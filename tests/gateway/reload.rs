use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    process::Command,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tower_outcome::{
    config::Config,
    gateway::{
        Gateway, Loaded, Reload,
        scripted::{Script, Scripted},
    },
    router::State,
};

use crate::support::*;

/// A file in a folder of its own, which goes with it.
struct File {
    folder: PathBuf,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("outcome-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = Self { folder };
        file.write(text);
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// Replaces it as editors do.
    fn write(&self, text: &str) {
        let new = self.folder.join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A pool of these models, each at an upstream of its own.
fn config(targets: &[(&str, &str)], more: &str) -> String {
    let any = "\"127.0.0.1:0\"";
    let mut text = format!(
        "listen = {any}\nadmin = {{ listen = {any} }}\nstore = {{ enabled = false }}\n{more}"
    );
    for (model, base_url) in targets {
        text += &format!("[[upstream]]\nname = \"{model}\"\nbase_url = \"{base_url}\"\n");
    }
    text += "[[pool]]\nname = \"chat\"\n";
    for (model, _) in targets {
        text += &format!("[[pool.target]]\nmodel = \"{model}\"\nupstream = \"{model}\"\n");
    }
    text
}

fn parse(text: &str) -> Config {
    Config::parse("gateway.toml", text, |_| None).unwrap()
}

#[tokio::test]
async fn a_reload_changes_what_serves_and_keeps_what_is_known() {
    let walled = Raw::start(vec![Step::Send(answer(
        429,
        "retry-after: 60\r\n",
        "application/json",
        "{}",
    ))]);
    let walled = walled.await;
    let scripted = async || Scripted::start(Script::new()).await.unwrap();
    let (second, third) = (scripted().await, scripted().await);
    let first = format!("http://{}/v1", walled.address);
    let (second, third) = (second.base_url(), third.base_url());
    let of = |targets: &[(&str, &str)]| parse(&config(targets, ""));
    let two = [("first", &*first), ("second", &*second)];
    let gateway = Gateway::from_config(of(&two)).unwrap();
    let address = start(gateway.clone()).await;
    let served = async || {
        let response = post(address, CHAT, ask("chat")).await;
        assert_eq!(response.status(), StatusCode::OK);
        text(response.headers(), "x-outcome-model").to_owned()
    };
    assert_eq!(served().await, "second");
    let turned = [("first", &*first), ("third", &*third), ("second", &*second)];
    gateway.reload(of(&turned)).unwrap();
    assert_eq!(served().await, "third");
    assert_eq!(walled.seen().len(), 1, "its wait is not forgotten");
    let snapshot = gateway.router().snapshot();
    assert_eq!(snapshot.pools[0].targets[0].state, State::Walled);
    assert_eq!(snapshot.pools[0].targets[2].picks, 1);
}

#[tokio::test]
async fn a_bad_file_leaves_the_old_one_and_says_so() {
    let provider = Scripted::start(Script::new()).await.unwrap();
    let good = config(&[("first", &provider.base_url())], "");
    let file = File::new("bad", &good);
    let config = Config::load(file.path()).unwrap();
    let reload = Reload::new(file.path(), &config);
    let mut told = reload.subscribe();
    let gateway = Gateway::from_config(config).unwrap();
    let running = tokio::spawn(reload.run(gateway.clone()));

    file.write(&good.replace("[[pool]]", "deadlin_ms = 1\n[[pool]]"));
    let loaded = next(&mut told).await;
    let error = loaded.error.unwrap();
    assert!(error.contains("gateway.toml:7:1: "), "{error}");
    assert_eq!(loaded.reloads, 0);
    assert!(gateway.router().knows("chat"));

    file.write(&good.replace("\"chat\"", "\"talk\""));
    let loaded = next(&mut told).await;
    assert_eq!((loaded.error, loaded.reloads), (None, 1));
    assert!(gateway.router().knows("talk") && !gateway.router().knows("chat"));
    fs::remove_file(file.path()).unwrap();
    let loaded = next(&mut told).await;
    assert!(loaded.error.unwrap().contains("cannot be read"));
    assert!(gateway.router().knows("talk"));
    running.abort();
}

async fn next(told: &mut watch::Receiver<Loaded>) -> Loaded {
    let changed = timeout(Duration::from_secs(10), told.changed()).await;
    changed.unwrap().unwrap();
    told.borrow_and_update().clone()
}

/// The gateway's own program, killed when dropped.
struct Program {
    child: tokio::process::Child,
    address: std::net::SocketAddr,
    /// What it logged since it serves.
    logged: mpsc::UnboundedReceiver<String>,
}

impl Program {
    async fn start(file: &File) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outcome-gateway"))
            .arg("serve")
            .arg("--config")
            .arg(file.path())
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = lines(child.stderr.take().unwrap());
        let address = loop {
            let line = timeout(Duration::from_secs(10), lines.next_line()).await;
            let line = line.unwrap().unwrap().unwrap();
            if let Some((_, address)) = line.split_once("serving on http://") {
                break address.parse().unwrap();
            }
        };
        let (log, logged) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = log.send(line);
            }
        });
        Self {
            child,
            address,
            logged,
        }
    }

    /// Waits for a line of the log with these words.
    async fn logs(&mut self, words: &str) {
        let line = async {
            while let Some(line) = self.logged.recv().await {
                if line.contains(words) {
                    return;
                }
            }
            panic!("it has ended without {words:?}");
        };
        timeout(Duration::from_secs(20), line).await.unwrap();
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        let kill = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(kill.unwrap().success());
    }
}

fn lines(
    stderr: tokio::process::ChildStderr,
) -> tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStderr>> {
    use tokio::io::AsyncBufReadExt as _;
    tokio::io::BufReader::new(stderr).lines()
}

/// Requests that are sent one after the other until told to stop, each read to its end.
async fn caller(
    address: std::net::SocketAddr,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
    stream: bool,
) -> Vec<String> {
    let client = client();
    let mut faults = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let body = format!(r#"{{"model":"chat","messages":[],"stream":{stream}}}"#);
        let request = Request::post(format!("http://{address}{CHAT}"))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        match client.request(request).await {
            Ok(response) if response.status() == StatusCode::OK => {
                let body = response.into_body().collect().await;
                match body.map(http_body_util::Collected::to_bytes) {
                    Ok(body) if stream && !body.ends_with(b"data: [DONE]\n\n") => {
                        faults.push("a cut stream".to_owned());
                    }
                    Ok(_) => {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => faults.push(format!("a cut answer: {error}")),
                }
            }
            Ok(response) => faults.push(response.status().to_string()),
            // It listens no more: nothing was begun.
            Err(error) if error.is_connect() && stop.load(Ordering::Relaxed) => {}
            Err(error) => faults.push(error.to_string()),
        }
    }
    faults
}

#[tokio::test]
async fn a_reload_is_in_the_log_of_who_asked_for_nothing() {
    let good = config(&[("first", "http://127.0.0.1:9/v1")], "");
    let file = File::new("log", &good);
    let mut program = Program::start(&file).await;
    file.write("this is no TOML");
    program.logs("NOT loaded").await;
    file.write(&config(&[("second", "http://127.0.0.1:9/v1")], ""));
    program.logs("gateway.toml anew").await;
}

#[tokio::test]
async fn under_load_no_reload_and_no_sigterm_fails_a_request_or_cuts_a_stream() {
    let script = Script::new().latency(Duration::from_millis(40));
    let provider = Scripted::start(script).await.unwrap();
    let base_url = provider.base_url();
    let one = config(&[("first", &base_url)], "");
    let two = config(&[("first", &base_url), ("second", &base_url)], "");
    let file = File::new("load", &one);
    let mut program = Program::start(&file).await;
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::<AtomicU32>::default(),
    );
    let callers: Vec<_> = (0..16)
        .map(|n| {
            let (stop, done) = (stop.clone(), Arc::clone(&done));
            tokio::spawn(caller(program.address, stop, done, n % 2 == 0))
        })
        .collect();
    for n in 0..6 {
        file.write([&two, &one, "this is no TOML"][n % 3]);
        program.signal("-HUP");
        sleep(Duration::from_millis(500)).await;
        let served = 20 * (n as u32 + 1);
        until("they are served", async || {
            done.load(Ordering::Relaxed) > served
        })
        .await;
    }
    // The last calls begin before it is told to stop, and end after.
    stop.store(true, Ordering::Relaxed);
    program.signal("-TERM");
    let ended = timeout(Duration::from_secs(20), program.child.wait()).await;
    let status = ended.unwrap().unwrap();
    assert!(status.success(), "{status}");
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Vec::<String>::new());
    }
}
