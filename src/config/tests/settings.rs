//! What the file says reaches the router.

use super::*;

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
