//! Gateways that share what they learn through a real server.
//!
//! `STORE_FULL=1` takes the long forms.

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
    process::{Process, WELL},
    redis_server::Server,
    support::*,
};

const SECRET: &str = "deployment-canary-4c1e";
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
        let store = format!("url = \"{}\"", server.url());
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
#[track_caller]
fn until(what: &str, so: impl AsyncFn() -> bool) -> impl Future<Output = Duration> {
    let what = what.to_owned();
    async move {
        let since = Instant::now();
        while !so().await {
            assert!(since.elapsed() < Duration::from_secs(20), "not so: {what}");
            sleep(Duration::from_millis(5)).await;
        }
        since.elapsed()
    }
}

fn is_full() -> bool {
    std::env::var_os("STORE_FULL").is_some()
}

#[tokio::test]
async fn f33_what_refuses_one_gateway_is_left_alone_by_another_within_a_second() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    const POOLS: usize = 10;
    let rounds = if is_full() { 20 } else { 1 };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("refused", POOLS, refusing, &well, &server).await;
    let [a, b] = &pair.gateways;
    let mut took = Vec::new();
    for _ in 0..rounds {
        for pool in 0..POOLS {
            let (first, second) = (format!("first-{pool}"), format!("second-{pool}"));
            for gateway in [a, b] {
                until("the first serves", async || {
                    served(gateway, &first, "hello").await == first
                })
                .await;
            }
            assert_eq!(served(a, &first, REFUSE).await, second);
            took.push(
                until("the other leaves it", async || {
                    served(b, &first, "hello").await == second
                })
                .await,
            );
        }
    }
    took.sort();
    let [p50, p99] = [50, 99].map(|percent| took[(took.len() - 1) * percent / 100]);
    println!(
        "{} trials: p50 {p50:?}, p99 {p99:?}, last {:?}",
        took.len(),
        took[took.len() - 1]
    );
    assert!(p99 < Duration::from_secs(1), "{took:?}");
    pair.stop().await;
}

#[tokio::test]
async fn f42_a_server_that_is_killed_under_load_fails_and_delays_no_request() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("killed", 1, refusing, &well, &server).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = pair.gateways.each_ref().map(|gateway| {
        let (address, stop) = (gateway.address, stop.clone());
        tokio::spawn(async move {
            let mut took = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let since = Instant::now();
                let answer = post(address, CHAT, chat("first-0", "hello")).await;
                assert_eq!(answer.status(), StatusCode::OK);
                took.push(since.elapsed());
                sleep(Duration::from_millis(2)).await;
            }
            took
        })
    });
    sleep(Duration::from_secs(1)).await;
    server.kill();
    for gateway in &pair.gateways {
        until("it tells that nothing is shared", async || {
            let fleet = fleet(gateway).await;
            fleet["connected"] == false && fleet["trouble"].is_string()
        })
        .await;
    }
    sleep(Duration::from_secs(if is_full() { 10 } else { 2 })).await;
    server.restart();
    let mut healed = Duration::ZERO;
    for gateway in &pair.gateways {
        healed += until("it shares again", async || {
            fleet(gateway).await["connected"] == true
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for load in load {
        took.extend(load.await.unwrap());
    }
    took.sort();
    let [p50, p99] = [50, 99].map(|percent| took[(took.len() - 1) * percent / 100]);
    let last = took[took.len() - 1];
    println!(
        "{} requests: p50 {p50:?}, p99 {p99:?}, last {last:?}; healed in {healed:?}",
        took.len()
    );
    // The machine may have more to do; a request that waits for the store would wait for ever.
    assert!(last < Duration::from_secs(2), "{last:?}");
    assert!(healed < Duration::from_secs(4), "{healed:?}");
    pair.stop().await;
}

#[tokio::test]
async fn f42_without_a_server_it_serves_and_shares_once_there_is_one() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    server.kill();
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let store = format!("url = \"{}\"", server.url());
    let folder = Folder::new("absent", 1, refusing, &well, &store);
    let since = Instant::now();
    let gateway = folder.start().await;
    assert!(since.elapsed() < Duration::from_secs(5));
    let place = format!("redis://127.0.0.1:{}/0", server.port());
    let said = gateway.before.join("\n");
    assert!(
        said.contains(&format!("sharing what is learned through {place}")),
        "{said}"
    );
    assert_eq!(served(&gateway, "first-0", "hello").await, "first-0");
    let told = until("it tells why nothing is shared", async || {
        let trouble = fleet(&gateway).await["trouble"].clone();
        trouble.as_str().is_some_and(|it| it.contains(&place))
    });
    told.await;
    let metrics = get(gateway.admin(), "/metrics").await;
    assert!(
        metrics.contains("\noutcome_fleet_connected 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\noutcome_fleet_exchange_age_seconds +Inf\n"),
        "{metrics}"
    );
    server.restart();
    until("it shares", async || {
        fleet(&gateway).await["connected"] == true
    })
    .await;
    let metrics = get(gateway.admin(), "/metrics").await;
    assert!(
        metrics.contains("\noutcome_fleet_connected 1\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\noutcome_fleet_instances 1\n"),
        "{metrics}"
    );
    let said = said + &gateway.stop().await.join("\n");
    let warned = format!("outcomes are not shared for now: it cannot be reached: {place}");
    assert!(said.contains(&warned) && said.contains("WARN"), "{said}");
}

#[tokio::test]
async fn f43_a_server_that_hangs_does_not_hold_up_the_end() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("hangs", 1, refusing, &well, &server).await;
    server.freeze();
    let since = Instant::now();
    pair.stop().await;
    let took = since.elapsed();
    server.thaw();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_configuration_that_is_loaded_anew_goes_on_sharing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("reloaded", 2, refusing, &well, &server).await;
    let [a, b] = &pair.gateways;
    let file = pair.folders[1].0.join("gateway.toml");
    let config = fs::read_to_string(&file).unwrap();
    // A pool is gone, and another server is named, which takes a restart.
    let (config, _) = config.split_once("[[pool]]\nname = \"chat-1\"").unwrap();
    let config = config.replace("[store]\n", "[store]\nexchange_ms = 300\n");
    fs::write(&file, config).unwrap();
    until("the file is taken", async || {
        state(b, "").await["pools"].as_array().unwrap().len() == 1
    })
    .await;
    assert_eq!(served(a, "first-0", REFUSE).await, "second-0");
    until("the next router is told", async || {
        served(b, "first-0", "hello").await == "second-0"
    })
    .await;
    let fleet = fleet(b).await;
    assert_eq!(
        (&fleet["connected"], &fleet["instances"]),
        (&json!(true), &json!(2))
    );
    let [a, b] = pair.gateways;
    let said = b.stop().await.join("\n");
    let told = "[store] has changed: that takes effect after a restart";
    assert!(said.contains(told), "{said}");
    a.stop().await;
}

#[tokio::test]
async fn the_fleet_is_told_of_by_the_state_and_the_view() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("told", 1, refusing, &well, &server).await;
    let [a, b] = &pair.gateways;
    for _ in 0..5 {
        served(a, "first-0", "hello").await;
    }
    let first = async |query: &str| state(b, query).await["pools"][0]["targets"][0].clone();
    until("b has heard of all", async || {
        first("?scope=fleet").await["of_others"] == 5
    })
    .await;
    let told = first("?scope=fleet").await;
    assert_eq!(
        (&told["name"], &told["seen"]),
        (&json!("first-0"), &json!(0))
    );
    assert_eq!(told["state"], "healthy");
    assert_eq!(first("").await["of_others"], 5);
    let known = state(b, "").await;
    assert_eq!(known["fleet"]["store"], "redis");
    assert!(known["counts"].is_object(), "{known}");
    let view: Value = serde_json::from_str(&get(b.admin(), "/view").await).unwrap();
    assert_eq!(view["fleet"]["instances"], 2);
    assert_eq!(view["pools"][0]["targets"][0]["of_others"], 5);
    let odd = get(b.admin(), "/state?scope=world").await;
    assert!(odd.contains("expected ?scope=fleet"), "{odd}");
    pair.stop().await;
}

async fn tell(address: SocketAddr, path: &str, feedback: &Value) -> (u16, Value) {
    let response = post(address, path, feedback.to_string()).await;
    let body = serde_json::from_slice(response.body()).unwrap();
    (response.status().as_u16(), body)
}

#[tokio::test]
async fn a_score_told_to_one_gateway_of_an_answer_of_another_counts_there() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::new("scored", 1, refusing, &well, &server).await;
    let [a, b] = &pair.gateways;
    let answer = post(a.address, CHAT, chat("second-0", "hello")).await;
    let id = text(answer.headers(), "x-outcome-id").to_owned();
    let scores = async || state(a, "").await["counts"]["reports"].clone();

    let feedback = json!({ "id": id, "score": 0.25 });
    let (status, told) = tell(b.address, "/outcome/feedback", &feedback).await;
    assert_eq!((status, &told["passed_on"]), (202, &json!(true)), "{told}");
    until("it counts where the answer was given", async || {
        scores().await == 1
    })
    .await;
    // By the admin listener as well, and it corrects what was told before.
    let feedback = json!([{ "id": id, "score": 1 }]);
    let (status, told) = tell(b.admin(), "/feedback", &feedback).await;
    assert_eq!(
        (status, &told["results"][0]["taken"]),
        (202, &json!(true)),
        "{told}"
    );
    until("it is corrected there", async || scores().await == 2).await;
    let targets = state(a, "").await["pools"][0]["targets"].clone();
    let quality = targets[1]["scores"].as_f64().unwrap();
    assert!(
        (0.9..1.1).contains(&quality),
        "one answer has one score: {quality}"
    );

    // What nobody has given out is refused, and so is what only the other knows.
    let mut forged = id.clone();
    let last = if forged.ends_with('0') { "1" } else { "0" };
    forged.replace_range(31.., last);
    for id in [&*forged, &"0".repeat(32), "chatcmpl-1", "junk"] {
        let feedback = json!({ "id": id, "score": 1 });
        let (status, told) = tell(b.address, "/outcome/feedback", &feedback).await;
        assert_eq!(status, 404, "{id}: {told}");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("x-outcome-id"), "{message}");
    }
    assert_eq!(scores().await, 2);
    pair.stop().await;
}

/// Everything that stands in a server, keys and values.
fn contents(server: &Server) -> String {
    let keys: Vec<String> = server.ask(&["KEYS", "*"]);
    assert!(keys.len() > 3, "{keys:?}");
    let mut contents = keys.join("\n");
    for key in &keys {
        let kind: String = server.ask(&["TYPE", key]);
        let values: Vec<String> = match &*kind {
            "string" => server
                .ask::<Option<String>>(&["GET", key])
                .into_iter()
                .collect(),
            "hash" => server.ask(&["HGETALL", key]),
            "list" => server.ask(&["LRANGE", key, "0", "-1"]),
            "zset" => server.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
            // Gone by now.
            "none" => Vec::new(),
            kind => panic!("{key}: {kind}"),
        };
        contents += &values.join("\n");
    }
    contents
}

#[tokio::test]
async fn f40_no_secret_and_no_prompt_comes_into_the_store_or_is_shown() {
    let Some(server) = Server::start(&["--requirepass", "password-canary"]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let store = "url_env = \"REDIS\"\n[[key]]\nname = \"team\"\ntenant = \"tenant-canary\"\n\
                 sha256 = \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"";
    let folders = ["a", "b"].map(|of| {
        let folder = Folder::new(&format!("canary-{of}"), 1, refusing, &well, store);
        let file = folder.0.join("gateway.toml");
        let config = fs::read_to_string(&file).unwrap();
        let with_key = "name = \"two\"\napi_key_env = \"KEY\"";
        fs::write(&file, config.replace("name = \"two\"", with_key)).unwrap();
        folder
    });
    let url = server.url();
    let environment = [
        ("SECRET", SECRET),
        ("REDIS", &*url),
        ("KEY", "credential-canary"),
    ];
    let a = Process::start_with(&folders[0].0, &environment).await;
    let b = Process::start_with(&folders[1].0, &environment).await;
    for gateway in [&a, &b] {
        until("both share", async || {
            fleet(gateway).await["instances"] == 2
        })
        .await;
    }
    let call = async |gateway: &Process, path: &str, body: String| {
        let request = Request::post(format!("http://{}{path}", gateway.address))
            .header("content-type", "application/json")
            // What the hash above is of.
            .header("authorization", "Bearer hello")
            .header("x-outcome-task", "task-canary")
            .header("x-outcome-session", "session-canary");
        send(request.body(Full::new(body.into())).unwrap()).await
    };
    let mut id = String::new();
    for prompt in ["prompt-canary", "prompt-canary refuse-this"] {
        let answer = call(&a, CHAT, chat("first-0", prompt)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        id = text(answer.headers(), "x-outcome-id").to_owned();
    }
    // Keys open both alike, and a score needs one.
    let feedback = json!({ "id": id, "score": 0.5, "reason": "reason-canary" });
    assert_eq!(tell(b.address, "/outcome/feedback", &feedback).await.0, 401);
    let told = call(&b, "/outcome/feedback", feedback.to_string()).await;
    assert_eq!(told.status(), StatusCode::ACCEPTED);
    until("it counts", async || {
        state(&a, "").await["counts"]["reports"] == 1
    })
    .await;
    until("it is heard of", async || {
        state(&b, "").await["pools"][0]["targets"][0]["of_others"] != 0
    })
    .await;

    let mut shown = contents(&server);
    for gateway in [a, b] {
        for path in [
            "/state",
            "/state?scope=fleet",
            "/view",
            "/history",
            "/metrics",
            "/decisions",
        ] {
            shown += &get(gateway.admin(), path).await;
        }
        shown += &gateway.before.join("\n");
        shown += &gateway.stop().await.join("\n");
    }
    shown += &fs::read_to_string(folders[0].0.join("outcome-gateway/state")).unwrap();
    // Names of tasks are kept and shown to who runs it, but not in the store.
    let store = contents(&server);
    let store_names = ["first-0", "second-0", "chat-0", "127.0.0.1"];
    assert!(!store.contains("canary"), "{store}");
    assert!(
        store_names.iter().all(|name| !store.contains(name)),
        "{store}"
    );
    let shown = shown
        .replace("outcome-fleet-canary", "")
        .replace("task-canary", "");
    let shown = shown.replace("tenant-canary", "");
    let around = shown
        .find("canary")
        .map(|at| &shown[at.saturating_sub(200)..at + 40]);
    assert_eq!(around, None);
}
