use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};
use tower_outcome::{
    OutcomeRouter, Pool, Price, Target, Upstream,
    gateway::{Admin, Gateway, Story, Watch},
};

use crate::support::*;

const TOKEN: &str = "admin-canary-5f1d0c";
const SECRET: &str = "credential-canary-77b1";
const PROMPT: &str = "prompt-canary-93e2";
const GOOD: &str = r#"{"id":"chatcmpl-1","model":"m","choices":[{"message":{"content":"answer-canary"},
    "finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}"#;
const WALL: &str =
    r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#;

/// A gateway that is watched, and its admin listener.
struct House {
    gateway: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    router: OutcomeRouter,
    watch: Watch,
}

impl House {
    async fn new(upstreams: impl IntoIterator<Item = Upstream>) -> Self {
        Self::with(upstreams, |admin| admin).await
    }

    async fn with(
        upstreams: impl IntoIterator<Item = Upstream>,
        set: impl FnOnce(Admin) -> Admin,
    ) -> Self {
        let watch = Watch::new();
        let targets = ["first", "second", "third"].into_iter().zip(upstreams);
        let pool = targets.fold(
            Pool::new("chat").alias("nickname"),
            |pool, (name, upstream)| {
                let dollars = if name == "first" { 10.0 } else { 1.0 };
                let price = Price::per_million(dollars, 0.0);
                let upstream = upstream.credential(credential(SECRET));
                pool.target(Target::new(name).upstream(upstream).price(price))
            },
        );
        let router = OutcomeRouter::builder()
            .pool(pool)
            .seed(1)
            .observer(watch.observer())
            .build()
            .unwrap();
        watch.follow(&router);
        let gateway = Gateway::builder(router.clone()).build().unwrap();
        let of = Admin::new(watch.clone()).gateway(gateway.clone());
        let gateway = start(gateway).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        let served = set(of).serve(listener, std::future::pending());
        tokio::spawn(served);
        Self {
            gateway,
            admin,
            router,
            watch,
        }
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let json = [("content-type", "application/json")];
        self.ask(Method::POST, path, &json, body.to_string()).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (StatusCode, Value) {
        let response = self.exchange(method, path, headers, body).await;
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status(), body)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.admin));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.body(Full::new(body.into())).unwrap()).await
    }
}

/// A request whose prompt nobody must see again.
fn prompt(model: &str) -> String {
    let messages = json!([{ "role": "user", "content": PROMPT }]);
    json!({ "model": model, "messages": messages, "user": PROMPT }).to_string()
}

/// A house whose first model is at its wall, after one request.
async fn walled() -> House {
    let wall = answer(429, "retry-after: 30\r\n", "application/json", WALL);
    let wall = Raw::start(vec![Step::Send(wall)]).await;
    let good = Raw::json(200, GOOD).await;
    let house = House::new([wall.upstream(), good.upstream()]).await;
    for _ in 0..3 {
        let answer = post(house.gateway, CHAT, prompt("first")).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    house
}

#[tokio::test]
async fn a_view_tells_who_served_and_who_got_another_model() {
    let house = walled().await;
    let (status, view) = house.get("/view").await;
    assert_eq!(status, StatusCode::OK);
    let totals = &view["totals"];
    assert_eq!(
        (
            &totals["requests"],
            &totals["substituted"],
            &totals["wasted"]
        ),
        (&json!(3), &json!(3), &json!(1)),
        "{view}"
    );
    let pool = &view["pools"][0];
    assert_eq!(
        (
            &pool["name"],
            &pool["mode"],
            &pool["pinned"],
            &pool["aliases"]
        ),
        (
            &json!("chat"),
            &json!("route"),
            &json!(null),
            &json!(["nickname"])
        )
    );
    let [first, second] = [&pool["targets"][0], &pool["targets"][1]];
    assert_eq!(first["state"], "walled");
    assert_eq!(first["why"], "rate limited, asked to wait until then");
    let wait = first["until"].as_f64().unwrap() - view["at"].as_f64().unwrap();
    assert!((25.0..=31.0).contains(&wait), "{wait}");
    assert_eq!(
        (&first["attempts"], &first["limited"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&first["share"], &first["intended"]),
        (&json!(0.0), &json!(1.0))
    );
    assert_eq!(
        (&first["success"], &first["total_p50_s"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        (&second["share"], &second["intended"]),
        (&json!(1.0), &json!(0.0))
    );
    assert_eq!(
        (&second["success"], &second["rank"]),
        (&json!(1.0), &json!(1))
    );
    assert!(second["success_low"].as_f64().unwrap() < 0.5);
    assert!(second["total_p95_s"].as_f64().unwrap() > 0.0);
    assert!((second["dollars"].as_f64().unwrap() - 0.003).abs() < 1e-9);
    assert_eq!(second["upstream"], "127.0.0.1");

    let moves = &view["moves"][0];
    assert_eq!(
        (&moves["from"], &moves["to"], &moves["count"]),
        (&json!("first"), &json!("second"), &json!(3))
    );
    let dollars = |name: &str| moves[name].as_f64().unwrap();
    assert!((dollars("dollars") - 0.003).abs() < 1e-9);
    assert!((dollars("dollars_instead") - 0.03).abs() < 1e-9);
}

#[tokio::test]
async fn decisions_that_left_the_requested_model_are_kept_in_words_and_explained() {
    let house = walled().await;
    let (_, decisions) = house.get("/decisions").await;
    let decisions = decisions.as_array().unwrap();
    assert_eq!(decisions.len(), 3, "{decisions:?}");
    let newest = &decisions[0];
    assert_eq!(
        (&newest["from"], &newest["to"]),
        (&json!("first"), &json!("second"))
    );
    assert_eq!(newest["kind"], "rate_limited");
    let text = newest["text"].as_str().unwrap();
    assert!(
        text.starts_with("first -> second: rate limited until "),
        "{text}"
    );
    assert!(text.ends_with(" UTC"), "{text}");
    assert!(newest["until"].as_f64() > newest["at"].as_f64());
    let oldest = &decisions[2];
    assert_eq!(
        (&oldest["attempt"], &oldest["kind"]),
        (&json!(2), &json!("rate_limited"))
    );

    let id = newest["id"].as_str().unwrap();
    let (status, told) = house.get(&format!("/decisions/{id}")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        told["decision"]["candidates"][0]["obstacle"]["kind"],
        "rate_limited"
    );
    assert_eq!(told["decision"]["chosen"], 1);
    assert!(told["text"].as_str().unwrap().contains("second is picked"));
    let (status, _) = house.get("/decisions/0000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// Reads events off the wire, head first.
async fn listen(house: &House) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(house.admin).await.unwrap();
    let request = "GET /live HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let text = read_until(&mut stream, "event: view\n").await;
    (stream, text)
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    let all = async {
        while !String::from_utf8_lossy(&read).contains(end) {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0, "it ended");
        }
    };
    timeout(Duration::from_secs(10), all).await.unwrap();
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn what_happens_is_streamed_as_events() {
    let house = walled().await;
    let (mut stream, head) = listen(&house).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/event-stream\r\n"));
    let order = ["event: hello\n", "event: history\n", "event: view\n"];
    let places = order.map(|event| head.find(event).unwrap());
    assert!(places.is_sorted(), "{head}");
    // The next of the views, and each decision as it happens.
    read_until(&mut stream, "event: view\ndata: {\"at\":").await;
    sleep(Duration::from_millis(10)).await;
    post(house.gateway, CHAT, prompt("first")).await;
    let told = read_until(&mut stream, "event: decision\n").await;
    let told = format!("{told}{}", read_until(&mut stream, "\n\n").await);
    assert!(!told.contains("canary"), "{told}");
    house
        .watch
        .loaded(Some("gateway.toml".into()), Some("line 3: what?".into()));
    let told = read_until(&mut stream, "line 3: what?").await;
    assert!(
        told.contains("event: reload\ndata: {\"file\":\"gateway.toml\""),
        "{told}"
    );
}

#[tokio::test]
async fn viewers_are_bounded_and_leave_their_place() {
    let house = walled().await;
    let mut viewers = Vec::new();
    for _ in 0..64 {
        viewers.push(listen(&house).await);
    }
    let (status, body) = house.get("/live").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["message"], "as many look on as may");
    viewers.truncate(63);
    let free = async {
        while house.get_live_status().await != StatusCode::OK {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(10), free).await.unwrap();
}

impl House {
    async fn get_live_status(&self) -> StatusCode {
        let request = Request::get(format!("http://{}/live", self.admin));
        let request = request.body(Full::new(Bytes::new())).unwrap();
        client().request(request).await.unwrap().status()
    }
}

#[tokio::test]
async fn f38_a_server_that_stops_ends_the_streams_of_its_viewers() {
    let watch = Watch::new();
    watch.follow(&OutcomeRouter::builder().model("m").build().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(Admin::new(watch).serve(listener, async {
        stopped.await.ok();
    }));
    let request = Request::get(format!("http://{address}/live"));
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let live = client().request(request).await.unwrap();
    stop.send(()).unwrap();
    let end = async {
        live.into_body().collect().await.unwrap();
        server.await.unwrap().unwrap();
    };
    timeout(Duration::from_secs(5), end).await.unwrap();
}

#[tokio::test]
async fn history_has_a_series_for_every_target() {
    let house = walled().await;
    let sampled = async {
        loop {
            let (_, history) = house.get("/history").await;
            if history["at"].as_array().unwrap().len() > 1 {
                return history;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let history = timeout(Duration::from_secs(10), sampled).await.unwrap();
    assert_eq!(history["step_s"], 2);
    let length = history["at"].as_array().unwrap().len();
    for target in ["first", "second"] {
        let series = history["series"]["chat"][target].as_object().unwrap();
        let names: Vec<_> = series.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "dollars_per_hour",
                "first_content_p50_s",
                "headroom",
                "intended",
                "per_second",
                "share",
                "state",
                "success"
            ]
        );
        assert!(
            series
                .values()
                .all(|it| it.as_array().unwrap().len() == length)
        );
    }
    let last = |target: &str, name: &str| {
        let series = history["series"]["chat"][target][name].as_array().unwrap();
        series.last().unwrap().clone()
    };
    assert_eq!(last("first", "state"), "walled");
    assert_eq!(
        (last("first", "share"), last("second", "share")),
        (json!(0.0), json!(1.0))
    );
    assert_eq!(last("first", "intended"), 1.0);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_become_of_a_request_and_picks_nobody() {
    let house = walled().await;
    let before = house.router.snapshot();
    let json = ("content-type", "application/json");
    let ask = |path: &'static str, body: String| {
        let house = &house;
        async move {
            let told = house.exchange(Method::POST, path, &[json], body).await;
            let text = String::from_utf8_lossy(told.body()).into_owned();
            assert!(!text.contains("canary"), "{text}");
            (told.status(), serde_json::from_str::<Value>(&text).unwrap())
        }
    };
    let (status, told) = ask("/explain?path=/v1/chat/completions", prompt("first")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&told["routed"], &told["dialect"]),
        (&json!(true), &json!("openai"))
    );
    assert_eq!(told["operation"], "/chat/completions");
    assert_eq!(told["decision"]["chosen"], 1);
    assert_eq!(told["decision"]["reason"]["of"], "first");
    assert!(told["text"].as_str().unwrap().contains("second is picked"));

    let (_, told) = ask("/explain?path=%2Fv1%2Fmessages", prompt("second")).await;
    assert_eq!(told["dialect"], "anthropic");
    for (path, body, why) in [
        ("/explain", prompt("gpt-canary"), "unknown_model"),
        ("/explain", format!("[\"{PROMPT}\"]"), "not_json"),
        ("/explain", "{}".to_owned(), "no_model"),
        ("/explain?path=/v1/files", prompt("first"), "not_inference"),
    ] {
        let (status, told) = ask(path, body).await;
        assert_eq!(
            (status, &told["passed"]),
            (StatusCode::OK, &json!(why)),
            "{told}"
        );
    }
    let (status, _) = ask("/explain?path=nowhere", prompt("first")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    let hint = [
        json,
        ("x-outcome-task", "synthesis"),
        ("content-encoding", "gzip"),
    ];
    let (_, told) = house
        .ask(Method::POST, "/explain", &hint, prompt("first"))
        .await;
    assert_eq!(told["passed"], "encoded");
    // Whoever runs the gateway is trusted with every hint.
    let hint = [json, ("x-outcome-pin", "first")];
    let (_, told) = house
        .ask(Method::POST, "/explain", &hint, prompt("first"))
        .await;
    assert_eq!(told["decision"]["chosen"], json!(null));
    assert!(
        told["decision"]["retry_in_s"].as_f64() > Some(20.0),
        "{told}"
    );
    let after = house.router.snapshot();
    assert_eq!(after.counts, before.counts);
    assert_eq!(after.decisions, before.decisions);
}

#[tokio::test]
async fn scores_are_taken_in_by_the_id_of_the_answer() {
    let house = walled().await;
    let answer = post(house.gateway, CHAT, prompt("second")).await;
    let id = text(answer.headers(), "x-outcome-id");
    let body = json!({ "id": id, "score": 0.9, "reason": PROMPT });
    assert_eq!(house.post("/feedback", body).await.0, StatusCode::OK);
    let body = json!({ "id": id, "success": true });
    assert_eq!(house.post("/feedback", body).await.0, StatusCode::OK);
    assert_eq!(house.router.snapshot().counts.reports, 2);
    // The provider's own id, too.
    let body = json!({ "id": "chatcmpl-1", "success": false });
    assert_eq!(house.post("/feedback", body).await.0, StatusCode::OK);
    let forged = format!("{}{}", &id[..16], "0".repeat(16));
    for (body, status) in [
        (json!({ "id": forged, "score": 1.0 }), 404),
        (json!({ "id": "x", "score": 1.0 }), 404),
        (json!({ "id": id, "score": 1.1 }), 400),
        (json!({ "id": id }), 400),
    ] {
        let (refused, told) = house.post("/feedback", body.clone()).await;
        assert_eq!(refused.as_u16(), status, "{body}: {told}");
        assert!(told["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn pools_are_switched_pinned_and_drained_by_hand_and_released() {
    let good = Raw::json(200, GOOD).await;
    let house = House::new([good.upstream(), good.upstream()]).await;
    let served = async || {
        let answer = post(house.gateway, CHAT, prompt("first")).await;
        text(answer.headers(), "x-outcome-target").to_owned()
    };
    let (status, pool) = house
        .post("/pools/chat/pin", json!({ "target": "second" }))
        .await;
    assert_eq!(
        (status, &pool["pinned"]),
        (StatusCode::OK, &json!("second"))
    );
    assert_eq!(served().await, "second");
    let (status, _) = house
        .post("/pools/chat/targets/second/drain", json!({}))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, pool) = house.ask(Method::DELETE, "/pools/chat/pin", &[], "").await;
    assert_eq!((status, &pool["pinned"]), (StatusCode::OK, &json!(null)));
    assert_eq!(served().await, "first");

    let (_, pool) = house
        .post("/pools/chat/targets/first/drain", json!({}))
        .await;
    assert_eq!(pool["drained"], json!(["first"]));
    assert_eq!(served().await, "second");
    let (status, _) = house
        .post("/pools/chat/pin", json!({ "target": "first" }))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, view) = house.get("/view").await;
    assert_eq!(view["pools"][0]["targets"][0]["why"], "drained by hand");
    let drain = "/pools/chat/targets/first/drain";
    let (_, pool) = house.ask(Method::DELETE, drain, &[], "").await;
    assert_eq!(pool["drained"], json!([]));

    let (_, pool) = house
        .post("/pools/chat/mode", json!({ "mode": "observe" }))
        .await;
    assert_eq!(pool["mode"], "observe");
    for (path, body, status) in [
        ("/pools/other/mode", json!({ "mode": "off" }), 404),
        ("/pools/chat/mode", json!({ "mode": "on" }), 400),
        ("/pools/chat/pin", json!({ "target": "other" }), 404),
        ("/pools/other/pin", json!({ "target": "first" }), 404),
        ("/pools/chat/targets/other/drain", json!({}), 404),
    ] {
        assert_eq!(house.post(path, body).await.0.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn f41_whoever_does_not_know_the_token_learns_and_does_nothing() {
    let good = Raw::json(200, GOOD).await;
    let house = House::with([good.upstream()], |admin| {
        let admin = admin.token(TOKEN).unwrap();
        admin
            .metrics(|_| "outcome_requests_total 1\n".to_owned())
            .replay(|| ())
    });
    let house = house.await;
    let json = ("content-type", "application/json");
    let paths = [
        (Method::GET, "/"),
        (Method::GET, "/state"),
        (Method::GET, "/view"),
        (Method::GET, "/history"),
        (Method::GET, "/live"),
        (Method::GET, "/decisions"),
        (Method::GET, "/decisions/0"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nothing"),
        (Method::POST, "/explain"),
        (Method::POST, "/feedback"),
        (Method::POST, "/pools/chat/mode"),
        (Method::POST, "/pools/chat/pin"),
        (Method::DELETE, "/pools/chat/pin"),
        (Method::POST, "/pools/chat/targets/first/drain"),
        (Method::POST, "/demo/replay"),
    ];
    let wrong = format!("Bearer {}", TOKEN.replace('5', "6"));
    for (method, path) in paths {
        for headers in [vec![json], vec![json, ("authorization", &wrong)]] {
            let refused = house.exchange(method.clone(), path, &headers, "{}").await;
            assert_eq!(
                refused.status(),
                StatusCode::UNAUTHORIZED,
                "{method} {path}"
            );
            let schemes: Vec<_> = refused
                .headers()
                .get_all("www-authenticate")
                .iter()
                .collect();
            assert_eq!(schemes.len(), 2);
            let told = String::from_utf8_lossy(refused.body());
            assert!(!told.contains("canary"), "{told}");
        }
    }
    let bearer = format!("Bearer {TOKEN}");
    // "anybody:admin-canary-5f1d0c"
    let basic = "Basic YW55Ym9keTphZG1pbi1jYW5hcnktNWYxZDBj";
    for right in [&*bearer, basic] {
        let known = [("authorization", right)];
        let (status, state) = house.ask(Method::GET, "/state", &known, "").await;
        assert_eq!(
            (status, &state["pools"][0]["name"]),
            (StatusCode::OK, &json!("chat"))
        );
        let metrics = house.exchange(Method::GET, "/metrics", &known, "").await;
        assert_eq!(metrics.body(), "outcome_requests_total 1\n");
        let replay = [("authorization", right), json];
        let (status, _) = house.ask(Method::POST, "/demo/replay", &replay, "").await;
        assert_eq!(status, StatusCode::OK);
    }
    let healthy = house.exchange(Method::GET, "/healthz", &[], "").await;
    assert_eq!(
        (healthy.status(), &healthy.body()[..]),
        (StatusCode::OK, &b"ok\n"[..])
    );
}

#[tokio::test]
async fn f41_pages_of_other_origins_change_nothing() {
    let good = Raw::json(200, GOOD).await;
    let house = House::new([good.upstream()]).await;
    let own = format!("http://{}", house.admin);
    let json = ("content-type", "application/json");
    let path = "/pools/chat/mode";
    let body = json!({ "mode": "off" }).to_string();
    for (headers, status) in [
        (vec![], 415),
        (vec![("content-type", "text/plain")], 415),
        (
            vec![("content-type", "application/x-www-form-urlencoded")],
            415,
        ),
        (vec![json, ("origin", "https://evil.example")], 403),
        (vec![json, ("origin", "null")], 403),
        // Another program of this machine.
        (vec![json, ("origin", "http://127.0.0.1:3000")], 403),
        (vec![json, ("sec-fetch-site", "cross-site")], 403),
        (vec![json, ("sec-fetch-site", "same-site")], 403),
        (vec![json, ("host", "evil.example")], 421),
    ] {
        let (refused, told) = house.ask(Method::POST, path, &headers, body.clone()).await;
        assert_eq!(refused.as_u16(), status, "{headers:?}: {told}");
    }
    let drain = "/pools/chat/targets/first/drain";
    let evil = [("origin", "http://127.0.0.1:3000")];
    let (refused, _) = house.ask(Method::DELETE, drain, &evil, "").await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
    let (status, _) = house.get("/view").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(house.router.mode("chat"), Some(tower_outcome::Mode::Route));

    for headers in [
        vec![json, ("origin", &*own), ("sec-fetch-site", "same-origin")],
        vec![("content-type", "application/json; charset=utf-8")],
    ] {
        let (status, told) = house.ask(Method::POST, path, &headers, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{headers:?}: {told}");
    }
    assert_eq!(house.router.mode("chat"), Some(tower_outcome::Mode::Off));
}

#[tokio::test]
async fn f41_every_answer_is_for_its_own_page_alone() {
    let house = walled().await;
    for path in ["/healthz", "/view", "/nothing", "/decisions/0"] {
        let answer = house.exchange(Method::GET, path, &[], "").await;
        let headers = answer.headers();
        let policy = text(headers, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'self';"),
            "{path}: {policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
        assert_eq!(text(headers, "x-content-type-options"), "nosniff");
        assert_eq!(text(headers, "cache-control"), "no-store");
        assert_eq!(text(headers, "referrer-policy"), "no-referrer");
        assert_eq!(headers.get("access-control-allow-origin"), None);
    }
    let (status, _) = house.ask(Method::PUT, "/view", &[], "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn f41_other_machines_are_served_with_a_token_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = Admin::new(Watch::new()).serve(listener, std::future::pending());
    let error = timeout(Duration::from_secs(5), refused)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.to_string().contains("needs a token"), "{error}");
}

#[tokio::test]
async fn f40_no_answer_holds_a_secret_or_a_prompt() {
    let house = walled().await;
    house
        .watch
        .set_story(Some(Story::new("14:02:10", "first answers 429")));
    for path in [
        "/state",
        "/view",
        "/history",
        "/decisions",
        "/nothing?prompt-canary",
    ] {
        let told = house.exchange(Method::GET, path, &[], "").await;
        let told = String::from_utf8_lossy(told.body());
        assert!(!told.contains("canary"), "{path}: {told}");
    }
    let (_, view) = house.get("/view").await;
    let story = json!({ "clock": "14:02:10", "phase": "first answers 429", "running": true });
    assert_eq!(view["demo"], story);
    assert!(!format!("{:?}", Admin::new(house.watch).token(TOKEN).unwrap()).contains("canary"));
}

#[tokio::test]
async fn names_that_are_markup_or_break_lines_stay_data() {
    let name = "<img src=x onerror=alert(1)>\"'\u{2028}data: forged";
    let good = Raw::json(200, GOOD).await;
    let watch = Watch::new();
    let pool = Pool::new(name).target(Target::new(name).upstream(good.upstream()));
    let router = OutcomeRouter::builder()
        .pool(pool)
        .observer(watch.observer());
    let router = router.build().unwrap();
    watch.follow(&router);
    watch.loaded(Some("a\r\n\r\nevent: forged".into()), None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = listener.local_addr().unwrap();
    let served = Admin::new(watch.clone()).serve(listener, std::future::pending());
    tokio::spawn(served);
    let house = House {
        gateway: admin,
        admin,
        router,
        watch,
    };
    let view = house.exchange(Method::GET, "/view", &[], "").await;
    assert_eq!(text(view.headers(), "content-type"), "application/json");
    let view: Value = serde_json::from_slice(view.body()).unwrap();
    assert_eq!(view["pools"][0]["targets"][0]["name"], name);
    let (_, head) = listen(&house).await;
    let (_, events) = head.split_once("\r\n\r\n").unwrap();
    let lines = events.lines().filter(|line| line.starts_with("event: "));
    assert!(
        !lines.clone().any(|line| line.contains("forged")),
        "{events}"
    );

    let path = "/pools/%3Cimg%20src=x%20onerror=alert(1)%3E%22'%E2%80%A8data:%20forged/mode";
    let (status, pool) = house.post(path, json!({ "mode": "off" })).await;
    assert_eq!((status, &pool["pool"]), (StatusCode::OK, &json!(name)));
}

#[tokio::test]
async fn it_can_be_mounted_below_a_path_of_another_application() {
    let watch = Watch::new();
    watch.follow(&OutcomeRouter::builder().model("m").build().unwrap());
    let app = axum::Router::new().nest("/admin", Admin::new(watch).into_router());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(tower_outcome::gateway::serve(
        listener,
        app,
        std::future::pending(),
    ));
    let request = Request::get(format!("http://{address}/admin/view"));
    let view = send(request.body(Full::new(Bytes::new())).unwrap()).await;
    let view: Value = serde_json::from_slice(view.body()).unwrap();
    assert_eq!(view["pools"][0]["targets"][0]["name"], "m");
    assert_eq!(view["config"]["error"], json!(null));
    // Before anybody is followed there is nothing to show.
    let app = Admin::new(Watch::new()).into_router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(tower_outcome::gateway::serve(
        listener,
        app,
        std::future::pending(),
    ));
    let request = Request::get(format!("http://{address}/view"));
    let view = send(request.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(view.status(), StatusCode::SERVICE_UNAVAILABLE);
}
