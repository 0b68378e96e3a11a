//! What the store and the pages hold.

use super::*;

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
    let key = "[[key]]\nname = \"team\"\ntenant = \"tenant-canary\"\n\
               sha256 = \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"";
    let store = format!("url_env = \"REDIS\"\n{PATIENT}\n{key}");
    let folders = ["a", "b"].map(|of| {
        let folder = Folder::new(&format!("canary-{of}"), 1, refusing, &well, &store);
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
