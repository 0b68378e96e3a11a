//! The configurations under examples/deploy are ones.

#![cfg(feature = "gateway")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use tower_outcome::config::Config;

fn read(name: &str) -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/deploy");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    // The secrets are where the file says only once it is deployed.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let key = "api_key_file = \"/run/";
    for line in lines.iter_mut().filter(|line| line.starts_with(key)) {
        *line = "api_key_env = \"KEY\"".to_owned();
    }
    assert_ne!(lines.join("\n"), text.trim_end(), "{name}");
    Config::parse(name, &lines.join("\n"), |_| Some("key".to_owned())).unwrap()
}

#[test]
fn the_service_listens_on_loopback_alone() {
    let config = read("gateway.toml");
    assert!(config.listen().ip().is_loopback());
    assert!(config.router().knows("chat"));
    assert_eq!(config.warnings().count(), 0);
}

#[test]
fn the_container_listens_on_all_addresses() {
    let config = read("container.toml");
    assert!(config.listen().ip().is_unspecified());
    assert!(config.router().knows("chat"));
}

#[test]
fn the_admin_listener_of_a_container_can_be_published_with_a_token() {
    let text = "listen = \"0.0.0.0:8080\"\n[admin]\nlisten = \"0.0.0.0:8081\"\n";
    let upstream = "[[upstream]]\nname = \"o\"\nbase_url = \"https://api.openai.com/v1\"\n";
    let pool = "[[pool]]\nname = \"p\"\n[[pool.target]]\nmodel = \"m\"\nupstream = \"o\"\n";
    let parse = |token: &str| {
        let text = format!("{text}{token}{upstream}{pool}");
        Config::parse("it", &text, |_| Some("0123456789abcdef".to_owned()))
    };
    assert!(parse("").is_err());
    parse("token_env = \"TOKEN\"\n").unwrap();
}
