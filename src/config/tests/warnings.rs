//! What is allowed but probably not meant.

use super::*;

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
            "http://127.0.0.1:8000/v1",
            "http://localhost:8080/v1",
            "upstream \"local\": the gateway itself listens on 127.0.0.1:8080",
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
