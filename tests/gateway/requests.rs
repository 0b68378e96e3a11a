use std::{io::Write, sync::LazyLock};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use tower::ServiceExt;
use tower_outcome::gateway::Gateway;

use crate::support::*;

const OK: &str = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn request(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).unwrap()
}

#[tokio::test]
async fn f15_bodies_that_name_no_model_are_refused() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let deep = format!(
        "{{\"model\":\"first\",\"a\":{}{}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    for path in [CHAT, MESSAGES] {
        for (body, expected) in [
            ("", "The body is empty"),
            ("{", "JSON object: it is cut short, after 1 bytes"),
            ("[]", "JSON object: it is none at byte 0"),
            ("{\"model\":\"first\",\"top_p\":NaN}", "none at byte 25"),
            ("\"first\"", "JSON object"),
            ("{\"model\":\"first\"} x", "JSON object"),
            ("{}", "names no model"),
            ("{\"model\":7}", "names no model"),
            (&deep, "128 levels"),
        ] {
            let response = post(address, path, body.to_owned()).await;
            let (status, message) = error(path, &response);
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            assert!(message.contains(expected), "{body}: {message}");
        }
        let unknown = post(address, path, ask("gpt-99")).await;
        let (status, message) = error(path, &unknown);
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(message.contains("gpt-99"), "{message}");
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn f15_a_doubled_model_is_rewritten_everywhere() {
    let broken = Raw::json(500, "{}").await;
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&broken, &provider]).await;
    let body = "{\"model\":\"other\",\"messages\":[],\"model\":\"first\"}";
    assert_eq!(post(address, CHAT, body).await.status(), StatusCode::OK);
    let expected = "{\"model\":\"second\",\"messages\":[],\"model\":\"second\"}";
    assert!(
        provider.seen()[0].ends_with(expected),
        "{:?}",
        provider.seen()
    );
}

#[tokio::test]
async fn f16_compressed_requests_are_decoded_within_bounds() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let path = format!("http://{address}{CHAT}");
    let json = ("content-type", "application/json");
    let long = format!(
        "{{\"model\":\"first\",\"pad\":\"{}\"}}",
        "ab".repeat(20_000)
    );
    for body in [ask("first"), long] {
        let gzip = gzip(body.as_bytes());
        let response = send(request(&path, &[json, ("content-encoding", "gzip")], gzip)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let seen = provider.seen().pop().unwrap();
        assert!(seen.ends_with(&body));
        assert!(!seen.contains("content-encoding"));
    }
    let zeros = gzip(&vec![b' '; 64 << 20]);
    for (coding, body, status) in [
        ("gzip", zeros, StatusCode::PAYLOAD_TOO_LARGE),
        ("gzip", b"{}".to_vec(), StatusCode::BAD_REQUEST),
        (
            "compress",
            b"{}".to_vec(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "gzip, gzip",
            b"{}".to_vec(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
    ] {
        let before = resident();
        let response = send(request(&path, &[json, ("content-encoding", coding)], body)).await;
        assert_eq!(error(CHAT, &response).0, status, "{coding}");
        assert!(resident() < before + (40 << 20), "{coding}");
    }
}

#[tokio::test]
async fn f17_bodies_over_the_limit_are_refused() {
    let provider = Raw::json(200, OK).await;
    let pool = tower_outcome::Pool::new("chat")
        .target(tower_outcome::Target::new("first").upstream(provider.upstream()));
    let router = tower_outcome::OutcomeRouter::builder()
        .pool(pool)
        .max_body_bytes(10_000);
    let gateway = Gateway::builder(router.build().unwrap()).build().unwrap();
    let address = start(gateway.clone()).await;
    // Announced: refused before it is sent.
    let announced = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: 1000000000\r\n\r\n"
    );
    let answer = tokio::time::timeout(
        std::time::Duration::from_secs(5),
        raw_head(address, announced.as_bytes()),
    );
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 413"));
    // Not announced: refused on the way, and no more of it is taken than the limit.
    let before = resident();
    let chunk = Bytes::from(vec![b' '; 10_000]);
    let endless = futures_util::stream::repeat_with(move || {
        Ok::<_, std::convert::Infallible>(http_body::Frame::data(chunk.clone()))
    });
    let request = Request::post(CHAT)
        .header("content-type", "application/json")
        .body(axum::body::Body::new(StreamBody::new(endless)));
    let response = gateway.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(resident() < before + (8 << 20));
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn f17_all_bodies_together_are_bounded() {
    let hung = Raw::start(vec![Step::Pause(20_000)]).await;
    let gateway = Gateway::builder(pool([hung.upstream()]))
        .max_buffered_bytes(100_000)
        .build()
        .unwrap();
    let request = |path: &str, len: usize| {
        let pad = "x".repeat(len);
        Request::post(path)
            .header("content-type", "application/json")
            .body(format!("{{\"model\":\"first\",\"pad\":\"{pad}\"}}").into())
            .unwrap()
    };
    let held = tokio::spawn(gateway.clone().oneshot(request(CHAT, 60_000)));
    let under_way = async {
        while hung.seen().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let patience = std::time::Duration::from_secs(5);
    tokio::time::timeout(patience, under_way).await.unwrap();
    for path in [CHAT, MESSAGES] {
        let refused = gateway
            .clone()
            .oneshot(request(path, 60_000))
            .await
            .unwrap();
        let (parts, body) = refused.into_parts();
        assert_eq!(text(&parts.headers, "retry-after"), "1");
        let body = body.collect().await.unwrap().to_bytes();
        let (status, _) = error(path, &http::Response::from_parts(parts, body));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    // A caller that leaves gives back what it held.
    held.abort();
    assert!(held.await.is_err());
    let again = tokio::spawn(gateway.oneshot(request(CHAT, 60_000)));
    let under_way = async {
        while hung.seen().len() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience, under_way).await.unwrap();
    again.abort();
}

#[tokio::test]
async fn f18_a_chunked_upload_goes_on_with_its_length() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let body = ask("first");
    let (head, tail) = body.split_at(5);
    let answer = raw(
        address,
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             connection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n\
             {:x}\r\n{head}\r\n{:x};ext=1\r\n{tail}\r\n0\r\nx-t: 1\r\n\r\n",
            head.len(),
            tail.len()
        ),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = &provider.seen()[0];
    assert!(
        seen.contains(&format!("content-length: {}\r\n", body.len())),
        "{seen}"
    );
    assert!(
        !seen.contains("transfer-encoding") && seen.ends_with(&body),
        "{seen}"
    );
}

#[tokio::test]
async fn a_body_that_is_no_json_by_its_type_is_refused() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let path = format!("http://{address}{CHAT}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let response = send(request(&path, &[form], ask("first").into())).await;
    assert_eq!(error(CHAT, &response).0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn f21_requests_that_can_be_read_in_two_ways_are_refused() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let body = ask("first");
    let length = format!("content-length: {}\r\n", body.len());
    let heads = [
        format!("POST {CHAT} HTTP/1.1\r\n{length}"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n{length}"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nhost: b\r\n{length}"),
        format!("POST http://127.0.0.1{CHAT} HTTP/1.1\r\nhost: localhost\r\n{length}"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n{length}content-length: 1\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: +5\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n"),
        format!("POST {CHAT} HTTP/1.1\r\nhost : a\r\n{length}"),
        format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n{length}"),
    ];
    for head in heads {
        let request =
            format!("{head}content-type: application/json\r\nconnection: close\r\n\r\n{body}");
        let answer = raw(address, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
    }
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn f21_nothing_is_smuggled_behind_a_second_length() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let body = ask("first");
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let smuggled = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let length = format!("content-length: {}\r\n", chunked.len() + smuggled.len());
    let encoding = "transfer-encoding: chunked\r\n";
    for lengths in [format!("{length}{encoding}"), format!("{encoding}{length}")] {
        let request = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{lengths}\r\n\
             {chunked}{smuggled}"
        );
        // Read to the end: the connection is closed after the one answer.
        let answer = raw(address, request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let seen = provider.seen().pop().unwrap();
        assert!(
            seen.contains(&format!("content-length: {}\r\n", body.len())),
            "{seen}"
        );
        assert!(
            !seen.contains("transfer-encoding") && seen.ends_with(&body),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn f21_headers_that_are_no_text_are_harmless() {
    let provider = Raw::json(200, OK).await;
    let (address, _) = gateway(&[&provider]).await;
    let body = ask("first");
    let mut request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\nconnection: \u{e9}, x-hop\r\nx-hop: 1\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(b"x-odd: \xff\xfe\r\n\r\n");
    request.extend(body.as_bytes());
    let answer = raw(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!provider.seen()[0].contains("x-hop"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn f20_any_model_name_gets_a_sound_answer(
        name in prop_oneof![
            any::<String>(),
            "[a-z\"\\\\\r\n\0\u{7f}/.%é\u{2028}]{0,40}",
            "(\\.\\./){1,20}",
            "[a-z\"]{4096}",
        ],
    ) {
        static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| {
            let router = tower_outcome::OutcomeRouter::builder().model("first").build().unwrap();
            let nobody = tower_outcome::Upstream::new("http://127.0.0.1:1").unwrap();
            Gateway::builder(router).default_upstream(nobody).build().unwrap()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for path in [CHAT, MESSAGES] {
                let request = Request::post(path)
                    .header("content-type", "application/json")
                    .body(ask(&name).into())
                    .unwrap();
                let (parts, body) =
                    GATEWAY.clone().oneshot(request).await.unwrap().into_parts();
                if name.is_empty() {
                    assert_eq!(parts.status, StatusCode::BAD_REQUEST);
                    continue;
                }
                assert_eq!(parts.status, StatusCode::NOT_FOUND);
                let body = body.collect().await.unwrap().to_bytes();
                assert!(body.len() < 2_000);
                let (_, message) = error(path, &http::Response::from_parts(parts, body));
                assert!(message.contains(&name.chars().take(100).collect::<String>()));
            }
        });
    }
}

#[tokio::test]
async fn f20_odd_names_that_are_served_stay_within_their_quotes() {
    let provider = Raw::json(200, OK).await;
    let name = "mod\"\u{e8}le\\ 100 %";
    let pool = tower_outcome::Pool::new("chat")
        .target(tower_outcome::Target::new(name).upstream(provider.upstream()));
    let router = tower_outcome::OutcomeRouter::builder()
        .pool(pool)
        .build()
        .unwrap();
    let address = start(Gateway::builder(router).build().unwrap()).await;
    let response = post(address, CHAT, ask("chat")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let told = text(response.headers(), "x-outcome-model");
    assert_eq!(told, "mod\"%C3%A8le\\ 100 %25");
    let seen = provider.seen();
    let body = seen[0].split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["model"], name);
}

/// Sends a head, and reads the first bytes that come back.
async fn raw_head(address: std::net::SocketAddr, head: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = vec![0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// The memory of this process, where the system tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * 4096
}
