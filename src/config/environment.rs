//! The file for those who have none: a pool for each provider whose key is in the environment.

use std::fmt::Write as _;

use super::ConfigError;

/// A provider, by the usual name of the variable that holds its key.
struct Provider {
    name: &'static str,
    /// The first that is set counts.
    variables: &'static [&'static str],
    /// As its SDK takes it.
    base_url: &'static str,
    /// Where the host does not tell.
    dialect: Option<&'static str>,
    /// What it serves in November 2026, the best first. Only a start: a file of one's own names what
    /// one wants.
    models: &'static [&'static str],
}

const PROVIDERS: &[Provider] = &[
    Provider {
        name: "openai",
        variables: &["OPENAI_API_KEY"],
        base_url: "https://api.openai.com/v1",
        dialect: None,
        models: &["gpt-6.1-sol", "gpt-6.1-terra", "gpt-6-luna"],
    },
    Provider {
        name: "anthropic",
        variables: &["ANTHROPIC_API_KEY"],
        base_url: "https://api.anthropic.com",
        dialect: None,
        models: &["claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"],
    },
    Provider {
        name: "gemini",
        variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_url: "https://generativelanguage.googleapis.com",
        dialect: None,
        models: &["gemini-3.8-flash", "gemini-3.5-flash-lite"],
    },
    Provider {
        name: "mistral",
        variables: &["MISTRAL_API_KEY"],
        base_url: "https://api.mistral.ai/v1",
        dialect: None,
        models: &[
            "mistral-large-latest",
            "mistral-medium-latest",
            "mistral-small-latest",
        ],
    },
    Provider {
        name: "groq",
        variables: &["GROQ_API_KEY"],
        base_url: "https://api.groq.com/openai/v1",
        dialect: None,
        models: &["openai/gpt-oss-120b", "openai/gpt-oss-20b"],
    },
    Provider {
        name: "deepseek",
        variables: &["DEEPSEEK_API_KEY"],
        base_url: "https://api.deepseek.com",
        dialect: None,
        models: &["deepseek-v4-pro", "deepseek-v4-flash"],
    },
    Provider {
        name: "cohere",
        variables: &["COHERE_API_KEY", "CO_API_KEY"],
        base_url: "https://api.cohere.com",
        dialect: None,
        models: &["command-a-03-2025", "command-r7b-12-2024"],
    },
    Provider {
        name: "xai",
        variables: &["XAI_API_KEY"],
        base_url: "https://api.x.ai/v1",
        dialect: Some("openai"),
        models: &["grok-4.5", "grok-4.3"],
    },
    Provider {
        name: "openrouter",
        variables: &["OPENROUTER_API_KEY"],
        base_url: "https://openrouter.ai/api/v1",
        dialect: None,
        models: &[
            "openai/gpt-6.1-terra",
            "anthropic/claude-sonnet-5",
            "google/gemini-3.8-flash",
        ],
    },
];

/// What errors name as the place, where there is no file.
pub(super) const FILE: &str = "(environment)";

/// Writes the file. It names the variables; no key stands in it.
pub(super) fn source(variable: impl Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let is_set = |name: &str| variable(name).is_some_and(|key| !key.trim().is_empty());
    let found: Vec<_> = PROVIDERS
        .iter()
        .filter_map(|provider| {
            let mut variables = provider.variables.iter().copied();
            Some((provider, variables.find(|name| is_set(name))?))
        })
        .collect();
    if found.is_empty() {
        let known = PROVIDERS.iter().flat_map(|provider| provider.variables);
        let known = known.copied().collect::<Vec<_>>().join(", ");
        let message = format!(
            "no key of a provider is set; export one of {known}, or name a file with --config (see \
             `outcome-gateway example`)"
        );
        return Err(ConfigError::whole(FILE, message));
    }
    let mut text = String::from(
        "# Made of the keys in the environment. The models are only a start: keep those you want.\n",
    );
    // Whoever calls a single provider means that one. With several, nothing tells whose an unknown
    // model is, and a guess would show what was meant for one provider to another.
    if let [(only, _)] = &found[..] {
        let _ = write!(
            text,
            "# What no pool serves goes there, too.\ndefault_upstream = {:?}\n\
             pass_unknown_models = true\n",
            only.name
        );
    }
    for (provider, key) in &found {
        provider.write(&mut text, key);
    }
    Ok(text)
}

impl Provider {
    fn write(&self, text: &mut String, key: &str) {
        let Self {
            name,
            base_url,
            models,
            ..
        } = self;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[[upstream]]\nname = {name:?}\nbase_url = {base_url:?}\napi_key_env = {key:?}\n"
        );
        if let Some(dialect) = self.dialect {
            let _ = writeln!(text, "dialect = {dialect:?}");
        }
        let _ = write!(text, "\n[[pool]]\nname = {name:?}\ntargets = [\n");
        for model in *models {
            let _ = writeln!(text, "    {{ model = {model:?}, upstream = {name:?} }},");
        }
        text.push_str("]\n");
    }
}
