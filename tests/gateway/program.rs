//! The program itself, as a process.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower_outcome::gateway::scripted::{Script, Scripted};

use crate::support::*;

/// The gateway with a configuration of its own, until dropped.
struct Process {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Process {
    async fn start(base_url: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("outcome-program-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("gateway.toml");
        let state = folder.join("state");
        let text = format!(
            "listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [store]\npath = {state:?}\n\
             [[upstream]]\nname = \"u\"\nbase_url = \"{base_url}\"\n\
             [[pool]]\nname = \"chat\"\n[[pool.target]]\nmodel = \"first\"\nupstream = \"u\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_outcome-gateway"))
            .args(["serve", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (serves, up) = oneshot::channel();
        // To the end, or it could say no more at some time.
        std::thread::spawn(move || {
            let mut serves = Some(serves);
            for line in log.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("serving on http://")
                    && let Some(serves) = serves.take()
                {
                    let _ = serves.send(address.trim().parse().unwrap());
                }
            }
        });
        let address = timeout(2 * PATIENCE, up).await.unwrap().unwrap();
        Self {
            child,
            address,
            folder,
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    async fn exit(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(35), ended).await.unwrap()
    }

    /// The memory that it has now, in bytes.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()));
        let status = status.unwrap_or_default();
        let pages = status
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse::<usize>().ok());
        pages.unwrap_or(0) * 4096
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn request(stream: bool, keep: bool) -> String {
    let body = format!("{{\"model\":\"first\",\"stream\":{stream},\"messages\":[]}}");
    let connection = if keep { "keep-alive" } else { "close" };
    format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: {connection}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Streams one answer; `None` if the gateway no longer accepts.
async fn stream(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream
        .write_all(request(true, false).as_bytes())
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    // One that came into the queue of a listener that closed was never let in.
    (!answer.is_empty()).then_some(answer)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f38_sigterm_under_load_cuts_nothing_and_ends_well() {
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    let last = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let mut events = vec![word; 15];
    events.extend([last, "data: [DONE]\n\n"]);
    let slow = Raw::events(&events).await;
    let mut gateway = Process::start(&format!("http://{}/v1", slow.address)).await;
    let address = gateway.address;
    let stopping = Arc::new(AtomicBool::new(false));
    let [whole, after] = [0, 0].map(|none| Arc::new(AtomicUsize::new(none)));
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let (stopping, whole, after) = (stopping.clone(), whole.clone(), after.clone());
        callers.spawn(async move {
            loop {
                let told = stopping.load(Ordering::Relaxed);
                let Some(answer) = stream(address).await else {
                    assert!(stopping.load(Ordering::Relaxed), "refused before the end");
                    return;
                };
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                assert!(
                    answer.contains("data: [DONE]") && answer.ends_with("0\r\n\r\n"),
                    "{answer}"
                );
                whole.fetch_add(1, Ordering::Relaxed);
                if !told && stopping.load(Ordering::Relaxed) {
                    after.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    until("some are served", async || {
        whole.load(Ordering::Relaxed) > 20
    })
    .await;
    // One that would be kept alive.
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(request(false, true).as_bytes())
        .await
        .unwrap();
    let asked = |seen: &String| seen.contains("\"stream\":false");
    until("it is asked", async || slow.seen().iter().any(asked)).await;
    let begin = Instant::now();
    stopping.store(true, Ordering::Relaxed);
    gateway.signal("-TERM");
    let mut answer = String::new();
    kept.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(gateway.exit().await, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10));
    callers.join_all().await;
    assert!(after.load(Ordering::Relaxed) > 0, "nothing was under way");
}

#[cfg(unix)]
#[tokio::test]
async fn f38_a_second_signal_ends_it_at_once() {
    let slow = Scripted::start(Script::new().latency(Duration::from_secs(20)));
    let slow = slow.await.unwrap();
    let mut gateway = Process::start(&slow.base_url()).await;
    let mut call = TcpStream::connect(gateway.address).await.unwrap();
    call.write_all(request(false, true).as_bytes())
        .await
        .unwrap();
    until("it is asked", async || !slow.calls().is_empty()).await;
    gateway.signal("-TERM");
    closed(gateway.address).await;
    assert_eq!(gateway.child.try_wait().unwrap(), None);
    let begin = Instant::now();
    gateway.signal("-INT");
    assert_eq!(gateway.exit().await, Some(130));
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_stream_that_nobody_reads_takes_little_memory() {
    const STREAMS: usize = 50;
    let provider = flood().await;
    let gateway = Process::start(&format!("http://{provider}/v1")).await;
    let mut unread = Vec::new();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        for _ in 0..STREAMS {
            let mut stream = TcpStream::connect(gateway.address).await.unwrap();
            stream
                .write_all(request(false, true).as_bytes())
                .await
                .unwrap();
            unread.push(stream);
        }
        sleep(Duration::from_secs(2)).await;
        rounds.push(gateway.resident());
    }
    // A part that waits to be written and one that was read behind it, of 64 KiB each, and what the
    // allocator keeps for more. The first ones pay for what all share, too.
    let each = rounds[2].saturating_sub(rounds[0]) / (2 * STREAMS);
    assert!(each < 320 * 1024, "{each} bytes for each stream");
}

/// A provider whose answers have no end.
async fn flood() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
            });
        }
    });
    address
}
