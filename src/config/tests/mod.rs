use super::*;

mod around;
mod checker;
mod describe;
mod environment;
mod example;
mod fleet;
mod json_schema;
mod mistakes;
mod settings;
mod warnings;

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

#[test]
fn a_good_file_becomes_a_router() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.listen(), "127.0.0.1:8080".parse().unwrap());
    for model in ["chat", "default-chat", "gpt-4o", "llama"] {
        assert!(config.router().knows(model), "{model}");
    }
    assert_eq!(config.router().mode("chat"), Some(crate::Mode::Observe));
    let own = &config.connections[1];
    assert_eq!((own.0.as_str(), own.1.as_str()), ("chat", "own"));
    assert_eq!(own.2.timeouts.attempt, Duration::from_millis(1500));
}

#[test]
fn f40_secrets_are_in_no_debug_output() {
    assert!(!format!("{:?}", parse(GOOD).unwrap()).contains("canary"));
}

#[test]
fn a_link_local_upstream_can_be_meant() {
    let meant = "169.254.1.2/v1\"\nallow_link_local = true\nhttp2 = true\n#";
    let config = parse(&GOOD.replacen("127.0.0.1:8000/v1\"", meant, 1)).unwrap();
    assert!(config.connections[1].2.http2 && !config.connections[0].2.http2);
}

#[test]
fn the_file_in_the_readme_is_good() {
    let readme = include_str!("../../../README.md");
    let source = readme.split("```toml\n").nth(1).unwrap();
    let source = source.split("```").next().unwrap();
    let config = Config::parse("gateway.toml", source, |_| Some("key".to_owned())).unwrap();
    assert_eq!(config.warnings().collect::<Vec<_>>(), [""; 0]);
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
