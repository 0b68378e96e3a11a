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
    let own = &config.connections[1];
    assert_eq!((own.0.as_str(), own.1.as_str()), ("chat", "own"));
    assert_eq!(own.2.timeouts.attempt, Duration::from_millis(1500));
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
            "outcome.toml:18:35: upstream: there is no upstream named \"lokal\"; did you mean \"local\"?",
        ),
        (
            "upstream = \"local\"",
            "upstream = \"azure\"",
            "expected one of [\"openai\", \"local\"]",
        ),
        (
            "name = \"local\"",
            "name = \"openai\"",
            "outcome.toml:8:8: name: two upstreams are named \"openai\"",
        ),
        (
            "https://",
            "ftp://",
            "outcome.toml:4:12: base_url: must begin with http:// or https://; expected a URL such as",
        ),
        (
            "OPENAI_API_KEY",
            "OTHER_KEY",
            "outcome.toml:5:15: api_key_env: the environment variable OTHER_KEY is not set",
        ),
        (
            "1500",
            "0",
            "outcome.toml:10:22: attempt_timeout_ms: expected a number from 1",
        ),
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
            "outcome.toml:14:12: aliases: \"chat\" is already the name or an alias of a pool",
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
            "outcome.toml:1:23: pass_unknown_models: needs default_upstream",
        ),
        (
            "\n[[upstream]]",
            "listen = \"localhost\"\n[[upstream]]",
            "outcome.toml:1:10: listen: \"localhost\" is no address",
        ),
        (
            "[[upstream]]",
            "[upstream]",
            "outcome.toml:2:1: there may be several: write [[upstream]], with two brackets",
        ),
        (
            "com/v1",
            "com/v1/chat/completions",
            "outcome.toml:4:12: base_url: without /chat/completions, which every call brings",
        ),
        (
            "com/v1",
            "com:99999/v1",
            "the port must be a number from 1 to 65535",
        ),
        (
            "com/v1",
            "com:/v1",
            "the port must be a number from 1 to 65535",
        ),
        (
            "com/v1",
            "com:0/v1",
            "the port must be a number from 1 to 65535",
        ),
        (
            "127.0.0.1:8000",
            "169.254.169.254",
            "allow_link_local = true",
        ),
        ("127.0.0.1:8000", "[fe80::1]:80", "allow_link_local = true"),
        (
            "127.0.0.1:8000",
            "[::ffff:169.254.1.1]",
            "allow_link_local = true",
        ),
        (
            "\n[[upstream]]",
            "hosts = [\"a:80\"]\n[[upstream]]",
            "outcome.toml:1:10: hosts: expected names or addresses alone",
        ),
        (
            "\n[[upstream]]",
            "limits = { max_buffered_bytes = 5 }\n[[upstream]]",
            "outcome.toml:1:33: max_buffered_bytes: expected at least twice max_body_bytes, 67108864",
        ),
        (
            "\n[[upstream]]",
            "shadow_percent = 100.5\n[[upstream]]",
            "outcome.toml:1:18: shadow_percent: expected a number from 0 to 100",
        ),
        (
            "\n[[upstream]]",
            "tasks = \"by_size\"\n[[upstream]]",
            "outcome.toml:1:9: unknown variant `by_size`, expected `by_shape` or `none`",
        ),
        (
            "mode = \"observe\"",
            "policy = \"random\"",
            "outcome.toml:15:10: unknown variant `random`, expected one of `adaptive`, `declared`, \
             `weighted`",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = -1",
            "outcome.toml:15:15: cost_weight: expected a number from 0",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = inf",
            "outcome.toml:15:15: cost_weight: expected a number from 0",
        ),
        (
            "mode = \"observe\"",
            "objective_ms = 0",
            "outcome.toml:15:16: objective_ms: expected a number from 1",
        ),
        (
            "mode = \"observe\"",
            "preference = \"high\"",
            "outcome.toml:15:14: invalid type: string \"high\", expected f64",
        ),
        (
            "mode = \"observe\"",
            "success_when = [\"valid_jsn\"]",
            "outcome.toml:15:17: unknown variant `valid_jsn`, expected `valid_json` or `not_blank`",
        ),
        (
            "mode = \"observe\"",
            "cascade = true",
            "outcome.toml:15:11: cascade: needs success_when",
        ),
        (
            "mode = \"observe\"",
            "success_when = [\"valid_json\"]\ncascade = true\ncascade_below = 0.7",
            "outcome.toml:17:17: cascade_below: would do nothing: it is about grades of quality",
        ),
        (
            "name = \"own\"",
            "expected_quality = nan",
            "outcome.toml:18:63: expected_quality: expected a number from 0 to 1",
        ),
        (
            "name = \"own\"",
            "price = { input = 1 }",
            "missing field `output`",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, cached = -1 }",
            "outcome.toml:18:86: cached: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, written = nan }",
            "outcome.toml:18:87: written: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = 1, read = 1 }",
            "unknown field `read`",
        ),
        (
            "mode = \"observe\"",
            "ask_usage = \"yes\"",
            "outcome.toml:15:13: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "name = \"own\"",
            "price = { input = 1, output = -2 }",
            "outcome.toml:18:74: output: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "weight = -0.5",
            "outcome.toml:18:53: weight: expected a number from 0",
        ),
        (
            "name = \"own\"",
            "context_window = 0",
            "outcome.toml:18:61: context_window: expected a number from 1",
        ),
        (
            "name = \"own\"",
            "max_output_tokens = 1.5",
            "outcome.toml:18:64: invalid type: floating point",
        ),
        (
            "name = \"own\"",
            "vision = \"yes\"",
            "outcome.toml:18:53: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "name = \"own\"",
            "compatibility_group = \"\"",
            "compatibility group: the name is empty",
        ),
        (
            "name = \"own\"",
            "parameters = { droop = [\"seed\"] }",
            "unknown field `droop`, expected one of `rename`, `drop`, `set`",
        ),
        (
            "name = \"own\"",
            "parameters = { drop = [\"model\"] }",
            "the parameter \"model\" must stay as it is",
        ),
        (
            "name = \"own\"",
            "parameters = { drop = [\"a\"], rename = { a = \"b\" } }",
            "two rules name the parameter \"a\"",
        ),
        (
            "name = \"own\"",
            "parameters = { set = { a = 2024-01-01 } }",
            "outcome.toml:18:71: a: expected a value that JSON has",
        ),
        (
            "name = \"own\"",
            "parameters = { set = { a = [inf] } }",
            "outcome.toml:18:71: a: expected a value that JSON has",
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
    // The official endpoint is known to take what the other one may take, too.
    assert!(warnings.is_empty(), "{warnings:?}");
    let other = GOOD.replace("http://127.0.0.1:8000/v1", "https://api.anthropic.com");
    let config = parse(&other).unwrap();
    let warnings: Vec<_> = config.warnings().collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("/v1/messages"), "{warnings:?}");
    assert!(warnings[1].contains("/chat/completions"), "{warnings:?}");
}

#[test]
fn tables_of_which_there_may_be_several_have_two_brackets() {
    for (source, name) in [
        ("[pool]\nname = 'chat'", "pool"),
        (
            "[[pool]]\nname = 'chat'\n[pool.target]\nmodel = 'm'",
            "pool.target",
        ),
    ] {
        let error = parse(source).unwrap_err().to_string();
        assert!(
            error.contains(&format!("write [[{name}]], with")),
            "{error}"
        );
    }
}

#[test]
fn a_link_local_upstream_can_be_meant() {
    let meant = "169.254.1.2/v1\"\nallow_link_local = true\nhttp2 = true\n#";
    let config = parse(&GOOD.replacen("127.0.0.1:8000/v1\"", meant, 1)).unwrap();
    assert!(config.connections[1].2.http2 && !config.connections[0].2.http2);
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    for (from, to, expected) in [
        (
            "1500",
            "540000",
            "upstream \"local\": attempt_timeout_ms, 540000, is not below deadline_ms, 540000",
        ),
        (
            "https://api.openai.com",
            "http://llm.example",
            "upstream \"openai\": its key goes over the network in the clear",
        ),
        (
            "\n]\n",
            "\n]\n[[pool]]\nname = \"more\"\ntargets = [\
             { model = \"llama\", upstream = \"local\" }, { model = \"x\", upstream = \"local\" }]",
            "names the model \"llama\" means pool \"chat\", and not pool \"more\"",
        ),
        (
            "\n]\n",
            "\n]\n[[pool]]\nname = \"llama\"\ntargets = [\
             { model = \"x\", upstream = \"local\" }, { model = \"y\", upstream = \"local\" }]",
            "names the model \"llama\" means pool \"llama\", and not pool \"chat\"",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = 2",
            "pool \"chat\": cost_weight is set, but no target has a price",
        ),
        (
            "name = \"own\"",
            "weight = 3",
            "pool \"chat\": weight counts under policy = \"weighted\" only",
        ),
        (
            "mode = \"observe\"",
            "cost_weight = 2\npolicy = \"declared\"",
            "pool \"chat\": cost_weight counts under policy = \"adaptive\" only",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let config = parse(&GOOD.replacen(from, to, 1)).unwrap();
        let warnings: Vec<_> = config.warnings().collect();
        assert!(
            warnings.iter().any(|it| it.contains(expected)),
            "{warnings:?}"
        );
    }
}

#[test]
fn settings_reach_the_router() {
    let source = GOOD
        .replace(
            "mode = \"observe\"",
            "policy = \"weighted\"\nderive_sessions = true\nask_usage = true\n\
             success_when = [\"valid_json\", \"not_blank\"]\ncascade = true",
        )
        .replace("name = \"own\"", "name = \"own\", weight = 0");
    let config = parse(&format!(
        "shadow_percent = 2\ntasks = \"by_shape\"\n{source}"
    ))
    .unwrap();
    assert_eq!(config.shadow_percent, 2.0);
    let router = config.router();
    assert!(router.tasks().is_some());
    let rules = router.pool_rules("chat").unwrap();
    assert!(rules.derive_sessions && rules.ask_usage && rules.checks.is_some());
    assert_eq!(rules.cascade, Some(crate::Score::MIDDLE));
    let decide = |router: &OutcomeRouter| {
        let request = crate::PickRequest::new("chat");
        let request = request.prompt_tokens(1_000_000).max_output_tokens(1_000);
        router.decide(&request, router.now()).unwrap()
    };
    let decision = decide(router);
    assert_eq!((decision.policy, decision.chosen), ("weighted", Some(0)));

    let source = GOOD
        .replace(
            "mode = \"observe\"",
            "cost_weight = 0.5\npreference = 0.25\nobjective_ms = 900",
        )
        .replace(
            "name = \"own\"",
            "price = { input = 2, output = 4.0 }, expected_quality = 0.5, preference = 0",
        );
    let config = parse(&source).unwrap();
    let decision = decide(config.router());
    let [first, own] = &decision.candidates[..] else {
        panic!("{decision}");
    };
    let (terms, score) = (own.terms.as_ref().unwrap(), own.score.unwrap());
    assert!((terms.quality - 0.5).abs() < 1e-9, "{own:?}");
    assert!(terms.cost >= 2.0, "{own:?}");
    assert_eq!(first.terms.as_ref().unwrap().cost, 0.0);
    let value = terms.quality * terms.validity * terms.health * terms.in_time;
    assert!(
        (score - (value - 0.5 * terms.cost)).abs() < 1e-9,
        "the handicap is its own: {own:?}"
    );
}

#[test]
fn what_a_target_takes_is_set_in_the_file() {
    let source = GOOD.replace("mode = \"observe\"", "").replace(
        "name = \"own\"",
        "name = \"own\", context_window = 4096, max_output_tokens = 512, vision = false, \
         tools = false, json_mode = false, compatibility_group = \"gpt\", \
         parameters = { rename = { max_tokens = \"n_predict\" }, drop = [\"seed\"], \
         set = { temperature = 0.5, stop = [\"\\n\"], cache = { on = true } } }",
    );
    let config = parse(&source).unwrap();
    let router = config.router();
    let against = |request: crate::PickRequest<'_>| {
        let decision = router.decide(&request, router.now()).unwrap();
        let own = decision.candidates.last().unwrap();
        own.obstacle.as_ref().map(ToString::to_string)
    };
    let request = || crate::PickRequest::new("chat");
    for (request, expected) in [
        (request(), None),
        (
            request().prompt_tokens(20_000),
            Some("its context window of 4096 tokens is too small for about 20000"),
        ),
        (
            request().max_output_tokens(513),
            Some("its answers have at most 512 tokens, and 513 are asked for"),
        ),
        (request().images(true), Some("does not take images")),
        (request().tools(true), Some("does not take tools")),
        (request().json_mode(true), Some("has no JSON mode")),
        (
            request().bound(true),
            Some("the conversation holds state of another provider"),
        ),
    ] {
        assert_eq!(against(request).as_deref(), expected);
    }
    let ids = [0, 1].map(router::TargetId);
    assert!(router.parameters(ids[0]).is_none());
    let parameters = router.parameters(ids[1]).unwrap();
    let body = [bytes::Bytes::from(r#"{"seed":1,"max_tokens":2}"#)];
    let edited = crate::dialect::json::edit(&body, &parameters.edits(&body).unwrap());
    let edited: serde_json::Value =
        serde_json::from_slice(&Vec::from(edited.chunks).concat()).unwrap();
    let expected = serde_json::json!({
        "n_predict": 2, "temperature": 0.5, "stop": ["\n"], "cache": {"on": true},
    });
    assert_eq!(edited, expected);
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

mod around;
