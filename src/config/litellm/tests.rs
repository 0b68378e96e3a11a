use proptest::prelude::*;

use super::*;
use crate::{
    dialect::{self, Addressed},
    router::Upstream,
};

fn imported(yaml: &str) -> Imported {
    import("config.yaml", yaml, |_| None).unwrap()
}

fn one(params: &str) -> Imported {
    imported(&format!(
        "model_list:\n  - model_name: m\n    litellm_params: {{{params}}}\n"
    ))
}

/// The URL and the model that a chat call in the OpenAI format comes to.
fn chat(params: &str) -> (String, String) {
    let imported = one(params);
    let file: toml::Table = toml::from_str(imported.toml()).unwrap();
    let upstream = &file["upstream"][0];
    let model = file["pool"][0]["target"][0]["model"].as_str().unwrap();
    let base = upstream["base_url"].as_str().unwrap();
    let mut built = Upstream::new(base).unwrap();
    if let Some(dialect) = upstream.get("dialect") {
        built = built.dialect(dialect::named(dialect.as_str().unwrap()).unwrap());
    }
    let path = "/v1/chat/completions";
    let (spoken, endpoint) = dialect::detect(path).unwrap();
    assert!(
        built.takes(spoken.name(), Some(endpoint.operation)),
        "{params}"
    );
    let path = built.path(&Addressed::new(path, spoken.name(), endpoint, model));
    let url = format!("{}://{}{path}", built.scheme, built.authority);
    (url, model.to_owned())
}

#[test]
fn chats_reach_the_endpoint_of_each_provider() {
    let cases = [
        ("model: gpt-4o", "https://api.openai.com/v1", "gpt-4o"),
        (
            "model: openai/gpt-4o",
            "https://api.openai.com/v1",
            "gpt-4o",
        ),
        (
            "model: anthropic/claude-sonnet-4-5",
            "https://api.anthropic.com/v1",
            "claude-sonnet-4-5",
        ),
        (
            "model: anthropic/claude-sonnet-4-5, api_base: 'https://api.anthropic.com'",
            "https://api.anthropic.com/v1",
            "claude-sonnet-4-5",
        ),
        (
            "model: azure/dep, api_base: 'https://x.openai.azure.com/', api_version: 2024-10-21",
            "https://x.openai.azure.com/openai/deployments/dep",
            "dep",
        ),
        (
            "model: azure/dep, api_base: 'https://x.openai.azure.com'",
            "https://x.openai.azure.com/openai/v1",
            "dep",
        ),
        (
            "model: azure/dep, api_base: 'https://x.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2024-06-01'",
            "https://x.openai.azure.com/openai/deployments/dep",
            "dep",
        ),
        (
            "model: azure/dep, api_base: 'https://apim.example.com/llm', api_version: 2024-10-21",
            "https://apim.example.com/llm/openai/deployments/dep",
            "dep",
        ),
        (
            "model: azure_ai/grok-3, api_base: 'https://x.services.ai.azure.com/models'",
            "https://x.services.ai.azure.com/openai/v1",
            "grok-3",
        ),
        (
            "model: gemini/gemini-2.5-pro",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "gemini-2.5-pro",
        ),
        (
            "model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: europe-west1",
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/endpoints/openapi",
            "google/gemini-2.5-pro",
        ),
        (
            "model: mistral/mistral-large-latest",
            "https://api.mistral.ai/v1",
            "mistral-large-latest",
        ),
        (
            "model: groq/llama-3.3-70b-versatile",
            "https://api.groq.com/openai/v1",
            "llama-3.3-70b-versatile",
        ),
        (
            "model: deepseek/deepseek-chat",
            "https://api.deepseek.com",
            "deepseek-chat",
        ),
        (
            "model: cohere_chat/command-r",
            "https://api.cohere.com/compatibility/v1",
            "command-r",
        ),
        (
            "model: openrouter/anthropic/claude-sonnet-4",
            "https://openrouter.ai/api/v1",
            "anthropic/claude-sonnet-4",
        ),
        (
            "model: openrouter/auto",
            "https://openrouter.ai/api/v1",
            "openrouter/auto",
        ),
        (
            "model: together_ai/meta-llama/Llama-3-70b",
            "https://api.together.ai/v1",
            "meta-llama/Llama-3-70b",
        ),
        (
            "model: fireworks_ai/accounts/fireworks/models/x",
            "https://api.fireworks.ai/inference/v1",
            "accounts/fireworks/models/x",
        ),
        (
            "model: perplexity/sonar",
            "https://api.perplexity.ai",
            "sonar",
        ),
        ("model: xai/grok-4", "https://api.x.ai/v1", "grok-4"),
        (
            "model: ollama_chat/llama3",
            "http://localhost:11434/v1",
            "llama3",
        ),
        (
            "model: hosted_vllm/m, api_base: 'http://10.0.0.1:8000/v1'",
            "http://10.0.0.1:8000/v1",
            "m",
        ),
        (
            "model: hosted_vllm/m, api_base: 'http://10.0.0.1:8000'",
            "http://10.0.0.1:8000/v1",
            "m",
        ),
        ("model: lm_studio/m", "http://localhost:1234/v1", "m"),
        (
            "model: openai/m, api_base: 'http://gpu:9000/v1/'",
            "http://gpu:9000/v1",
            "m",
        ),
        (
            "model: litellm_proxy/m, api_base: 'http://llm:4000'",
            "http://llm:4000",
            "m",
        ),
        (
            "model: databricks/dbrx, api_base: 'https://adb-1.azuredatabricks.net/serving-endpoints'",
            "https://adb-1.azuredatabricks.net/serving-endpoints",
            "dbrx",
        ),
        (
            "model: huggingface/together/deepseek-ai/DeepSeek-R1",
            "https://router.huggingface.co/v1",
            "deepseek-ai/DeepSeek-R1:together",
        ),
        (
            "model: bedrock/openai.gpt-oss-120b-1:0, aws_region_name: us-west-2",
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
            "openai.gpt-oss-120b-1:0",
        ),
        (
            "model: m, custom_llm_provider: groq",
            "https://api.groq.com/openai/v1",
            "m",
        ),
        (
            "model: m, api_base: 'http://gpu:9000/v1'",
            "http://gpu:9000/v1",
            "m",
        ),
    ];
    for (params, base, model) in cases {
        let (url, named) = chat(params);
        assert_eq!(url, format!("{base}/chat/completions"), "{params}");
        assert_eq!(named, model, "{params}");
    }
}

#[test]
fn errors_name_file_line_and_column() {
    for (yaml, expected) in [
        ("", "config.yaml:1:1: the file is empty"),
        ("a: [1, 2\nb: 3", "config.yaml:2:2: "),
        (
            "model_list: 7",
            "config.yaml:1:13: model_list: expected a list, found a value",
        ),
        ("x: 1", "config.yaml:1:1: there is no model_list"),
        (
            "\nmodel_list: []",
            "config.yaml:2:13: model_list has no model that can be served here",
        ),
        (
            "model_list:\n  - model_name: '*'\n    litellm_params: {model: 'openai/*'}",
            "config.yaml:2:3: model_list has wildcards alone",
        ),
    ] {
        let error = import("config.yaml", yaml, |_| None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_fallback_of_a_fallback_stands_behind_it() {
    let yaml = "
model_list:
  - {model_name: a, litellm_params: {model: openai/a}}
  - {model_name: b, litellm_params: {model: openai/b}}
  - {model_name: c, litellm_params: {model: openai/c}}
router_settings:
  fallbacks: [{a: [b]}, {b: [c]}, {c: [a]}]
";
    let file: toml::Table = toml::from_str(imported(yaml).toml()).unwrap();
    let models = |pool: usize| -> Vec<&str> {
        let targets = file["pool"][pool]["target"].as_array().unwrap();
        targets
            .iter()
            .map(|it| it["model"].as_str().unwrap())
            .collect()
    };
    assert_eq!(models(0), ["a", "b", "c"]);
    assert_eq!(models(1), ["b", "c", "a"]);
    assert_eq!(models(2), ["c", "a", "b"]);
}

#[test]
fn addresses_come_from_the_environment_and_keys_do_not() {
    let yaml = "
model_list:
  - model_name: a
    litellm_params:
      model: azure/dep
      api_base: os.environ/AZURE_BASE
      api_version: os.environ/AZURE_SECRET_VERSION
      api_key: os.environ/AZURE_KEY
";
    let found = import("config.yaml", yaml, |name| match name {
        "AZURE_BASE" => Some("https://here.openai.azure.com".to_owned()),
        _ => Some("canary-secret".to_owned()),
    })
    .unwrap();
    assert!(found.toml().contains("https://here.openai.azure.com"));
    assert!(!found.toml().contains("canary"), "{}", found.toml());
}

/// A file in which every place that can hold a secret does.
const CANARIES: &str = r#"
environment_variables:
  OPENAI_API_KEY: canary-01
  AZURE_API_BASE: https://user:canary-02@x.openai.azure.com?key=canary-03
credential_list:
  - credential_name: one
    credential_values: {api_key: canary-04, api_base: "https://u:canary-05@host"}
model_list:
  - model_name: a
    litellm_params:
      model: openai/a
      api_key: canary-06
      organization: canary-07
      extra_headers: {authorization: Bearer canary-08}
      aws_secret_access_key: canary-09
      vertex_credentials: '{"private_key": "canary-10"}'
      azure_ad_token: canary-11
      user: canary-12
      extra_body: {secret: canary-13}
      unknown_thing: canary-14
      CANARY-KEY: canary-15
  - model_name: b
    litellm_params: {model: azure/b, api_base: os.environ/AZURE_API_BASE, api_key: "os.environ/sk-canary-16"}
  - model_name: c
    litellm_params: {model: openai/c, litellm_credential_name: one}
  - model_name: d
    litellm_params: {model: openai/d, api_base: "http://h/v1?key=canary-17#canary-18", weight: canary-19, rpm: canary-20, timeout: canary-21}
    model_info: {id: 7, secret: canary-22, max_tokens: canary-23}
  - canary-24
  - litellm_params: canary-25
router_settings:
  redis_password: canary-26
  routing_strategy: canary-27
  fallbacks: canary-28
  timeout: canary-29
  model_group_alias: {sk-canary-30: a, sk-canary-31: sk-canary-32}
litellm_settings:
  cache_params: {password: canary-33}
  callbacks: [canary-34]
general_settings:
  master_key: sk-canary-35
  database_url: postgres://u:canary-36@db
guardrails: [{api_key: canary-37}]
canary-38: canary-39
"#;

#[test]
fn no_secret_of_the_file_comes_out() {
    let found = imported(CANARIES);
    // An alias is a name that callers use, and not shown only where it has no place.
    let toml = found.toml().replace("sk-canary-30", "");
    for note in found.notes() {
        let text = note.to_string().to_ascii_lowercase();
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(!toml.to_ascii_lowercase().contains("canary"), "{toml}");
}

#[test]
fn no_secret_comes_out_of_a_broken_file() {
    // Cut anywhere, the file is broken in another way.
    for end in (0..CANARIES.len()).filter(|end| CANARIES.is_char_boundary(*end)) {
        let text = match import("config.yaml", &CANARIES[..end], |_| None) {
            Ok(found) => found.toml().replace("sk-canary-30", ""),
            Err(error) => error.to_string(),
        };
        assert!(
            !text.to_ascii_lowercase().contains("canary-"),
            "{end}: {text}"
        );
    }
}

/// YAML of the shape that is read, with values of any.
fn shaped() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("os.environ/X".to_owned()),
        Just("openai/gpt-4o".to_owned()),
        Just("azure/a".to_owned()),
        Just("bedrock/x".to_owned()),
        Just("vertex_ai/claude".to_owned()),
        Just("'*'".to_owned()),
        Just("https://a.b/c".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("[a, {a: b}]".to_owned()),
        Just("~".to_owned()),
        any::<f64>().prop_map(|it| it.to_string()),
        "[ -~]{0,12}".prop_map(|it| format!("'{}'", it.replace('\'', ""))),
        "\\PC{0,12}".prop_map(|it| format!("{it:?}")),
    ];
    let names = prop::sample::select(vec![
        "model",
        "api_key",
        "api_base",
        "api_version",
        "weight",
        "order",
        "timeout",
        "rpm",
        "aws_region_name",
        "vertex_location",
        "additional_drop_params",
        "custom_llm_provider",
        "max_tokens",
        "input_cost_per_token",
    ]);
    let params = prop::collection::vec((names, scalar.clone()), 0..6);
    let entry = (scalar.clone(), params).prop_map(|(name, params)| {
        let params: String = params
            .iter()
            .map(|(key, value)| format!("      {key}: {value}\n"))
            .collect();
        format!("  - model_name: {name}\n    litellm_params:\n      model: openai/x\n{params}")
    });
    let entries = prop::collection::vec(entry, 0..5);
    (entries, scalar.clone(), scalar.clone(), scalar).prop_map(|(entries, a, b, c)| {
        format!(
            "model_list:\n{}router_settings:\n  fallbacks: {a}\n  model_group_alias: {b}\n  timeout: {c}\n",
            entries.concat()
        )
    })
}

proptest! {
    #[test]
    fn whatever_the_text_nothing_panics(text in "\\PC{0,200}") {
        let _ = import("config.yaml", &text, |_| None);
    }

    #[test]
    fn whatever_the_values_what_comes_out_is_read(text in shaped()) {
        if let Err(error) = import("config.yaml", &text, |_| Some("v".to_owned())) {
            let error = error.to_string();
            prop_assert!(!error.contains("cannot be carried over"), "{error}");
        }
    }

    #[test]
    fn yaml_of_punctuation_does_not_panic(text in "[-:,\\[\\]{}&*!|>'\"%@` \n#?a]{0,80}") {
        let _ = import("config.yaml", &text, |_| None);
    }
}
