//! Gateways that share what they learn through a real server.
//!
//! `STORE_FULL=1` takes the long forms.

mod faults;
mod secrets;
mod sharing;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    time::{Instant, sleep},
};

use crate::{
    process::{DOWN, Process, WELL},
    redis_server::Server,
    support::*,
};

const SECRET: &str = "deployment-canary-4c1e";
/// More time to answer than a server needs on any machine: what it gave out and nobody waited for is lost.
const PATIENT: &str = "answer_timeout_ms = 2000";
/// What a provider is asked that is to refuse.
const REFUSE: &str = "refuse-this";

/// A configuration of several pools, each with a target that can be made to refuse and one that is well.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, pools: usize, refusing: SocketAddr, well: &Raw, store: &str) -> Self {
        let folder = format!("outcome-fleet-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        let mut config = format!(
            "listen = \"127.0.0.1:0\"\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
             [store]\nsecret_env = \"SECRET\"\n{store}\n\
             [[upstream]]\nname = \"one\"\nbase_url = \"http://{refusing}/v1\"\n\
             [[upstream]]\nname = \"two\"\nbase_url = \"http://{}/v1\"\n",
            well.address,
        );
        for pool in 0..pools {
            config += &format!(
                "[[pool]]\nname = \"chat-{pool}\"\n\
                 [[pool.target]]\nmodel = \"first-{pool}\"\nupstream = \"one\"\n\
                 [[pool.target]]\nmodel = \"second-{pool}\"\nupstream = \"two\"\n",
            );
        }
        fs::write(folder.join("gateway.toml"), config).unwrap();
        Self(folder)
    }

    async fn start(&self) -> Process {
        Process::start_with(&self.0, &[("SECRET", SECRET)]).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two gateways that share through a server, each with a folder of its own.
struct Pair {
    folders: [Folder; 2],
    gateways: [Process; 2],
}

impl Pair {
    async fn new(
        name: &str,
        pools: usize,
        refusing: SocketAddr,
        well: &Raw,
        server: &Server,
    ) -> Self {
        Self::with(name, pools, refusing, well, server, PATIENT).await
    }

    /// With more in the configuration of the store.
    async fn with(
        name: &str,
        pools: usize,
        refusing: SocketAddr,
        well: &Raw,
        server: &Server,
        more: &str,
    ) -> Self {
        let store = format!("url = \"{}\"\n{more}", server.url());
        let folder = |of: &str| Folder::new(&format!("{name}-{of}"), pools, refusing, well, &store);
        let folders = [folder("a"), folder("b")];
        let gateways = [folders[0].start().await, folders[1].start().await];
        for gateway in &gateways {
            until("both share", async || {
                let fleet = fleet(gateway).await;
                fleet["connected"] == true && fleet["instances"] == 2
            })
            .await;
        }
        Self { folders, gateways }
    }

    async fn stop(self) {
        for gateway in self.gateways {
            gateway.stop().await;
        }
        drop(self.folders);
    }
}

/// A provider that refuses what asks for it, for two seconds, and answers the rest.
async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wall = "{\"error\":{\"message\":\"Rate limit reached\",\"type\":\"requests\",\
                \"code\":\"rate_limit_exceeded\"}}";
    let wall = answer(429, "retry-after: 2\r\n", "application/json", wall);
    let well = answer(200, "", "application/json", WELL);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (wall, well) = (wall.clone(), well.clone());
            tokio::spawn(async move {
                let request = read_request(&mut stream).await;
                let asked = String::from_utf8_lossy(&request).contains(REFUSE);
                let _ = stream.write_all(if asked { &wall } else { &well }).await;
            });
        }
    });
    address
}

fn chat(model: &str, text: &str) -> String {
    let messages = json!([{ "role": "user", "content": text }]);
    json!({ "model": model, "messages": messages }).to_string()
}

/// Asks for a model, and returns which one has answered.
async fn served(gateway: &Process, model: &str, text: &str) -> String {
    let response = post(gateway.address, CHAT, chat(model, text)).await;
    assert_eq!(response.status(), StatusCode::OK);
    crate::support::text(response.headers(), "x-outcome-model").to_owned()
}

async fn state(gateway: &Process, query: &str) -> Value {
    let state = get(gateway.admin(), &format!("/state{query}")).await;
    serde_json::from_str(&state).unwrap()
}

async fn fleet(gateway: &Process) -> Value {
    state(gateway, "?scope=fleet").await["fleet"].clone()
}

/// Waits until something is so, for as long as nothing here should take.
async fn until(what: &str, so: impl AsyncFn() -> bool) -> Duration {
    let since = Instant::now();
    while !so().await {
        assert!(since.elapsed() < Duration::from_secs(20), "not so: {what}");
        sleep(Duration::from_millis(5)).await;
    }
    since.elapsed()
}

fn is_full() -> bool {
    std::env::var_os("STORE_FULL").is_some()
}

async fn tell(address: SocketAddr, path: &str, feedback: &Value) -> (u16, Value) {
    let response = post(address, path, feedback.to_string()).await;
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}
