use proptest::prelude::*;

use super::*;

fn view(body: &str) -> ErrorView {
    ErrorView::parse(body.as_bytes()).unwrap()
}

#[test]
fn envelopes_of_every_provider_are_read() {
    let openai = view(r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#);
    assert_eq!(
        (
            openai.message(),
            openai.kind(),
            openai.param(),
            openai.code()
        ),
        (Some("m"), Some("t"), Some("p"), Some("c"))
    );
    let google = view(r#"[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}]"#);
    assert_eq!(
        (google.number(), google.status()),
        (Some(429), Some("RESOURCE_EXHAUSTED"))
    );
    let azure = view(r#"{"error":{"code":"429","innererror":{"code":"Inner"}}}"#);
    assert_eq!(azure.number(), Some(429));
    assert_eq!(azure.codes().collect::<Vec<_>>(), ["Inner", "429"]);
    let anthropic = view(
        r#"{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"x"}}}"#,
    );
    assert_eq!(
        anthropic.codes().collect::<Vec<_>>(),
        ["x", "rate_limit_error"]
    );
    let mistral = view(r#"{"object":"error","type":"t","code":"1300","raw_status_code":429}"#);
    assert_eq!((mistral.kind(), mistral.number()), (Some("t"), Some(429)));
    let event = view(r#"{"type":"error","code":"c","message":"m"}"#);
    assert_eq!((event.kind(), event.code()), (None, Some("c")));
    assert_eq!(
        view(r#"{"error":"model not loaded"}"#).message(),
        Some("model not loaded")
    );
    assert_eq!(view(r#"{"message":"no"}"#).message(), Some("no"));
    assert_eq!(
        view(r#"{"detail":"Not authenticated"}"#).message(),
        Some("Not authenticated")
    );
    assert_eq!(
        view(r#"{"detail":[{"loc":["body"],"msg":"bad"}]}"#).message(),
        Some("bad")
    );
    assert!(view(r#"{"message":{"detail":[]}}"#).message().is_some());
}

#[test]
fn other_bodies_have_no_view() {
    for body in [
        "",
        "null",
        "1",
        "[]",
        "{}",
        "<html></html>",
        "{\"error\":",
        "{\"error\":null}",
    ] {
        assert!(ErrorView::parse(body.as_bytes()).is_none(), "{body}");
    }
    let long = format!("{{\"error\":\"{}\"}}", "x".repeat(MAX_BODY));
    assert!(ErrorView::parse(long.as_bytes()).is_none());
}

#[test]
fn an_answer_holds_an_error_only_if_it_says_so() {
    let within = |body: &str| ErrorView::within_answer(&Object::parse(body.as_bytes()).unwrap());
    for body in [
        r#"{"error":null,"choices":[]}"#,
        r#"{"error":{}}"#,
        r#"{"error":false}"#,
        r#"{"error":""}"#,
        r#"{"message":"hi"}"#,
        r#"{"type":"message"}"#,
        "[]",
        "7",
    ] {
        assert!(within(body).is_none(), "{body}");
    }
    assert_eq!(
        within(r#"{"error":{"code":502}}"#).unwrap().number(),
        Some(502)
    );
    assert!(within(r#"{"object":"error","message":"m"}"#).is_some());
}

#[test]
fn f40_debug_shows_no_message() {
    let view = view(r#"{"error":{"message":"my secret prompt","code":"c","param":"secret"}}"#);
    assert!(!format!("{view:?}").contains("secret"));
}

#[test]
fn long_messages_are_cut_between_characters() {
    let body = format!("{{\"error\":\"{}\"}}", "\u{e9}".repeat(3000));
    let view = view(&body);
    assert_eq!(view.message().unwrap().len(), MAX_MESSAGE);
    assert_eq!(clip("\u{e9}\u{e9}", 3), "\u{e9}");
}

proptest! {
    #[test]
    fn f11_nothing_panics(body in any::<Vec<u8>>()) {
        let _ = ErrorView::parse(&body);
    }

    #[test]
    fn f11_nearly_json_does_not_panic(
        body in r#"[\[{]{1,3}("(error|code|details|message|metadata|type)":)?[\[{"a-z0-9,:.\\}\]]{0,40}[\]}]{0,3}"#
    ) {
        let _ = ErrorView::parse(body.as_bytes());
    }
}
