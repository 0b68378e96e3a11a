//! Where each provider takes requests in the OpenAI format, as LiteLLM finds it.

/// A provider by the name that LiteLLM has for it.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: &'static str,
    /// Where it is, unless the file says so.
    pub(super) base: Option<&'static str>,
    /// The variable that LiteLLM reads its key from, unless the file names one.
    pub(super) key: Option<&'static str>,
    /// What its upstream has to be told to speak, because its host does not say so.
    pub(super) dialect: Option<&'static str>,
    pub(super) kind: Kind,
}

/// How its address is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The base URL as it is.
    Plain,
    /// As `Plain`, but on the machines of whoever runs it: without a key unless one is given.
    Own,
    Azure,
    AzureAi,
    Bedrock,
    Vertex,
    /// The base URL and a path that Databricks has behind every workspace.
    Databricks,
    HuggingFace,
    /// Its API keys do not open it, or nothing of it is in the OpenAI format.
    Foreign,
}

/// Finds a provider, and the name under which it stands in the results.
pub(super) fn named(name: &str) -> Option<&'static Provider> {
    let name = match name {
        "text-completion-openai"
        | "custom_openai"
        | "aiohttp_openai"
        | "openai_like"
        | "litellm_proxy" => "openai",
        "cohere_chat" => "cohere",
        "ollama_chat" => "ollama",
        "vertex_ai_beta" => "vertex_ai",
        "azure_text" => "azure",
        "bedrock_converse" => "bedrock",
        "text-completion-codestral" => "codestral",
        "ai21_chat" => "ai21",
        "anthropic_text" => "anthropic",
        "vllm" => "hosted_vllm",
        name => name,
    };
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// Guesses the provider of a model without one, by the families of names that LiteLLM's list of
/// models knows.
pub(super) fn of_model(model: &str) -> Option<&'static str> {
    let begins = |starts: &[&str]| starts.iter().any(|start| model.starts_with(start));
    let openai = [
        "gpt-",
        "chatgpt-",
        "o1",
        "o3",
        "o4",
        "ft:",
        "text-embedding-",
        "dall-e-",
        "whisper-",
        "tts-",
        "omni-moderation-",
        "babbage-",
        "davinci-",
        "codex-",
        "computer-use-",
    ];
    let bedrock = [
        "anthropic.",
        "amazon.",
        "meta.",
        "mistral.",
        "cohere.",
        "ai21.",
        "us.",
        "eu.",
        "apac.",
        "deepseek.",
        "openai.gpt-",
    ];
    let found = if begins(&openai) {
        "openai"
    } else if begins(&["claude-"]) {
        "anthropic"
    } else if begins(&["gemini-"]) {
        "vertex_ai"
    } else if begins(&["command-", "embed-"]) {
        "cohere"
    } else if begins(&bedrock) {
        "bedrock"
    } else {
        return None;
    };
    Some(found)
}

const fn plain(name: &'static str, base: &'static str, key: &'static str) -> Provider {
    Provider {
        name,
        base: Some(base),
        key: Some(key),
        dialect: None,
        kind: Kind::Plain,
    }
}

const fn own(
    name: &'static str,
    base: Option<&'static str>,
    dialect: Option<&'static str>,
) -> Provider {
    Provider {
        name,
        base,
        key: None,
        dialect,
        kind: Kind::Own,
    }
}

const fn special(name: &'static str, key: &'static str, kind: Kind) -> Provider {
    Provider {
        name,
        base: None,
        key: Some(key),
        dialect: None,
        kind,
    }
}

const fn foreign(name: &'static str) -> Provider {
    Provider {
        name,
        base: None,
        key: None,
        dialect: None,
        kind: Kind::Foreign,
    }
}

const PROVIDERS: &[Provider] = &[
    plain("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    // Their own host speaks their own format; this part of it takes OpenAI's.
    Provider {
        dialect: Some("openai"),
        ..plain(
            "anthropic",
            "https://api.anthropic.com/v1",
            "ANTHROPIC_API_KEY",
        )
    },
    special("azure", "AZURE_API_KEY", Kind::Azure),
    special("azure_ai", "AZURE_AI_API_KEY", Kind::AzureAi),
    special("bedrock", "AWS_BEARER_TOKEN_BEDROCK", Kind::Bedrock),
    special("vertex_ai", "VERTEX_ACCESS_TOKEN", Kind::Vertex),
    special("databricks", "DATABRICKS_API_KEY", Kind::Databricks),
    special("huggingface", "HUGGINGFACE_API_KEY", Kind::HuggingFace),
    plain(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    plain("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    plain(
        "codestral",
        "https://codestral.mistral.ai/v1",
        "CODESTRAL_API_KEY",
    ),
    plain("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    plain("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    plain("cohere", "https://api.cohere.com", "COHERE_API_KEY"),
    plain(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    plain(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITYAI_API_KEY",
    ),
    plain(
        "together_ai",
        "https://api.together.ai/v1",
        "TOGETHERAI_API_KEY",
    ),
    plain(
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    ),
    plain("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    plain(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        "DEEPINFRA_API_KEY",
    ),
    plain(
        "nvidia_nim",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_NIM_API_KEY",
    ),
    plain("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    plain(
        "sambanova",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
    ),
    plain("ai21", "https://api.ai21.com/studio/v1", "AI21_API_KEY"),
    plain(
        "nebius",
        "https://api.studio.nebius.ai/v1",
        "NEBIUS_API_KEY",
    ),
    plain(
        "novita",
        "https://api.novita.ai/v3/openai",
        "NOVITA_API_KEY",
    ),
    plain(
        "friendliai",
        "https://api.friendli.ai/serverless/v1",
        "FRIENDLI_TOKEN",
    ),
    plain(
        "baseten",
        "https://inference.baseten.co/v1",
        "BASETEN_API_KEY",
    ),
    plain(
        "meta_llama",
        "https://api.llama.com/compat/v1",
        "LLAMA_API_KEY",
    ),
    plain(
        "featherless_ai",
        "https://api.featherless.ai/v1",
        "FEATHERLESS_AI_API_KEY",
    ),
    plain(
        "hyperbolic",
        "https://api.hyperbolic.xyz/v1",
        "HYPERBOLIC_API_KEY",
    ),
    plain("lambda_ai", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    plain(
        "nscale",
        "https://inference.api.nscale.com/v1",
        "NSCALE_API_KEY",
    ),
    plain("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    plain(
        "dashscope",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
    ),
    plain(
        "volcengine",
        "https://ark.cn-beijing.volces.com/api/v3",
        "VOLCENGINE_API_KEY",
    ),
    plain("minimax", "https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    plain("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    plain(
        "github",
        "https://models.inference.ai.azure.com",
        "GITHUB_API_KEY",
    ),
    plain(
        "vercel_ai_gateway",
        "https://ai-gateway.vercel.sh/v1",
        "VERCEL_AI_GATEWAY_API_KEY",
    ),
    plain(
        "wandb",
        "https://api.inference.wandb.ai/v1",
        "WANDB_API_KEY",
    ),
    plain("v0", "https://api.v0.dev/v1", "V0_API_KEY"),
    plain("morph", "https://api.morphllm.com/v1", "MORPH_API_KEY"),
    plain(
        "inception",
        "https://api.inceptionlabs.ai/v1",
        "INCEPTION_API_KEY",
    ),
    plain("voyage", "https://api.voyageai.com/v1", "VOYAGE_API_KEY"),
    plain("jina_ai", "https://api.jina.ai/v1", "JINA_AI_API_KEY"),
    plain("scaleway", "https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    plain("poe", "https://api.poe.com/v1", "POE_API_KEY"),
    own("ollama", Some("http://localhost:11434"), Some("ollama")),
    own("hosted_vllm", None, Some("vllm")),
    own("lm_studio", Some("http://localhost:1234/v1"), None),
    own("llamafile", Some("http://127.0.0.1:8080/v1"), None),
    own(
        "docker_model_runner",
        Some("http://localhost:12434/engines/llama.cpp/v1"),
        None,
    ),
    own("xinference", Some("http://127.0.0.1:9997/v1"), None),
    own("infinity", None, None),
    own("oobabooga", None, None),
    foreign("sagemaker"),
    foreign("sagemaker_chat"),
    foreign("replicate"),
    foreign("watsonx"),
    foreign("watsonx_text"),
    foreign("oci"),
    foreign("sap"),
    foreign("triton"),
    foreign("predibase"),
    foreign("nlp_cloud"),
    foreign("aleph_alpha"),
    foreign("petals"),
    foreign("clarifai"),
    foreign("snowflake"),
    foreign("gigachat"),
    foreign("github_copilot"),
    foreign("chatgpt"),
    foreign("deepgram"),
    foreign("elevenlabs"),
    foreign("assemblyai"),
    foreign("recraft"),
    foreign("stability"),
    foreign("fal_ai"),
    foreign("langgraph"),
    foreign("bytez"),
    foreign("auto_router"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_there_once() {
        for provider in PROVIDERS {
            let same = PROVIDERS.iter().filter(|it| it.name == provider.name);
            assert_eq!(same.count(), 1, "{}", provider.name);
        }
    }

    #[test]
    fn families_of_models_have_a_provider() {
        for (model, provider) in [
            ("gpt-4o", "openai"),
            ("o3-mini", "openai"),
            ("claude-sonnet-4-5", "anthropic"),
            ("gemini-2.5-pro", "vertex_ai"),
            ("command-r-plus", "cohere"),
            ("anthropic.claude-3-haiku-20240307-v1:0", "bedrock"),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", "bedrock"),
        ] {
            assert_eq!(of_model(model), Some(provider), "{model}");
            assert!(named(provider).is_some());
        }
        assert_eq!(of_model("my-own-model"), None);
    }
}
