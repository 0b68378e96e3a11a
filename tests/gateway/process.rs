//! The binary, in a process of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
    time::timeout,
};

use crate::support::*;

/// A running `outcome-gateway serve`. It ends with the test.
pub(crate) struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    pub(crate) address: SocketAddr,
    /// What it said before it served.
    pub(crate) before: Vec<String>,
}

impl Process {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// Starts it with more in its environment.
    pub(crate) async fn start_with(folder: &Path, more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outcome-gateway"))
            .args(["serve", "--config"])
            .arg(folder.join("gateway.toml"))
            .env("XDG_STATE_HOME", folder)
            .env_remove("STATE_DIRECTORY")
            .env_remove("RUST_LOG")
            .envs(more.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before = Vec::new();
        let started = async {
            while let Some(line) = log.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("serving on http://") {
                    return address.trim().parse().unwrap();
                }
                before.push(line);
            }
            panic!("it did not start: {before:?}");
        };
        let address = timeout(2 * PATIENCE, started).await.unwrap();
        Self {
            child,
            log,
            address,
            before,
        }
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        let line = self
            .before
            .iter()
            .find(|line| line.contains("dashboard on"));
        let (_, address) = line.unwrap().split_once("http://").unwrap();
        address.trim().parse().unwrap()
    }

    /// Kills it at once, and returns what it said since it was started.
    pub(crate) async fn kill(mut self) -> Vec<String> {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
        let mut said = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            said.push(line);
        }
        said
    }

    /// Tells it to stop, and returns what it said since it was started.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        let id = self.child.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.unwrap().success());
        let mut said = Vec::new();
        let ended = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                said.push(line);
            }
            self.child.wait().await.unwrap()
        };
        let status = timeout(2 * PATIENCE, ended).await.unwrap();
        assert!(status.success(), "{status}: {said:?}");
        said
    }
}

/// A folder with a configuration of two targets: one that fails, and one that is well.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str, failing: &Raw, well: &Raw) -> Self {
        let folder = format!("outcome-restart-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        let config = format!(
            "listen = \"127.0.0.1:0\"\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
             [[upstream]]\nname = \"one\"\nbase_url = \"http://{}/v1\"\n\
             [[upstream]]\nname = \"two\"\nbase_url = \"http://{}/v1\"\n\
             [[pool]]\nname = \"chat\"\n\
             [[pool.target]]\nmodel = \"first\"\nupstream = \"one\"\n\
             [[pool.target]]\nmodel = \"second\"\nupstream = \"two\"\n",
            failing.address, well.address,
        );
        fs::write(folder.join("gateway.toml"), config).unwrap();
        Self(folder)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("outcome-gateway/state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) const DOWN: &str = "{\"error\":{\"message\":\"down\",\"type\":\"server_error\"}}";
pub(crate) const WELL: &str = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\
                    \"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
