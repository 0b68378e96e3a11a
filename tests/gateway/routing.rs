use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower_outcome::{
    Class, Pool, Target, Upstream,
    config::Timeouts,
    gateway::{
        Gateway,
        scripted::{Script, Scripted},
    },
};

use crate::support::*;

const DELTA: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const STOP: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"boom\",\"code\":500}}\n\n";

#[tokio::test]
async fn an_answer_arrives_byte_for_byte_and_tells_who_served() {
    let body = "{ \"id\":\"1\",\"choices\": [{\"message\":{\"content\":\"\\u00e9\"},\
                \"finish_reason\":\"stop\"}] }\n";
    let provider = Raw::json(200, body).await;
    let (address, router) = gateway(&[&provider]).await;

    let response = post(address, CHAT, ask("nickname")).await;

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), body);
    for (name, value) in [
        ("x-outcome-model", "first"),
        ("x-outcome-requested-model", "nickname"),
        ("x-outcome-target", "first"),
        ("x-outcome-reason", "preferred"),
        ("x-outcome-attempts", "1"),
    ] {
        assert_eq!(text(response.headers(), name), value, "{name}");
    }
    let id = text(response.headers(), "x-outcome-id").parse().unwrap();
    router.report(id, tower_outcome::Score::BEST).unwrap();
    let seen = provider.seen();
    assert!(seen[0].starts_with("POST /v1/chat/completions HTTP/1.1\r\n"));
    assert!(seen[0].ends_with(&ask("first")), "{}", seen[0]);
    assert!(seen[0].contains(&format!("host: {}\r\n", provider.address)));
}

#[tokio::test]
async fn hints_come_in_headers_and_go_no_further() {
    let limited = answer(429, "retry-after: 30\r\n", "application/json", "{}");
    let walled = Raw::start(vec![Step::Send(limited)]).await;
    let forged = answer(
        200,
        "x-outcome-explanation: forged\r\n",
        "application/json",
        "{}",
    );
    let fine = Raw::start(vec![Step::Send(forged)]).await;
    let (address, _) = gateway(&[&walled, &fine]).await;
    let hinted = |explain: &str| {
        let request = Request::post(format!("http://{address}{CHAT}"))
            .header("content-type", "application/json")
            .header("x-outcome-task", "greeting")
            .header("x-outcome-tenant", "acme")
            .header("x-outcome-session", "s1")
            .header("x-outcome-risk", "1")
            .header("x-outcome-explain", explain);
        send(request.body(Full::new(ask("first").into())).unwrap())
    };
    hinted("0").await;

    let response = hinted("1").await;

    let told = text(response.headers(), "x-outcome-explanation");
    let expected = "chat, adaptive: second is picked (first: rate limited for ";
    assert!(told.starts_with(expected), "{told}");
    assert!(told.contains(" | second: picked; score "), "{told}");
    let response = hinted("0").await;
    assert!(!response.headers().contains_key("x-outcome-explanation"));
    for seen in walled.seen().iter().chain(&fine.seen()) {
        assert!(!seen.contains("x-outcome"), "{seen}");
    }
}

#[tokio::test]
async fn a_refusal_is_explained_too() {
    let limited = answer(429, "retry-after: 30\r\n", "application/json", "{}");
    let walled = Raw::start(vec![Step::Send(limited)]).await;
    let upstream = walled.upstream().dialect(&tower_outcome::dialect::OpenAi);
    let address = start(Gateway::builder(pool([upstream])).build().unwrap()).await;
    post(address, CHAT, ask("first")).await;
    for (path, status, expected) in [
        (
            CHAT,
            429,
            "chat, adaptive: nobody is free, the first in about ",
        ),
        (
            MESSAGES,
            400,
            "chat, adaptive: nobody may serve | first: does not speak",
        ),
    ] {
        let request = Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/json")
            .header("x-outcome-explain", "true");
        let response = send(request.body(Full::new(ask("first").into())).unwrap()).await;
        assert_eq!(response.status(), status);
        let told = text(response.headers(), "x-outcome-explanation");
        assert!(told.starts_with(expected), "{told}");
    }
    assert_eq!(walled.seen().len(), 1);
}

#[tokio::test]
async fn f21_an_answer_with_two_lengths_arrives_whole() {
    let body = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\
         transfer-encoding: chunked\r\naccess-control-allow-origin: *\r\n\
         connection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let provider = Raw::start(vec![Step::Send(chunked.into())]).await;
    let (address, _) = gateway(&[&provider]).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(response.body(), body);
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_unseen_becomes_an_error_and_no_silence() {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n";
    for (content_type, body) in [
        ("application/json", "{\"choices\":[{\"mess"),
        ("text/event-stream", event),
    ] {
        let short = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 5000\r\n\r\n{body}"
        );
        let provider = Raw::start(vec![Step::Send(short.into())]).await;
        let (address, router) = gateway(&[&provider]).await;
        let response = post(address, CHAT, ask("first")).await;
        let (status, message) = error(CHAT, &response);
        assert_eq!(status, StatusCode::BAD_GATEWAY);
        assert!(message.contains("broke off"), "{message}");
        assert_eq!(response.headers()["x-outcome-model"], "first");
        let target = &router.snapshot().pools[0].targets[0];
        assert_eq!(target.outcomes["truncated"], target.picks);
    }
}

#[tokio::test]
async fn a_failure_that_breaks_off_keeps_its_status() {
    let short = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n\
                 retry-after: 3600\r\ncontent-length: 5000\r\n\r\n{\"error\":{\"mess";
    let provider = Raw::start(vec![Step::Send(short.into())]).await;
    let (address, router) = gateway(&[&provider]).await;
    let response = post(address, CHAT, ask("first")).await;
    let (status, message) = error(CHAT, &response);
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(message.contains("broke off"), "{message}");
    assert_eq!(response.headers()["retry-after"], "3600");
    assert_eq!(response.headers()["x-outcome-model"], "first");
    let target = &router.snapshot().pools[0].targets[0];
    assert_eq!(target.outcomes["rate_limited"], target.picks);
}

#[tokio::test]
async fn f08_what_came_before_a_break_arrives() {
    // In one piece, so that the break is known as soon as the events are.
    let chunk = |event: &str| format!("{:x}\r\n{event}\r\n", event.len());
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
         {}{}{}",
        chunk(DELTA),
        chunk(DELTA),
        "no length\r\n",
    );
    let provider = Raw::start(vec![Step::Send(cut.into())]).await;
    let (address, router) = gateway(&[&provider]).await;
    let body = ask("first");
    let request = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches(DELTA).count(), 2, "{answer}");
    assert!(!answer.contains("\r\n0\r\n"), "{answer}");
    let target = &router.snapshot().pools[0].targets[0];
    assert_eq!(target.outcomes["truncated"], 1);
}

#[tokio::test]
async fn an_upstream_that_switches_protocols_unasked_has_failed() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                  upgrade: websocket\r\n\r\n";
    let odd = Raw::start(vec![Step::Send(switch.into())]).await;
    let good = "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}";
    let provider = Raw::json(200, good).await;
    let (address, router) = gateway(&[&odd, &provider]).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-outcome-model"], "second");
    let target = &router.snapshot().pools[0].targets[0];
    assert_eq!(target.outcomes["server_error"], 1);
}

#[tokio::test]
async fn a_stream_arrives_byte_for_byte() {
    let events = [": hello\n\n", DELTA, DELTA, "\n", STOP, DONE];
    let provider = Raw::events(&events).await;
    let (address, router) = gateway(&[&provider]).await;

    let response = post(address, CHAT, ask("first")).await;

    assert_eq!(
        text(response.headers(), "content-type"),
        "text/event-stream"
    );
    assert_eq!(response.body(), &events.concat());
    let first = &router.snapshot().pools[0].targets[0];
    assert_eq!((first.outcomes_of(Class::Success), first.in_flight), (1, 0));
}

#[tokio::test]
async fn a_provider_at_its_wall_is_asked_again_only_when_it_said() {
    let wait = Duration::from_secs(1);
    let walled = Scripted::start(Script::new().wall(wait)).await.unwrap();
    let fine = Scripted::start(Script::new()).await.unwrap();
    let upstreams = [&walled, &fine].map(|it| Upstream::new(&it.base_url()).unwrap());
    let address = start(Gateway::builder(pool(upstreams)).build().unwrap()).await;

    let start = Instant::now();
    while walled.calls().len() < 3 {
        assert!(start.elapsed() < PATIENCE, "it is not asked again");
        let response = post(address, CHAT, ask("first")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response.headers(), "x-outcome-model"), "second");
        assert!(text(response.headers(), "x-outcome-reason").starts_with("first: rate limited"));
        assert!(!response.headers().contains_key("retry-after"));
        sleep(Duration::from_millis(50)).await;
    }

    // The first, and then one probe at a time.
    let calls = walled.calls();
    let mut pairs = calls.windows(2);
    assert!(pairs.all(|pair| pair[1].at - pair[0].at >= wait));
    assert!(!fine.calls().is_empty());
}

#[tokio::test]
async fn an_error_before_the_content_of_a_stream_fails_over() {
    let broken = Raw::events(&[": hi\n\n", ERROR, DONE]).await;
    let events = [DELTA, STOP, DONE];
    let fine = Raw::events(&events).await;
    let (address, router) = gateway(&[&broken, &fine]).await;

    let response = post(address, CHAT, ask("first")).await;

    assert_eq!(response.body(), &events.concat());
    assert_eq!(text(response.headers(), "x-outcome-model"), "second");
    assert_eq!(text(response.headers(), "x-outcome-attempts"), "2");
    let first = &router.snapshot().pools[0].targets[0];
    assert_eq!(first.outcomes_of(Class::ServerError), 1, "{first:?}");
}

#[tokio::test]
async fn an_error_after_the_first_content_arrives_and_counts() {
    let events = [DELTA, ERROR, DONE];
    let broken = Raw::events(&events).await;
    let fine = Raw::events(&[DELTA, STOP, DONE]).await;
    let (address, router) = gateway(&[&broken, &fine]).await;

    let response = post(address, CHAT, ask("first")).await;

    assert_eq!(response.body(), &events.concat());
    assert!(fine.seen().is_empty());
    let first = &router.snapshot().pools[0].targets[0];
    assert_eq!(first.outcomes_of(Class::ServerError), 1, "{first:?}");
    assert!(first.health < 0.9);
}

#[tokio::test]
async fn total_failure_is_told_in_the_callers_dialect_and_without_detail() {
    let nobody = Upstream::new("http://127.0.0.1:1/canary").unwrap();
    let hung = Raw::start(vec![Step::Pause(5_000)]).await;
    let timeouts = Timeouts {
        attempt: Duration::from_millis(100),
        ..Timeouts::default()
    };
    for (upstream, timeouts, status) in [
        (nobody, Timeouts::default(), StatusCode::BAD_GATEWAY),
        (hung.upstream(), timeouts, StatusCode::GATEWAY_TIMEOUT),
    ] {
        let pool = Pool::new("chat").target(Target::new("first").upstream(upstream));
        let router = tower_outcome::OutcomeRouter::builder()
            .pool(pool)
            .build()
            .unwrap();
        let builder = Gateway::builder(router)
            .deadline(Duration::from_millis(10))
            .target_timeouts("chat", "first", timeouts);
        let address = start(builder.build().unwrap()).await;
        for path in [CHAT, MESSAGES] {
            let response = post(address, path, ask("first")).await;
            let (told, message) = error(path, &response);
            assert_eq!(told, status);
            assert!(!message.contains("127.0.0.1") && !message.contains("canary"));
            assert_eq!(text(response.headers(), "x-outcome-model"), "first");
            assert_eq!(text(response.headers(), "x-should-retry"), "false");
        }
    }
}

#[tokio::test]
async fn a_format_that_no_target_takes_is_named() {
    let provider = Raw::json(200, "{}").await;
    let upstream = provider.upstream().dialect(&tower_outcome::dialect::OpenAi);
    let address = start(Gateway::builder(pool([upstream])).build().unwrap()).await;
    let response = post(address, MESSAGES, ask("first")).await;
    let (status, message) = error(MESSAGES, &response);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        message.contains("pool \"chat\"") && message.contains("anthropic format"),
        "{message}"
    );
    assert_eq!(text(response.headers(), "x-should-retry"), "false");
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn f05_a_hung_provider_is_left_for_another() {
    let hung = Raw::start(vec![Step::Pause(20_000)]).await;
    let fine = Raw::json(200, "{}").await;
    let timeouts = Timeouts {
        attempt: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let router = pool([hung.upstream(), fine.upstream()]);
    let builder = Gateway::builder(router).target_timeouts("chat", "first", timeouts);
    let address = start(builder.build().unwrap()).await;
    let response = post(address, CHAT, ask("first")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response.headers(), "x-outcome-model"), "second");
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_cut() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let send = |text: &str| Step::Send(text.into());
    let silent = Raw::start(vec![send(head), send(DELTA), Step::Pause(20_000)]).await;
    let timeouts = Timeouts {
        idle: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let router = pool([silent.upstream()]);
    let builder = Gateway::builder(router.clone()).timeouts(timeouts);
    let address = start(builder.build().unwrap()).await;
    let body = ask("first");
    let length = body.len();
    let answer = raw(
        address,
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ),
    )
    .await;
    assert!(
        answer.contains(DELTA) && !answer.ends_with("0\r\n\r\n"),
        "{answer}"
    );
    let first = &router.snapshot().pools[0].targets[0];
    assert_eq!(first.outcomes_of(Class::Success), 0, "{first:?}");
    assert_eq!(first.settled(), 1);
}
