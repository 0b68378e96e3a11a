//! What is not about routing.

use super::*;

/// The good file with more in front of it, and with a home.
fn with(more: &str) -> Result<Config, ConfigError> {
    Config::parse(
        "/etc/outcome/gateway.toml",
        &format!("{more}{GOOD}"),
        |name| {
            let value = match name {
                "OPENAI_API_KEY" => "canary-secret",
                "HOME" => "/home/somebody",
                "TOKEN" => "canary-token-of-24-bytes",
                _ => return None,
            };
            Some(value.to_owned())
        },
    )
}

const HASH: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn nothing_need_be_said_of_it() {
    let config = with("").unwrap();
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.headers, Headers::default());
    assert_eq!(config.telemetry, Telemetry::default());
    assert_eq!(config.keys, []);
    assert_eq!(config.files().count(), 0);
    let admin = config.admin.unwrap();
    assert_eq!(admin.listen, "127.0.0.1:8081".parse().unwrap());
    assert!(admin.token.is_none() && admin.hosts.is_empty());
    let store = config.store.unwrap();
    assert_eq!(
        store.path,
        Path::new("/home/somebody/.local/state/outcome-gateway/state")
    );
    assert_eq!(store.interval, Duration::from_secs(10));
}

#[test]
fn limits_are_set_in_the_file() {
    let config = with(
        "[limits]\nmax_body_bytes = 1000\nmax_buffered_bytes = 2000\nmax_connections = 3\n\
         max_requests = 4\nfirst_byte_timeout_ms = 5\nheader_timeout_ms = 6\n\
         body_idle_timeout_ms = 7\ndrain_ms = 8\n",
    );
    let expected = Limits {
        max_body: 1000,
        max_buffered: 2000,
        max_connections: 3,
        max_requests: 4,
        first_byte_timeout: Duration::from_millis(5),
        header_timeout: Duration::from_millis(6),
        body_idle_timeout: Duration::from_millis(7),
        drain: Duration::from_millis(8),
    };
    assert_eq!(config.unwrap().limits, expected);
}

#[test]
fn headers_have_other_names_by_a_prefix_or_one_by_one() {
    let config = with(
        "[headers]\nprefix = \"X-Route-\"\ntask = \"X-Team\"\ntrust = [\"pin\", \"exclude\"]\n",
    );
    let headers = config.unwrap().headers;
    assert_eq!(headers.prefix, "x-route-");
    assert_eq!(headers.task, "x-team");
    assert_eq!(headers.deadline_ms, "x-route-deadline-ms");
    assert!(headers.trust.pin && headers.trust.exclude);
}

#[test]
fn the_admin_listener_is_set_or_switched_off() {
    let config = with(
        "[admin]\nlisten = \"0.0.0.0:9000\"\ntoken_env = \"TOKEN\"\nhosts = [\"admin.example\"]\n",
    );
    let admin = config.unwrap().admin.unwrap();
    assert_eq!(admin.listen, "0.0.0.0:9000".parse().unwrap());
    assert_eq!(
        admin.token.as_ref().unwrap().expose(),
        "canary-token-of-24-bytes"
    );
    assert_eq!(admin.hosts, ["admin.example"]);
    assert!(!format!("{admin:?}").contains("canary"));
    assert!(with("[admin]\nenabled = false\n").unwrap().admin.is_none());
}

#[test]
fn the_state_is_kept_where_the_file_says() {
    let store = |more: &str| with(more).unwrap().store;
    let kept = store("[store]\npath = \"/srv/state\"\ninterval_ms = 500\n").unwrap();
    assert_eq!(kept.path, Path::new("/srv/state"));
    assert_eq!(kept.interval, Duration::from_millis(500));
    let kept = store("[store]\npath = \"state\"\n").unwrap();
    assert_eq!(kept.path, Path::new("/etc/outcome/state"));
    assert!(store("[store]\nenabled = false\n").is_none());
}

#[test]
fn the_state_is_kept_in_the_place_of_a_service_before_that_of_a_user() {
    let kept = |variables: &[(&str, &str)]| {
        let variable = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let source = GOOD.replace("api_key_env = \"OPENAI_API_KEY\"", "");
        let store = Config::parse("", &source, variable).unwrap().store;
        store.map(|store| store.path.display().to_string())
    };
    let home = ("HOME", "/home/a");
    let user = ("XDG_STATE_HOME", "/state");
    let service = ("STATE_DIRECTORY", "/var/lib/one:/var/lib/two");
    assert_eq!(kept(&[]), None);
    assert_eq!(kept(&[("HOME", "relative")]), None);
    assert_eq!(
        kept(&[home, user]).as_deref(),
        Some("/state/outcome-gateway/state")
    );
    assert_eq!(
        kept(&[home, user, service]).as_deref(),
        Some("/var/lib/one/state")
    );
}

#[test]
fn telemetry_goes_where_the_file_says() {
    let config =
        with("[telemetry]\notlp_endpoint = \"http://127.0.0.1:4318\"\nservice_name = \"edge\"\n");
    let telemetry = config.unwrap().telemetry;
    assert_eq!(
        telemetry.otlp_endpoint.unwrap().authority().unwrap(),
        "127.0.0.1:4318"
    );
    assert_eq!(telemetry.service_name, "edge");
}

#[test]
fn clients_have_keys() {
    let config = with(&format!(
        "[[key]]\nname = \"team-a\"\nsha256 = \"{}\"\npools = [\"chat\"]\ntenant = \"a\"\n\
         daily_dollars = 20\ntrust = [\"pin\"]\n[[key]]\nname = \"all\"\nsha256 = \"{}\"\n",
        HASH.to_uppercase(),
        HASH.replace('2', "3"),
    ));
    let keys = config.unwrap().keys;
    let [one, all] = &keys[..] else { panic!() };
    assert_eq!((one.sha256[0], one.sha256[31]), (0x2c, 0x24));
    assert_eq!(one.pools.as_deref(), Some(&["chat".to_owned()][..]));
    assert_eq!(one.tenant.as_deref(), Some("a"));
    assert_eq!(one.daily_dollars, Some(20.0));
    assert!(one.trust.pin && !one.trust.exclude);
    assert_eq!(
        (&all.pools, &all.tenant, all.daily_dollars),
        (&None, &None, None)
    );
}

#[test]
fn a_secret_may_stand_in_a_file_of_its_own() {
    let folder = std::env::temp_dir().join(format!("outcome-secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("openai"), "canary-secret\n").unwrap();
    let source = GOOD.replace(
        "api_key_env = \"OPENAI_API_KEY\"",
        "api_key_file = \"openai\"",
    );
    let file = folder.join("gateway.toml");
    std::fs::write(&file, source).unwrap();
    let config = Config::load(&file);
    std::fs::remove_dir_all(&folder).unwrap();
    let config = config.unwrap();
    assert_eq!(config.files().collect::<Vec<_>>(), [folder.join("openai")]);
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn a_file_that_is_not_there_yet_is_known_to_who_waits_for_it() {
    let own = "api_key_file = \"no-such-secret\"";
    let source = GOOD.replace("api_key_env = \"OPENAI_API_KEY\"", own);
    let error = Config::parse("/no/such/folder/gateway.toml", &source, |_| None).unwrap_err();
    let expected = [Path::new("/no/such/folder/no-such-secret")];
    assert_eq!(error.files().collect::<Vec<_>>(), expected);
}
