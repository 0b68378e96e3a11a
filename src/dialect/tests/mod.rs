//! What holds across dialects: which paths are whose, and how they are put behind a base URL.

mod events;

use super::*;

fn located(target: &str, body: &str) -> Result<(&'static str, Located), Unroutable> {
    let path = target.split('?').next().unwrap();
    let (dialect, endpoint) = detect(path).unwrap_or_else(|| panic!("{path}"));
    let body = [Bytes::copy_from_slice(body.as_bytes())];
    let located = dialect.locate(endpoint, target, Some("application/json"), &body)?;
    Ok((dialect.name(), located))
}

/// Renames and puts together as the layer does.
fn renamed(target: &str, body: &str, model: &str) -> (String, String) {
    let (_, located) = located(target, body).unwrap();
    let (mut target, mut edits) = (target.to_owned(), vec![]);
    for site in located.sites {
        let with = site.place.write(model).unwrap();
        if site.place.is_path() {
            target.replace_range(site.range, str::from_utf8(&with).unwrap());
        } else {
            edits.push(json::Edit::new(site.range, with));
        }
    }
    let edited = json::edit(&[Bytes::copy_from_slice(body.as_bytes())], &edits);
    let body: Vec<u8> = edited.chunks.iter().flatten().copied().collect();
    (target, String::from_utf8(body).unwrap())
}

#[test]
fn a_path_tells_whose_it_is() {
    for (path, dialect, operation, base) in [
        ("/v1/chat/completions", "openai", "/chat/completions", "/v1"),
        (
            "/openai/v1/chat/completions",
            "openai",
            "/chat/completions",
            "/openai/v1",
        ),
        (
            "/v1beta/openai/chat/completions",
            "openai",
            "/chat/completions",
            "/v1beta/openai",
        ),
        (
            "/v1/audio/transcriptions",
            "openai",
            "/audio/transcriptions",
            "/v1",
        ),
        ("/openai/responses", "openai", "/responses", "/openai"),
        (
            "/openai/deployments/d%20e/chat/completions",
            "azure",
            "/chat/completions",
            "/openai",
        ),
        (
            "/openai/deployments/d/audio/transcriptions",
            "azure",
            "/audio/transcriptions",
            "/openai",
        ),
        ("/v1/messages", "anthropic", "/v1/messages", ""),
        (
            "/anthropic/v1/messages",
            "anthropic",
            "/v1/messages",
            "/anthropic",
        ),
        (
            "/v1beta/models/gemini:generateContent",
            "gemini",
            ":generateContent",
            "/v1beta",
        ),
        (
            "/v1/tunedModels/x:streamGenerateContent",
            "gemini",
            ":streamGenerateContent",
            "/v1",
        ),
        ("/v1beta/interactions", "gemini", "/interactions", "/v1beta"),
        (
            "/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
            "vertex",
            ":generateContent",
            "/v1/projects/p/locations/l",
        ),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict",
            "vertex-anthropic",
            ":streamRawPredict",
            "/v1/projects/p/locations/l",
        ),
        (
            "/model/us.anthropic.c%3A0/converse-stream",
            "bedrock",
            "/converse-stream",
            "",
        ),
        ("/model/a:0/invoke", "bedrock", "/invoke", ""),
        ("/v2/chat", "cohere", "/v2/chat", ""),
        ("/v1/rerank", "cohere", "/v1/rerank", ""),
        ("/api/chat", "ollama", "/api/chat", ""),
        ("/api/embeddings", "ollama", "/api/embeddings", ""),
        ("/v1/fim/completions", "mistral", "/fim/completions", "/v1"),
        ("/v1/ocr", "mistral", "/ocr", "/v1"),
        ("/completion", "llama-cpp", "/completion", ""),
        ("/score", "vllm", "/score", ""),
    ] {
        let (found, endpoint) = detect(path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!(found.name(), dialect, "{path}");
        assert_eq!(endpoint.operation, operation, "{path}");
        assert_eq!(path.get(..endpoint.suffix), Some(base), "{path}");
    }
}

#[test]
fn what_is_no_routable_inference_is_nobodys() {
    for path in [
        "/v1/models",
        "/v1/files",
        "/v1/batches",
        "/v1/realtime",
        "/v1/fine_tuning/jobs",
        "/v1/messages/batches",
        "/v1/agents/completions",
        "/v1beta/models",
        "/v1beta/models/gemini",
        "/v1beta/models/gemini:batchGenerateContent",
        "/v1beta/models/a/b:generateContent",
        "/v1beta/models/:generateContent",
        "/v1beta/models/..:generateContent",
        "/openai/deployments//chat/completions",
        "/openai/deployments/../chat/completions",
        "/openai/deployments/a/b/chat/completions",
        "/openai/deployments/d/extensions/chat/completions",
        "/model/m/invoke-with-bidirectional-stream",
        "/model/m/x/invoke",
        "/model/../invoke",
        "/v1/projects/p/locations/l/endpoints/1:predict",
        "/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict",
        "/api/tags",
        "/api/pull",
    ] {
        assert_eq!(detect(path).map(|(it, _)| it.name()), None, "{path}");
    }
}

#[test]
fn a_model_in_the_path_is_read_and_written_there() {
    for (target, body, model, other, expected) in [
        (
            "/openai/deployments/dep%20A/embeddings?api-version=1",
            r#"{"model":"x","input":""}"#,
            "dep A",
            "b/c",
            (
                "/openai/deployments/b%2Fc/embeddings?api-version=1",
                r#"{"model":"b/c","input":""}"#,
            ),
        ),
        (
            "/v1beta/models/gemini-2.5-flash:batchEmbedContents",
            r#"{"requests":[{"model":"models/gemini-2.5-flash","content":{}},{"content":{},"model":"models/x"}]}"#,
            "gemini-2.5-flash",
            "e",
            (
                "/v1beta/models/e:batchEmbedContents",
                r#"{"requests":[{"model":"models/e","content":{}},{"content":{},"model":"models/e"}]}"#,
            ),
        ),
        (
            "/v1/tunedModels/t-1:generateContent",
            "{}",
            "tunedModels/t-1",
            "g",
            ("/v1/models/g:generateContent", "{}"),
        ),
        (
            "/v1beta/models/g:generateContent",
            "{}",
            "g",
            "tunedModels/t-1",
            ("/v1beta/tunedModels/t-1:generateContent", "{}"),
        ),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:rawPredict",
            r#"{"anthropic_version":"vertex"}"#,
            "claude@1",
            "claude@2",
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude%402:rawPredict",
                r#"{"anthropic_version":"vertex"}"#,
            ),
        ),
        (
            "/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Fp/converse",
            r#"{"model":"not mine"}"#,
            "arn:aws:bedrock:eu:1:inference-profile/p",
            "m:0",
            ("/model/m%3A0/converse", r#"{"model":"not mine"}"#),
        ),
    ] {
        assert_eq!(located(target, body).unwrap().1.model, model, "{target}");
        let (path, written) = renamed(target, body, other);
        assert_eq!((&*path, &*written), expected, "{target}");
    }
}

#[test]
fn an_answer_is_streamed_where_the_path_or_the_body_says() {
    for (target, body, streamed) in [
        ("/v1beta/models/g:streamGenerateContent?alt=sse", "{}", true),
        (
            "/v1beta/models/g:generateContent",
            r#"{"stream":true}"#,
            false,
        ),
        ("/model/m/converse-stream", "{}", true),
        ("/model/m/invoke", "{}", false),
        ("/api/chat", r#"{"model":"m"}"#, true),
        ("/api/generate", r#"{"model":"m","stream":false}"#, false),
        ("/api/embed", r#"{"model":"m"}"#, false),
        ("/v2/chat", r#"{"model":"m","stream":true}"#, true),
    ] {
        assert_eq!(
            located(target, body).unwrap().1.stream,
            streamed,
            "{target}"
        );
    }
}

#[test]
fn paths_are_put_behind_base_urls_as_each_provider_has_them() {
    let chat = "/v1/chat/completions";
    let message = "/v1/messages";
    for (dialect, base, path, expected) in [
        ("openai", "/v1", chat, "/v1/chat/completions"),
        ("groq", "/openai/v1", chat, "/openai/v1/chat/completions"),
        ("deepseek", "", chat, "/chat/completions"),
        ("deepseek", "/v1", "/v1/completions", "/beta/completions"),
        ("deepseek", "", message, "/anthropic/v1/messages"),
        ("openrouter", "/api/v1", chat, "/api/v1/chat/completions"),
        ("openrouter", "/api/v1", message, "/api/v1/messages"),
        ("anthropic", "", message, "/v1/messages"),
        ("anthropic", "/v1", message, "/v1/messages"),
        ("mistral", "", chat, "/v1/chat/completions"),
        (
            "mistral",
            "/v1",
            "/v1/fim/completions",
            "/v1/fim/completions",
        ),
        ("ollama", "", chat, "/v1/chat/completions"),
        ("ollama", "/v1", "/api/chat", "/api/chat"),
        ("ollama", "/v1", message, "/v1/messages"),
        ("vllm", "/v1", "/score", "/score"),
        ("vllm", "", "/v1/rerank", "/v1/rerank"),
        ("vllm", "/sub/v1", chat, "/sub/v1/chat/completions"),
        ("llama-cpp", "", "/completion", "/completion"),
        ("cohere", "", "/v2/chat", "/v2/chat"),
        ("cohere", "/v2", "/v2/chat", "/v2/chat"),
        ("cohere", "/compatibility/v1", "/v2/chat", "/v2/chat"),
        ("cohere", "", chat, "/compatibility/v1/chat/completions"),
        (
            "gemini",
            "",
            "/v1/models/m:generateContent",
            "/v1/models/m:generateContent",
        ),
        (
            "gemini",
            "/v1beta",
            "/v1/models/m:generateContent",
            "/v1beta/models/m:generateContent",
        ),
        (
            "gemini",
            "/v1beta/openai",
            chat,
            "/v1beta/openai/chat/completions",
        ),
        ("gemini", "", chat, "/v1beta/openai/chat/completions"),
        ("azure", "/openai/v1", chat, "/openai/v1/chat/completions"),
        (
            "azure",
            "/openai",
            chat,
            "/openai/deployments/m%2F1/chat/completions",
        ),
        ("azure", "/openai", "/v1/responses", "/openai/responses"),
        (
            "azure",
            "/openai/v1",
            "/openai/deployments/d/chat/completions",
            "/openai/deployments/d/chat/completions",
        ),
        ("bedrock", "", "/model/m/converse", "/model/m/converse"),
        (
            "vertex",
            "/v1/projects/a/locations/b",
            "/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
            "/v1/projects/a/locations/b/publishers/google/models/g:generateContent",
        ),
    ] {
        let (of, endpoint) = detect(path).unwrap();
        let request = Addressed::new(path, of.name(), endpoint, "m/1");
        let own = named(dialect).unwrap();
        assert!(own.takes(of.name(), endpoint.operation), "{dialect} {path}");
        assert_eq!(
            own.path(base, &request),
            expected,
            "{dialect} {base} {path}"
        );
    }
}

#[test]
fn providers_are_known_by_their_hosts() {
    for (host, dialect) in [
        ("api.openai.com", Some("openai")),
        ("eu.api.openai.com", Some("openai")),
        ("api.anthropic.com", Some("anthropic")),
        ("generativelanguage.googleapis.com", Some("gemini")),
        ("us-central1-aiplatform.googleapis.com", Some("vertex")),
        ("aiplatform.googleapis.com", Some("vertex")),
        ("bedrock-runtime.eu-west-1.amazonaws.com", Some("bedrock")),
        ("my.openai.azure.com", Some("azure")),
        ("api.groq.com", Some("groq")),
        ("api.mistral.ai", Some("mistral")),
        ("api.deepseek.com", Some("deepseek")),
        ("openrouter.ai", Some("openrouter")),
        ("api.cohere.com", Some("cohere")),
        ("notapi.openai.com", None),
        ("api.openai.com.evil.example", None),
        ("storage.googleapis.com", None),
        ("s3.amazonaws.com", None),
        ("localhost", None),
        ("", None),
    ] {
        assert_eq!(at(host).map(Dialect::name), dialect, "{host}");
    }
}

#[test]
fn names_are_unique_and_lead_back() {
    for dialect in ALL {
        assert_eq!(
            named(dialect.name()).map(Dialect::name),
            Some(dialect.name())
        );
        assert!(dialect.credential("").is_none(), "{}", dialect.name());
        let (_, value) = dialect.credential("secret").unwrap();
        assert!(value.is_sensitive(), "{}", dialect.name());
        for (operation, _) in dialect.operations() {
            assert!(
                dialect.takes(dialect.name(), operation),
                "{} {operation}",
                dialect.name()
            );
        }
    }
}

#[test]
fn an_upstream_takes_what_its_provider_offers() {
    for (dialect, request, operation, takes) in [
        ("groq", "openai", "/responses", true),
        ("groq", "openai", "/moderations", false),
        ("deepseek", "openai", "/embeddings", false),
        ("deepseek", "anthropic", "/v1/messages", true),
        ("openai", "anthropic", "/v1/messages", false),
        ("anthropic", "openai", "/chat/completions", false),
        ("ollama", "anthropic", "/v1/messages", true),
        ("gemini", "openai", "/chat/completions", true),
        ("gemini", "openai", "/responses", false),
        ("azure", "openai", "/responses", true),
        ("openai", "azure", "/chat/completions", false),
        ("vertex", "vertex-anthropic", ":rawPredict", true),
    ] {
        let own = named(dialect).unwrap();
        assert_eq!(
            own.takes(request, operation),
            takes,
            "{dialect} {request} {operation}"
        );
    }
}

#[test]
fn an_error_of_ours_has_the_shape_of_the_callers_dialect() {
    let refusal = Refusal {
        status: StatusCode::TOO_MANY_REQUESTS,
        message: "Nobody \"is\" free.",
        retry_after: Some(Duration::from_millis(1500)),
        quota: false,
    };
    for (dialect, expected) in [
        (
            "gemini",
            r#"{"error":{"code":429,"message":"Nobody \"is\" free.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}]}}"#,
        ),
        (
            "bedrock",
            r#"{"__type":"ThrottlingException","message":"Nobody \"is\" free."}"#,
        ),
        ("cohere", r#"{"message":"Nobody \"is\" free."}"#),
        ("ollama", r#"{"error":"Nobody \"is\" free."}"#),
        (
            "vertex-anthropic",
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"Nobody \"is\" free."}}"#,
        ),
        (
            "azure",
            r#"{"error":{"message":"Nobody \"is\" free.","type":"rate_limit_exceeded","param":null,"code":"rate_limit_exceeded"}}"#,
        ),
    ] {
        let body = named(dialect).unwrap().refusal(&refusal);
        assert_eq!(str::from_utf8(&body).unwrap(), expected, "{dialect}");
    }
}
