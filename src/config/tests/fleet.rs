//! Through what instances share what they learn.

use super::*;

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "canary-key",
        "HOME" => "/home/somebody",
        "SECRET" => "canary-of-the-deployment",
        "OTHER_SECRET" => "canary-of-another-deployment",
        "PASSWORD" => "canary-word",
        "REDIS_URL_OF_A_USER" => "redis://canary-user@cache.example",
        "REDIS_URL" => "rediss://canary-user:canary-word@cache.example:7000/3",
        _ => return None,
    };
    Some(value.to_owned())
}

fn with(more: &str) -> Config {
    let source = format!("[store]\n{more}\n{GOOD}");
    Config::parse("f", &source, variable).unwrap_or_else(|error| panic!("{error}"))
}

fn warnings(config: &Config) -> Vec<&str> {
    let warnings = config.warnings();
    warnings.filter(|it| it.contains("[store]")).collect()
}

#[test]
fn instances_share_through_a_server() {
    let config = with("url = \"redis://10.0.0.1\"\nsecret_env = \"SECRET\"");
    let fleet = config.fleet.as_ref().unwrap();
    assert_eq!(
        fleet.to_string(),
        "through redis://10.0.0.1:6379/0, as outcome, every 250 ms"
    );
    assert_eq!(warnings(&config), [""; 0]);
    // The file is kept beside it.
    assert!(config.store.is_some());
    let described = config.describe().to_string();
    let line = "\nsharing    through redis://10.0.0.1:6379/0, as outcome, every 250 ms\n";
    assert!(described.contains(line), "{described}");
}

#[test]
fn instances_share_without_a_file() {
    let config = with("enabled = false\nurl = \"redis://h\"\nsecret_env = \"SECRET\"");
    assert!(config.store.is_none() && config.fleet.is_some());
}

#[test]
fn f40_a_whole_url_may_stand_in_a_variable() {
    let config = with(
        "url_env = \"REDIS_URL\"\nsecret_env = \"SECRET\"\nprefix = \"blue-2\"\n\
         exchange_ms = 1000\nanswer_timeout_ms = 50",
    );
    let fleet = config.fleet.as_ref().unwrap();
    assert_eq!(
        fleet.to_string(),
        "through rediss://cache.example:7000/3, as blue-2, every 1000 ms"
    );
    let shown = format!(
        "{config:?} {fleet:?} {} {:?}",
        config.describe(),
        config.fixed()
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_password_goes_with_the_user_of_a_url_or_of_its_own() {
    let fleet = |more: &str| {
        with(&format!("secret_env = \"SECRET\"\n{more}"))
            .fleet
            .unwrap()
    };
    let of_url = fleet("url_env = \"REDIS_URL_OF_A_USER\"\npassword_env = \"PASSWORD\"");
    assert_eq!(of_url.place(), "redis://cache.example:6379/0");
    let own = fleet("url = \"redis://h\"\nuser = \"me\"\npassword_env = \"PASSWORD\"");
    assert_eq!(own.place(), "redis://h:6379/0");
}

#[test]
fn a_changed_store_is_told_of_whatever_has_changed() {
    let fixed = |more: &str| with(more).fixed();
    let base = "url = \"redis://h\"\nsecret_env = \"SECRET\"";
    assert_eq!(fixed(base), fixed(base));
    for changed in [
        "url = \"redis://i\"\nsecret_env = \"SECRET\"",
        "url = \"redis://h\"\nsecret_env = \"OTHER_SECRET\"",
        "url = \"redis://h\"\nsecret_env = \"SECRET\"\npassword_env = \"PASSWORD\"",
        "url = \"redis://h\"\nsecret_env = \"SECRET\"\nprefix = \"blue\"",
        "url = \"redis://h\"\nsecret_env = \"SECRET\"\nexchange_ms = 100",
        "",
    ] {
        assert_ne!(fixed(base), fixed(changed), "{changed}");
    }
}

#[test]
fn what_does_nothing_without_a_server_is_warned_of() {
    assert_eq!(
        warnings(&with("exchange_ms = 100")),
        ["[store]: exchange_ms does nothing without url or url_env"]
    );
    let server = "url = \"redis://h\"\nsecret_env = \"SECRET\"\n";
    assert_eq!(
        warnings(&with(&format!("{server}ca_file = \"Cargo.toml\""))),
        ["[store]: ca_file does nothing without rediss://"]
    );
    assert_eq!(warnings(&with("")), [""; 0]);
}
