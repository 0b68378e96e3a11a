//! The schema says the same as the gateway.

use serde_json::Value;

use super::{
    checker::against,
    example::{everything, variable},
    *,
};

fn schema() -> Value {
    serde_json::from_str(&Config::schema()).unwrap()
}

fn json(source: &str) -> Value {
    let table: toml::Table = toml::from_str(source).unwrap();
    serde_json::to_value(table).unwrap()
}

/// What the schema has against the good file with a change.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(GOOD.contains(from), "{from}");
    against(&schema(), &json(&GOOD.replacen(from, to, 1)))
}

#[test]
fn good_files_are_good_by_the_schema() {
    for source in [GOOD, Config::EXAMPLE, &everything()] {
        assert_eq!(against(&schema(), &json(source)), [""; 0]);
    }
}

#[test]
fn mistakes_are_mistakes_by_the_schema() {
    let own = "name = \"own\"";
    let mode = "mode = \"observe\"";
    for (from, to, expected) in [
        ("\n[[up", "listn = \"a\"\n[[up", " additionalProperties"),
        ("\n[[up", "deadline_ms = 0\n[[up", "/deadline_ms minimum"),
        (
            "\n[[up",
            "shadow_percent = 101\n[[up",
            "/shadow_percent maximum",
        ),
        (
            "\n[[up",
            "[headers]\ntrust = [\"task\"]\n[[up",
            "/headers/trust/0 enum",
        ),
        (
            "\n[[up",
            "[[key]]\nname = \"a\"\nsha256 = \"og-1\"\n[[up",
            "/key/0/sha256 pattern",
        ),
        ("\n[[up", "[[key]]\nname = \"a\"\n[[up", "/key/0 required"),
        ("name = \"local\"\n", "", "/upstream/1 required"),
        ("1500", "\"1500\"", "/upstream/1/attempt_timeout_ms type"),
        ("1500", "1\ndialect = \"opnai\"", "/upstream/1/dialect enum"),
        ("http://", "ftp://", "/upstream/1/base_url pattern"),
        (mode, "mode = \"watch\"", "/pool/0/mode oneOf"),
        (mode, "policy = \"best\"", "/pool/0/policy oneOf"),
        (mode, "cascade_below = 1", "/pool/0 additionalProperties"),
        (
            own,
            "expected_quality = 2",
            "/pool/0/targets/1/expected_quality maximum",
        ),
        (
            own,
            "price = { input = 1 }",
            "/pool/0/targets/1/price required",
        ),
        (
            own,
            "parameters = { drop = \"a\" }",
            "/pool/0/targets/1/parameters/drop type",
        ),
    ] {
        assert!(
            parse(&GOOD.replacen(from, to, 1)).is_err(),
            "{to:?} is good"
        );
        assert_eq!(changed(from, to), [expected], "{to}");
    }
}

#[test]
fn the_defaults_of_the_schema_are_those_of_the_gateway() {
    let schema = schema();
    let tables = ["limits", "headers", "admin", "store", "telemetry"];
    let mut source = defaults(&schema);
    for name in tables {
        let properties = &schema["properties"][name];
        source += &format!("[{name}]\n{}", defaults(properties));
    }
    let source = source.replace("pass_unknown_models = false\n", "");
    let server = "url = \"redis://h\"\nsecret_env = \"OUTCOME_STORE_SECRET\"\n";
    let source = source.replace("[store]\n", &format!("[store]\n{server}"));
    let parse = |source: &str| {
        let config = Config::parse("f", source, variable).unwrap();
        let Config {
            listen,
            hosts,
            limits,
            headers,
            admin,
            store,
            fleet,
            telemetry,
            deadline,
            shadow_percent,
            ..
        } = config;
        let around = format!("{listen:?} {hosts:?} {deadline:?} {shadow_percent:?}");
        format!("{around} {limits:?} {headers:?} {admin:?} {store:?} {fleet:?} {telemetry:?}")
    };
    assert!(source.contains("max_requests = 4096\n"), "{source}");
    let plain = format!("[store]\n{server}{GOOD}");
    assert_eq!(parse(&format!("{source}{GOOD}")), parse(&plain));
}

#[test]
fn every_key_of_the_schema_is_described() {
    fn look(schema: &Value, at: &str) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, inner) in properties.into_iter().flatten() {
            let at = format!("{at}/{name}");
            assert!(inner["description"].is_string(), "{at}");
            assert_eq!(inner.get("format"), None, "{at}");
            look(inner, &at);
            look(&inner["items"], &at);
        }
    }
    look(&schema(), "");
}

/// The keys of a table with their defaults, as lines.
fn defaults(schema: &Value) -> String {
    let properties = schema["properties"].as_object().unwrap();
    let given = properties
        .iter()
        .filter_map(|(name, it)| it.get("default").map(|it| format!("{name} = {it}\n")));
    given.collect()
}
