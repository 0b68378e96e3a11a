//! A server that is not there, goes, or hangs.

use super::*;

#[tokio::test]
async fn f42_a_server_that_is_killed_under_load_fails_and_delays_no_request() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::with("killed", 1, refusing, &well, &server, "").await;
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
    // Two seconds for each, where a request takes a few milliseconds.
    let patience = Duration::from_secs(4) + 100 * p50;
    assert!(healed < patience, "{healed:?}, not {patience:?}");
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
async fn f43_a_server_that_hangs_holds_up_neither_requests_nor_the_end() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let pair = Pair::with("hangs", 1, refusing, &well, &server, "").await;
    server.freeze();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(if is_full() { 10 } else { 2 }) {
        let since = Instant::now();
        for gateway in &pair.gateways {
            assert_eq!(served(gateway, "first-0", "hello").await, "first-0");
        }
        assert!(since.elapsed() < Duration::from_secs(2));
    }
    for gateway in &pair.gateways {
        assert_eq!(fleet(gateway).await["connected"], false);
    }
    let since = Instant::now();
    pair.stop().await;
    let took = since.elapsed();
    server.thaw();
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn f44_a_server_that_refuses_is_told_of_with_its_reason() {
    let Some(server) = Server::start(&["--requirepass", "password-canary"]) else {
        return;
    };
    let (refusing, well) = (refusing().await, Raw::json(200, WELL).await);
    let port = server.port();
    let store = format!("url = \"redis://127.0.0.1:{port}\"\npassword_env = \"WRONG\"");
    let folder = Folder::new("wrong", 1, refusing, &well, &store);
    let environment = [("SECRET", SECRET), ("WRONG", "other-canary")];
    let gateway = Process::start_with(&folder.0, &environment).await;
    assert_eq!(served(&gateway, "first-0", "hello").await, "first-0");
    until("it tells what is wrong", async || {
        let trouble = fleet(&gateway).await["trouble"].clone();
        let trouble = trouble.as_str().unwrap_or_default();
        trouble.contains("the password is wrong")
    })
    .await;
    let said = gateway.before.join("\n") + &gateway.stop().await.join("\n");
    assert!(said.contains("outcomes are not shared for now"), "{said}");
    assert!(!said.contains("canary"), "{said}");
}
