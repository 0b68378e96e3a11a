use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;
use tower_outcome::{Credential, Upstream, config::Config, gateway::Gateway};

use crate::support::*;

const OK: &str = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
const INBOUND: [&str; 8] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "proxy-authorization",
    "openai-organization",
    "openai-project",
];
const QUERY: &str = "?key=canary&api-key=canary&access_token=canary&keep=1";

#[tokio::test]
async fn f39_only_the_targets_own_credential_reaches_an_upstream() {
    let own = Credential::header("x-own", "own-secret").unwrap();
    for (path, credential, carried) in [
        (CHAT, None, None),
        (MESSAGES, None, None),
        (
            CHAT,
            Some(credential("own-secret")),
            Some("authorization: Bearer own-secret"),
        ),
        (
            MESSAGES,
            Some(credential("own-secret")),
            Some("x-api-key: own-secret"),
        ),
        (CHAT, Some(own.clone()), Some("x-own: own-secret")),
        (
            "/v1/files",
            Some(credential("own-secret")),
            Some("authorization: Bearer own-secret"),
        ),
        ("/v1/files", Some(own), Some("x-own: own-secret")),
        ("/v1/files", None, None),
    ] {
        let provider = Raw::json(200, OK).await;
        let mut upstream = provider.upstream();
        if let Some(credential) = credential {
            upstream = upstream.credential(credential);
        }
        let gateway = Gateway::builder(pool([upstream.clone()])).default_upstream(upstream);
        let address = start(gateway.build().unwrap()).await;
        for header in INBOUND {
            let request = Request::post(format!("http://{address}{path}{QUERY}"))
                .header("content-type", "application/json")
                .header(header, "canary")
                .body(Full::new(Bytes::from(ask("first"))));
            let response = send(request.unwrap()).await;
            assert_eq!(response.status(), StatusCode::OK, "{path} {header}");
            let seen = provider.seen().pop().unwrap();
            assert!(!seen.contains("canary"), "{path} {header}: {seen}");
            assert!(seen.contains("keep=1"), "{seen}");
            let secrets: Vec<_> = seen
                .lines()
                .filter(|line| line.contains("own-secret"))
                .collect();
            // Where neither path nor upstream says which SDK it is, the caller's header does.
            let carried = match (path, carried) {
                ("/v1/files", Some("authorization: Bearer own-secret"))
                    if header == "x-goog-api-key" =>
                {
                    Some("x-goog-api-key: own-secret")
                }
                _ => carried,
            };
            assert_eq!(
                secrets,
                carried.into_iter().collect::<Vec<_>>(),
                "{path} {header}"
            );
        }
    }
}

#[tokio::test]
async fn f39_a_failover_takes_no_credential_along() {
    let broken = Raw::json(500, "{}").await;
    let fine = Raw::json(200, OK).await;
    let (first, second) = (credential("canary-one"), credential("canary-two"));
    let router = pool([
        broken.upstream().credential(first),
        fine.upstream().credential(second),
    ]);
    let address = start(Gateway::builder(router).build().unwrap()).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(text(response.headers(), "x-outcome-model"), "second");
    assert!(broken.seen()[0].contains("Bearer canary-one"));
    let seen = &fine.seen()[0];
    assert!(
        seen.contains("Bearer canary-two") && !seen.contains("canary-one"),
        "{seen}"
    );
}

#[tokio::test]
async fn f39_a_signature_of_the_callers_gives_way_to_the_own_key() {
    const CONVERSED: &str = "{\"output\":{\"message\":{\"content\":[{\"text\":\"Hi\"}]}}}";
    let provider = Raw::json(200, CONVERSED).await;
    let source = format!(
        "[[upstream]]\nname = \"a\"\nbase_url = \"http://{}\"\ndialect = \"bedrock\"\n\
         api_key_env = \"A_KEY\"\n[[pool]]\nname = \"chat\"\n\
         targets = [{{ model = \"us.first:0\", upstream = \"a\" }}]\n",
        provider.address
    );
    let config = Config::parse("test.toml", &source, |_| Some("own-secret".to_owned())).unwrap();
    let address = start(Gateway::from_config(config).unwrap()).await;
    let request = Request::post(format!("http://{address}/model/chat/converse"))
        .header("content-type", "application/json")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=canary")
        .header("x-amz-content-sha256", "canary")
        .header("x-amz-date", "20260101T000000Z")
        .header("x-amz-security-token", "canary")
        .body(Full::new(Bytes::from("{\"messages\":[]}")));
    let response = send(request.unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.headers(), "x-outcome-model"), "us.first:0");
    let seen = &provider.seen()[0];
    assert!(
        seen.starts_with("POST /model/us.first%3A0/converse "),
        "{seen}"
    );
    assert!(seen.contains("authorization: Bearer own-secret"), "{seen}");
    assert!(
        !seen.contains("canary") && !seen.contains("x-amz-"),
        "{seen}"
    );
}

#[tokio::test]
async fn f22_a_caller_does_not_choose_the_upstream() {
    let provider = Raw::json(200, OK).await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = elsewhere.local_addr().unwrap();
    let (address, _) = gateway(&[&provider]).await;
    let body = ask("first");
    let rest = format!(
        "content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for head in [
        format!("POST {CHAT} HTTP/1.1\r\nhost: {other}\r\n"),
        format!("POST http://{other}{CHAT} HTTP/1.1\r\nhost: {other}\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-host: {other}\r\n"),
        format!("POST //{other}{CHAT} HTTP/1.1\r\nhost: localhost\r\n"),
        format!("POST /@{other}{CHAT} HTTP/1.1\r\nhost: localhost\r\n"),
        format!("CONNECT {other} HTTP/1.1\r\nhost: {other}\r\n"),
    ] {
        raw(address, format!("{head}{rest}")).await;
    }
    assert!(provider.seen().len() >= 3);
    let accepted = tokio::time::timeout(std::time::Duration::from_millis(100), elsewhere.accept());
    assert!(accepted.await.is_err(), "somebody called");
}

#[tokio::test]
async fn f22_redirects_are_not_followed_and_cookies_not_handed_on() {
    let elsewhere = Raw::json(200, OK).await;
    let headers = format!(
        "location: http://{}/\r\nset-cookie: a=canary\r\nalt-svc: h3=\":443\"\r\n",
        elsewhere.address
    );
    let redirect = answer(307, &headers, "text/plain", "");
    let provider = Raw::start(vec![Step::Send(redirect)]).await;
    let (address, _) = gateway(&[&provider]).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert!(elsewhere.seen().is_empty());
    assert!(!response.headers().contains_key("set-cookie"));
    assert!(!response.headers().contains_key("alt-svc"));
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn f40_no_secret_and_no_prompt_is_shown() {
    let captured = Captured::default();
    let writer = captured.clone();
    // Where there is one subscriber only, whether a place in the code is of interest is asked of the
    // thread that comes there first, which may be that of another test.
    let _other = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let broken = Raw::json(500, "{\"error\":{\"message\":\"no\"}}").await;
    let source = format!(
        "[[upstream]]\nname = \"a\"\nbase_url = \"http://{}/v1\"\napi_key_env = \"A_KEY\"\n\
         [[upstream]]\nname = \"b\"\nbase_url = \"http://127.0.0.1:1\"\napi_key_env = \"A_KEY\"\n\
         [[pool]]\nname = \"chat\"\ntargets = [{{ model = \"first\", upstream = \"a\" }}, \
         {{ model = \"second\", upstream = \"b\" }}]\n",
        broken.address
    );
    let config = Config::parse("test.toml", &source, |_| Some("canary-key".to_owned())).unwrap();
    let mut shown = format!("{config:?}");
    let gateway = Gateway::from_config(config).unwrap();
    shown += &format!("{gateway:?} {:?}", Upstream::new("http://a").unwrap());
    let address = start(gateway).await;
    let body = "{\"model\":\"first\",\"messages\":[{\"role\":\"user\",\"content\":\"canary\"}]}";
    for path in [CHAT, MESSAGES] {
        for body in [
            body,
            "{\"model\":\"x\",\"messages\":\"canary\"}",
            "{\"canary\"",
        ] {
            let request = Request::post(format!("http://{address}{path}?key=canary"))
                .header("content-type", "application/json")
                .header("authorization", "Bearer canary");
            let response = send(request.body(Full::new(body.into())).unwrap()).await;
            shown += &format!("{response:?}");
        }
    }
    assert!(broken.seen()[0].contains("canary-key"));
    let logged = captured.0.lock().unwrap().clone();
    let logged = String::from_utf8_lossy(&logged);
    assert!(logged.contains("tower_outcome"), "nothing was logged");
    // The clients' own traces of what they write are not ours, and below any level in use.
    let ours = logged.lines().filter(|line| line.contains("tower_outcome"));
    shown.extend(ours);
    assert!(!shown.contains("canary"), "{shown}");
}
