//! What is shared, and how that is told.

use tower_outcome::{
    OutcomeRouter, Pool, Target,
    gateway::{Admin, Gateway, Watch},
    store::{MemoryStore, Sharing},
};

use super::*;

#[tokio::test]
async fn what_refuses_one_gateway_is_left_alone_by_another_within_a_second() {
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
    until("it goes on with the other", async || {
        let fleet = fleet(b).await;
        fleet["connected"] == true && fleet["instances"] == 2
    })
    .await;
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

#[tokio::test]
async fn what_was_learned_alone_is_known_to_one_that_shares() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (failing, well) = (Raw::json(500, DOWN).await, Raw::json(200, WELL).await);
    let folder = crate::process::Folder::new("then-shared", &failing, &well);
    let gateway = Process::start(&folder.0).await;
    for _ in 0..6 {
        served(&gateway, "first", "hello").await;
    }
    gateway.stop().await;

    let file = folder.0.join("gateway.toml");
    let config = fs::read_to_string(&file).unwrap();
    let store = format!(
        "[store]\nurl = \"{}\"\nsecret_env = \"SECRET\"\n",
        server.url()
    );
    fs::write(
        &file,
        config.replacen("[[upstream]]", &(store + "[[upstream]]"), 1),
    )
    .unwrap();
    let gateway = Process::start_with(&folder.0, &[("SECRET", SECRET)]).await;
    let resumed = state(&gateway, "").await["pools"][0]["targets"].clone();
    let response = post(gateway.address, CHAT, chat("first", "hello")).await;
    let headers = response.headers();
    let first = ["x-outcome-model", "x-outcome-attempts"].map(|name| text(headers, name));
    assert_eq!(first, ["second", "1"], "{:?} {resumed}", gateway.before);
    until("it shares", async || {
        fleet(&gateway).await["connected"] == true
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn gateways_of_an_application_share_through_any_store() {
    let store = MemoryStore::new();
    let well = Raw::json(200, WELL).await;
    let mut sharing = Vec::new();
    for _ in 0..2 {
        let watch = Watch::new();
        let target = Target::new("first").upstream(well.upstream());
        let router = OutcomeRouter::builder()
            .pool(Pool::new("chat").target(target))
            .shared("of the deployment")
            .observer(watch.observer())
            .build()
            .unwrap();
        watch.follow(&router);
        let gateway = Gateway::builder(router).build().unwrap();
        let membership = gateway.share(Sharing::new(store.clone())).unwrap();
        watch.set_fleet(membership.watch());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        tokio::spawn(Admin::new(watch).serve(listener, std::future::pending()));
        sharing.push((start(gateway).await, admin, membership));
    }
    let [(a, _, _), (_, admin, _)] = &sharing[..] else {
        panic!()
    };
    assert_eq!(post(*a, CHAT, ask("first")).await.status(), StatusCode::OK);
    until("the other has heard of it", async || {
        let told: Value = serde_json::from_str(&get(*admin, "/state?scope=fleet").await).unwrap();
        told["fleet"]["store"] == "memory" && told["pools"][0]["targets"][0]["of_others"] == 1
    })
    .await;
    for (_, _, membership) in sharing {
        membership.stop().await;
    }
}

#[tokio::test]
async fn a_gateway_that_shares_nothing_says_so() {
    let well = Raw::json(200, WELL).await;
    let folder = crate::process::Folder::new("alone", &well, &well);
    let gateway = Process::start(&folder.0).await;
    for query in ["", "?scope=fleet"] {
        let state = state(&gateway, query).await;
        assert_eq!(state["fleet"], Value::Null);
        assert_eq!(state["pools"][0]["targets"][0]["of_others"], 0, "{state}");
    }
    let metrics = get(gateway.admin(), "/metrics").await;
    assert!(!metrics.contains("\noutcome_fleet_"), "{metrics}");
    gateway.stop().await;

    let router = pool([well.upstream()]);
    let gateway = Gateway::builder(router).build().unwrap();
    let error = gateway.share(Sharing::new(MemoryStore::new())).unwrap_err();
    assert!(error.is_lacking(), "{error}");
}
