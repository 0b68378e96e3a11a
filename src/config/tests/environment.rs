//! With no file, the keys in the environment are enough.

use super::*;

/// What `name` has in an environment of these variables.
fn set<'a>(names: &'a [&'a str]) -> impl Fn(&str) -> Option<String> + Copy + 'a {
    move |name| names.contains(&name).then(|| "canary-secret".to_owned())
}

fn config_of(names: &[&str]) -> (Config, String) {
    let source = Config::source_for(set(names)).unwrap();
    let config = Config::parse("(environment)", &source, set(names)).unwrap();
    (config, source)
}

#[test]
fn a_single_key_makes_a_pool_and_takes_what_is_unknown() {
    let (config, source) = config_of(&["OPENAI_API_KEY"]);
    assert!(config.router().knows("openai"));
    assert!(config.pass_unknown_models && config.default_upstream.is_some());
    assert!(!source.contains("canary"));
    assert_eq!(config.warnings().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_key_makes_a_pool_and_nothing_unknown_is_passed() {
    let names = [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "MISTRAL_API_KEY",
        "GROQ_API_KEY",
        "DEEPSEEK_API_KEY",
        "COHERE_API_KEY",
        "XAI_API_KEY",
        "OPENROUTER_API_KEY",
    ];
    let (config, source) = config_of(&names);
    let pools = config.router().snapshot().pools;
    assert_eq!(pools.len(), names.len(), "{source}");
    assert!(pools.iter().all(|pool| pool.targets.len() > 1), "{source}");
    assert!(!config.pass_unknown_models && config.default_upstream.is_none());
    // Each speaks a dialect: what it cannot take is kept away from it.
    for name in names {
        assert!(source.contains(name), "{name}: {source}");
    }
    assert_eq!(config.warnings().collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_key_has_another_usual_name() {
    for (name, pool) in [("GOOGLE_API_KEY", "gemini"), ("CO_API_KEY", "cohere")] {
        let (config, source) = config_of(&[name]);
        assert!(config.router().knows(pool));
        assert!(source.contains(name));
    }
    let (_, source) = config_of(&["GOOGLE_API_KEY", "GEMINI_API_KEY"]);
    assert!(!source.contains("GOOGLE_API_KEY"));
}

#[test]
fn without_a_key_the_error_says_which_are_looked_for() {
    let blank = |name: &str| (name == "OPENAI_API_KEY").then(|| " ".to_owned());
    for error in [
        Config::source_for(|_| None).unwrap_err(),
        Config::source_for(blank).unwrap_err(),
    ] {
        let error = error.to_string();
        for part in ["no key of a provider is set", "OPENAI_API_KEY", "--config"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn a_key_that_no_header_can_carry_is_told_by_the_name_of_its_variable() {
    let broken = |name: &str| (name == "GROQ_API_KEY").then(|| "canary\nsecret".to_owned());
    let source = Config::source_for(broken).unwrap();
    let error = Config::parse("(environment)", &source, broken).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("GROQ_API_KEY") && !error.contains("canary"),
        "{error}"
    );
}
