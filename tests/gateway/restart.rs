//! The binary, stopped and started again.

use std::fs;

use http::{Request, StatusCode};
use http_body_util::Full;

use crate::{process::*, support::*};

/// Of the key `og-test-key`.
pub(crate) const KEY_HASH: &str =
    "efd05195e9d396839a02de0a3159f0dcc8269a68d1229040924f5b89540c3069";

#[tokio::test]
async fn what_was_learned_is_not_forgotten_over_a_restart() {
    let failing = Raw::json(500, DOWN).await;
    let well = Raw::json(200, WELL).await;
    let folder = Folder::new("kept", &failing, &well);

    let process = Process::start(&folder.0).await;
    for _ in 0..6 {
        let answer = post(process.address, CHAT, ask("first")).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let asked = failing.seen().len();
    assert!((1..6).contains(&asked), "{asked}");
    process.stop().await;
    let kept = fs::read_to_string(folder.state()).unwrap();
    assert!(kept.starts_with("tower-outcome-state 1 "), "{kept}");
    assert!(!kept.contains("Hi"), "{kept}");

    // It knows at once whom not to ask first.
    let process = Process::start(&folder.0).await;
    let warned = |line: &String| line.contains("WARN") || line.contains("ERROR");
    assert!(!process.before.iter().any(warned), "{:?}", process.before);
    let answer = post(process.address, CHAT, ask("first")).await;
    assert_eq!(text(answer.headers(), "x-outcome-model"), "second");
    assert_eq!(text(answer.headers(), "x-outcome-attempts"), "1");
    process.stop().await;
}

#[tokio::test]
async fn what_a_client_key_spent_today_is_not_forgotten_over_a_restart() {
    let used = "],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}";
    let well = Raw::json(200, &WELL.replace("]}", used)).await;
    let folder = Folder::new("spent", &well, &well);
    let file = folder.0.join("gateway.toml");
    let config = fs::read_to_string(&file).unwrap();
    let config = format!(
        "{config}price = {{ input = 1.0, output = 10.0 }}\n\
         [[key]]\nname = \"team\"\ndaily_dollars = 0.001\nsha256 = \"{KEY_HASH}\"\n"
    );
    fs::write(&file, config).unwrap();
    let ask = async |process: &Process| {
        let request = Request::post(format!("http://{}{CHAT}", process.address))
            .header("content-type", "application/json")
            .header("authorization", "Bearer og-test-key")
            .body(Full::new(ask("second").into()));
        send(request.unwrap()).await.status()
    };
    let process = Process::start(&folder.0).await;
    assert_eq!(ask(&process).await, StatusCode::OK);
    assert_eq!(ask(&process).await, StatusCode::TOO_MANY_REQUESTS);
    process.stop().await;
    let process = Process::start(&folder.0).await;
    assert_eq!(ask(&process).await, StatusCode::TOO_MANY_REQUESTS);
    process.stop().await;
    assert!(
        !fs::read_to_string(folder.state())
            .unwrap()
            .contains("og-test-key")
    );
}

#[cfg(unix)]
#[tokio::test]
async fn f38_told_to_stop_as_soon_as_it_serves_it_ends_well() {
    let well = Raw::json(200, WELL).await;
    let folder = Folder::new("at-once", &well, &well);
    for _ in 0..10 {
        Process::start(&folder.0).await.stop().await;
    }
}

#[tokio::test]
async fn f47_a_bad_file_is_told_of_and_the_gateway_serves() {
    let well = Raw::json(200, WELL).await;
    let folder = Folder::new("bad", &well, &well);
    fs::create_dir(folder.state().parent().unwrap()).unwrap();
    fs::write(folder.state(), "tower-outcome-state 1 5 00000000\n{}").unwrap();
    let process = Process::start(&folder.0).await;
    let said = process.before.join("\n");
    assert!(said.contains("WARN"), "{said}");
    assert!(said.contains("state starts cold"), "{said}");
    assert!(said.contains(folder.state().to_str().unwrap()), "{said}");
    assert!(said.contains("2 bytes follow its first line, which says 5"));
    let metrics = get(process.admin(), "/metrics").await;
    assert!(
        metrics.contains("\noutcome_store_refusals_total 1\n"),
        "{metrics}"
    );

    // A second one at the same place serves as well, and says what it does without.
    let second = Process::start(&folder.0).await;
    let said = second.before.join("\n");
    assert!(
        said.contains("another process keeps its state there"),
        "{said}"
    );
    for process in [process, second] {
        let answer = post(process.address, CHAT, ask("first")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        process.stop().await;
    }
    assert!(folder.state().with_extension("bad").exists());
    assert!(folder.state().exists());
}
