use super::*;

const GOOD: &str = r#"
[[upstream]]
name = "openai"
base_url = "https://api.openai.com/v1"
api_key_env = "OPENAI_API_KEY"

[[upstream]]
name = "local"
base_url = "http://127.0.0.1:8000/v1"
attempt_timeout_ms = 1500

[[pool]]
name = "chat"
aliases = ["default-chat"]
mode = "observe"
targets = [
    { model = "gpt-4o", upstream = "openai" },
    { model = "llama", upstream = "local", name = "own", quota_group = "gpu" },
]
"#;

fn parse(source: &str) -> Result<Config, ConfigError> {
    Config::parse("outcome.toml", source, |variable| {
        (variable == "OPENAI_API_KEY").then(|| "canary-secret".to_owned())
    })
}

#[test]
fn targets_can_be_tables_of_their_own() {
    let source = "
        [[upstream]]
        name = 'a'
        base_url = 'http://a'
        [[pool]]
        name = 'chat'
        [[pool.target]]
        model = 'one'
        upstream = 'a'
        [[pool.target]]
        model = 'two'
        upstream = 'a'";
    let config = parse(source).unwrap();
    assert_eq!(config.router().snapshot().targets().count(), 2);
    let error = parse("[[pool]]\nname = 'chat'").unwrap_err().to_string();
    assert!(
        error
            .starts_with("outcome.toml:2:8: pool \"chat\" has no target; expected [[pool.target]]"),
        "{error}"
    );
}

/// The error that a change to the good file makes.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn a_good_file_becomes_a_router() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.listen(), "127.0.0.1:8080".parse().unwrap());
    for model in ["chat", "default-chat", "gpt-4o", "llama"] {
        assert!(config.router().knows(model), "{model}");
    }
    assert_eq!(config.router().mode("chat"), Some(crate::Mode::Observe));
    let own = &config.timeouts[1];
    assert_eq!((own.0.as_str(), own.1.as_str()), ("chat", "own"));
    assert_eq!(own.2.attempt, Duration::from_millis(1500));
}

#[test]
fn f40_secrets_are_in_no_debug_output() {
    assert!(!format!("{:?}", parse(GOOD).unwrap()).contains("canary"));
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (from, to, expected) in [
        (
            "name = \"openai\"",
            "nam = \"openai\"",
            "outcome.toml:3:1: unknown field `nam`",
        ),
        (
            "upstream = \"local\"",
            "upstream = \"lokal\"",
            "outcome.toml:18:35: there is no upstream named \"lokal\"; did you mean \"local\"?",
        ),
        (
            "upstream = \"local\"",
            "upstream = \"azure\"",
            "expected one of [\"openai\", \"local\"]",
        ),
        (
            "name = \"local\"",
            "name = \"openai\"",
            "outcome.toml:8:8: two upstreams are named \"openai\"",
        ),
        (
            "https://",
            "ftp://",
            "outcome.toml:4:12: base_url: upstream \"ftp://api.openai.com/v1\": must begin with http:// or https://; expected a URL such as",
        ),
        (
            "OPENAI_API_KEY",
            "OTHER_KEY",
            "outcome.toml:5:15: api_key_env: the environment variable OTHER_KEY is not set",
        ),
        ("1500", "0", "outcome.toml:10:22: expected a number from 1"),
        (
            "1500",
            "\"1s\"",
            "outcome.toml:10:22: invalid type: string \"1s\", expected u64",
        ),
        (
            "observe",
            "watch",
            "outcome.toml:15:8: unknown variant `watch`, expected one of `route`, `observe`, `off`",
        ),
        (
            "\"default-chat\"",
            "\"chat\"",
            "outcome.toml:14:12: \"chat\" is already the name or an alias of a pool",
        ),
        (
            "name = \"own\"",
            "name = \"gpt-4o\"",
            "pool \"chat\" has two targets named \"gpt-4o\"",
        ),
        (
            "\"gpt-4o\"",
            "\"\"",
            "outcome.toml:13:8: pool \"chat\": model: the name is empty",
        ),
        (
            "[[pool]]",
            "pass_unknown_models = true\n[[pool]]",
            "unknown field `pass_unknown_models`",
        ),
        (
            "\n[[upstream]]",
            "pass_unknown_models = true\n[[upstream]]",
            "outcome.toml:1:23: pass_unknown_models needs default_upstream",
        ),
        (
            "\n[[upstream]]",
            "listen = \"localhost\"\n[[upstream]]",
            "outcome.toml:1:10: listen: \"localhost\" is no address",
        ),
    ] {
        let error = error(from, to);
        assert!(error.contains(expected), "{error}\n  wanted: {expected}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn f40_a_key_in_the_file_is_not_repeated() {
    for (from, to) in [
        ("OPENAI_API_KEY", "sk-canary"),
        ("OPENAI_API_KEY", "CANARY"),
        ("https://", "https://user:canary@"),
        ("openai.com/v1", "openai.com/v1?key=canary"),
        ("api_key_env = \"OPENAI_API_KEY\"", "api_key = \"canary\""),
    ] {
        let error = error(from, to);
        assert!(!error.to_lowercase().contains("canary"), "{error}");
    }
}

#[test]
fn a_pool_without_failover_is_warned_of() {
    let config = parse(GOOD).unwrap();
    let warnings: Vec<_> = config.warnings().collect();
    // The official endpoint speaks one dialect only.
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("anthropic"), "{warnings:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load("/no/such/file.toml").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/no/such/file.toml: cannot be read:")
    );
    assert_eq!(error.place(), None);
}
