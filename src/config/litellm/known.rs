//! What becomes of each setting that is not carried over.

use super::{
    notes::{NoteKind, Notes, shown_key},
    yaml::Node,
};

/// Of a map: which settings are read elsewhere, and what is said of others.
pub(super) struct Known {
    /// Those that are carried over, or say nothing of how requests are served.
    pub(super) read: &'static [&'static str],
    pub(super) said: &'static [(&'static [&'static str], NoteKind, &'static str)],
}

/// Parameters that LiteLLM adds to a request whose caller gives none.
pub(super) const DEFAULTS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "user",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "thinking",
    "extra_body",
    "dimensions",
    "encoding_format",
    "stream_options",
    "store",
    "metadata",
    "voice",
    "keep_alive",
    "num_ctx",
    "repeat_penalty",
    "min_p",
    "repetition_penalty",
];

/// Notes what a map says that is not carried over.
pub(super) fn note_all(notes: &mut Notes, map: &Node, path: &str, known: &Known) {
    for (key, value) in map.entries() {
        let name = key.text.as_str();
        // Where people put what they refer to by aliases.
        let is_private = path.is_empty() && name.starts_with(['x', '.', '_']) && value.is_map();
        if value.is_null() || known.read.contains(&name) || is_private {
            continue;
        }
        let said = known.said.iter().find(|(names, ..)| names.contains(&name));
        let (kind, text) = match said {
            Some((_, kind, text)) => (*kind, *text),
            None => (NoteKind::Lost, "no counterpart"),
        };
        notes.setting(kind, key.place, format!("{path}{}", shown_key(key)), text);
    }
}

const LIMITS: (&[&str], NoteKind, &str) = (
    &["rpm", "tpm", "itpm", "otpm"],
    NoteKind::Replaced,
    "limits are not configured here: the provider's headers tell what is left, which is kept to, as are \
     its 429s",
);

pub(super) const TOP: &Known = &Known {
    read: &[
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
        "environment_variables",
        "credential_list",
        "include",
    ],
    said: &[
        (
            &["guardrails", "policies", "policy_attachments", "prompts"],
            NoteKind::Lost,
            "requests and answers are not changed, checked or filtered here",
        ),
        (
            &[
                "mcp_servers",
                "mcp_tools",
                "mcp_aliases",
                "agent_list",
                "vector_store_registry",
                "search_tools",
                "assistant_settings",
            ],
            NoteKind::Lost,
            "only requests for models are served here",
        ),
        (
            &["files_settings", "finetune_settings", "batch_settings"],
            NoteKind::Lost,
            "files, batches and fine-tuning go untouched to the default_upstream, where one is set",
        ),
        (
            &["callback_settings"],
            NoteKind::Lost,
            "there are no callbacks; see the metrics and OTLP",
        ),
    ],
};

pub(super) const DEPLOYMENT: &Known = &Known {
    read: &["model_name", "litellm_params", "model_info"],
    said: &[LIMITS],
};

pub(super) const PARAMS: &Known = &Known {
    read: &[
        "model",
        "custom_llm_provider",
        "api_key",
        "api_base",
        "base_url",
        "api_version",
        "weight",
        "order",
        "timeout",
        "stream_timeout",
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
        "additional_drop_params",
        "litellm_credential_name",
        "aws_region_name",
        "vertex_project",
        "vertex_location",
        "vertex_ai_project",
        "vertex_ai_location",
    ],
    said: &[
        LIMITS,
        (
            &["max_parallel_requests"],
            NoteKind::Lost,
            "a target has no limit of calls at a time; [limits] has one of all",
        ),
        (
            &["max_retries", "num_retries"],
            NoteKind::Replaced,
            "a call is attempted at most three times, each time at the best target that is left",
        ),
        (
            &["cooldown_time", "allowed_fails"],
            NoteKind::Replaced,
            "failures are weighed, and breakers open and probe by themselves",
        ),
        (
            &["drop_params", "modify_params"],
            NoteKind::Replaced,
            "a request whose parameter a target refuses goes to another, and the refusal is learned; \
             parameters.drop takes one out",
        ),
        (
            &[
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
                "aws_session_name",
                "aws_profile_name",
                "aws_role_name",
                "aws_web_identity_token",
                "aws_sts_endpoint",
                "aws_bedrock_runtime_endpoint",
                "aws_external_id",
            ],
            NoteKind::Lost,
            "AWS keys and roles are not used; a Bedrock API key is",
        ),
        (
            &["vertex_credentials", "vertex_ai_credentials"],
            NoteKind::Lost,
            "service accounts are not used; an access token is",
        ),
        (
            &[
                "azure_ad_token",
                "tenant_id",
                "client_id",
                "client_secret",
                "azure_username",
                "azure_password",
                "azure_scope",
                "azure_ad_token_provider",
            ],
            NoteKind::Lost,
            "Microsoft Entra ID is not used; an API key is",
        ),
        (
            &[
                "extra_headers",
                "headers",
                "organization",
                "default_headers",
            ],
            NoteKind::Lost,
            "no header is added to requests; those of callers pass, except credentials and their \
             organization",
        ),
        (
            &["max_budget", "budget_duration"],
            NoteKind::Lost,
            "a target has no budget; a client key can have one a day",
        ),
        (
            &["tags", "tag_regex", "enable_tag_filtering"],
            NoteKind::Lost,
            "requests are not routed by tags; a pool of its own, or a task, tells them apart",
        ),
        (
            &["mock_response", "mock_timeout"],
            NoteKind::Lost,
            "answers are not made up",
        ),
        (
            &[
                "auto_router_config",
                "auto_router_config_path",
                "auto_router_default_model",
                "complexity_router_config",
                "quality_router_config",
                "adaptive_router_config",
            ],
            NoteKind::Replaced,
            "what a model is good at is learned from outcomes and reported scores, by task",
        ),
        (
            DEFAULTS,
            NoteKind::Lost,
            "a default for callers that give none; parameters.set would overrule those that do",
        ),
    ],
};

pub(super) const INFO: &Known = &Known {
    read: &[
        "id",
        "mode",
        "base_model",
        "db_model",
        "description",
        "max_tokens",
        "max_input_tokens",
        "max_output_tokens",
        "supports_vision",
        "supports_function_calling",
        "supports_response_schema",
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
        "litellm_provider",
        "created_at",
        "created_by",
        "updated_at",
        "updated_by",
    ],
    said: &[
        LIMITS,
        (
            &[
                "access_groups",
                "team_id",
                "team_public_model_name",
                "supported_environments",
                "blocked",
            ],
            NoteKind::Lost,
            "who may use what is said by the client keys ([[key]] with pools)",
        ),
        (
            &["cooldown_time", "allowed_fails"],
            NoteKind::Replaced,
            "failures are weighed, and breakers open and probe by themselves",
        ),
    ],
};

pub(super) const ROUTER: &Known = &Known {
    read: &[
        "routing_strategy",
        "fallbacks",
        "default_fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "model_group_alias",
        "timeout",
        "stream_timeout",
    ],
    said: &[
        (
            &[
                "num_retries",
                "max_retries",
                "retry_after",
                "retry_policy",
                "model_group_retry_policy",
                "max_fallbacks",
            ],
            NoteKind::Replaced,
            "a call is attempted at most three times, each time at the best target that is left, within \
             a budget of repeats",
        ),
        (
            &[
                "allowed_fails",
                "cooldown_time",
                "disable_cooldowns",
                "allowed_fails_policy",
            ],
            NoteKind::Replaced,
            "failures are weighed, breakers open and probe by themselves, and a 429 blocks for as long as \
             it says",
        ),
        (
            &["enable_pre_call_checks", "optional_pre_call_checks"],
            NoteKind::Replaced,
            "requests go to targets that can take them: context_window, max_output_tokens, vision, tools",
        ),
        (
            &["routing_strategy_args"],
            NoteKind::Replaced,
            "what routing is to prefer is said by preference, cost_weight and objective_ms of a pool",
        ),
        (
            &[
                "redis_host",
                "redis_port",
                "redis_password",
                "redis_url",
                "redis_db",
                "redis_username",
                "cache_responses",
                "cache_kwargs",
                "caching_groups",
                "client_ttl",
            ],
            NoteKind::Lost,
            "nothing is shared through Redis, and no answers are cached",
        ),
        (
            &["enable_tag_filtering", "tag_filtering_match_any"],
            NoteKind::Lost,
            "requests are not routed by tags",
        ),
        (
            &["provider_budget_config"],
            NoteKind::Lost,
            "a provider has no budget; a client key can have one a day",
        ),
        (
            &["set_verbose", "debug_level"],
            NoteKind::Replaced,
            "RUST_LOG says what is logged",
        ),
    ],
};

pub(super) const LITELLM: &Known = &Known {
    read: &[
        "fallbacks",
        "default_fallbacks",
        "context_window_fallbacks",
        "content_policy_fallbacks",
        "request_timeout",
        "model_alias_map",
    ],
    said: &[
        (
            &[
                "num_retries",
                "retry_after",
                "allowed_fails",
                "cooldown_time",
                "max_fallbacks",
            ],
            NoteKind::Replaced,
            "a call is attempted at most three times, failures are weighed, and a 429 blocks for as long \
             as it says",
        ),
        (
            &["drop_params", "modify_params", "additional_drop_params"],
            NoteKind::Replaced,
            "a request whose parameter a target refuses goes to another, and the refusal is learned; \
             parameters.drop takes one out",
        ),
        (
            &[
                "cache",
                "cache_params",
                "enable_caching_on_provider_specific_optional_params",
                "supported_call_types",
            ],
            NoteKind::Lost,
            "answers are not cached",
        ),
        (
            &[
                "callbacks",
                "success_callback",
                "failure_callback",
                "service_callbacks",
                "audit_log_callbacks",
                "turn_off_message_logging",
                "redact_user_api_key_info",
                "redact_messages_in_exceptions",
                "langfuse_default_tags",
                "json_logs",
                "set_verbose",
                "log_raw_request_response",
                "telemetry",
                "s3_callback_params",
                "prometheus_metrics_config",
                "callback_settings",
            ],
            NoteKind::Lost,
            "there are no callbacks: metrics are at /metrics of the admin listener and go out by OTLP, \
             without prompts and answers",
        ),
        (
            &[
                "max_budget",
                "budget_duration",
                "max_internal_user_budget",
                "internal_user_budget_duration",
                "default_internal_user_params",
                "default_team_settings",
                "default_team_params",
                "max_end_user_budget",
                "default_key_generate_params",
                "upperbound_key_generate_params",
                "key_generation_settings",
            ],
            NoteKind::Lost,
            "there are no users and teams; a client key can have a budget a day",
        ),
        (
            &["ssl_verify", "ssl_certificate", "force_ipv4"],
            NoteKind::Lost,
            "certificates are always checked",
        ),
        (
            &[
                "guardrails",
                "content_policies",
                "post_call_rules",
                "pre_call_rules",
            ],
            NoteKind::Lost,
            "requests and answers are not changed, checked or filtered here",
        ),
    ],
};

pub(super) const GENERAL: &Known = &Known {
    read: &[],
    said: &[
        (
            &["master_key"],
            NoteKind::Todo,
            "callers need no key until there is one: `outcome-gateway key NAME` makes one, and the [[key]] \
             that lets it in",
        ),
        (
            &[
                "database_url",
                "database_connection_pool_limit",
                "database_connection_timeout",
                "database_type",
                "allow_requests_on_db_unavailable",
                "store_model_in_db",
                "disable_spend_logs",
                "store_prompts_in_spend_logs",
                "proxy_batch_write_at",
                "maximum_spend_logs_retention_period",
                "disable_prisma_schema_update",
                "use_redis_transaction_buffer",
            ],
            NoteKind::Lost,
            "there is no database: models, keys and teams that stand there have to be written into this \
             file",
        ),
        (
            &[
                "alerting",
                "alerting_threshold",
                "alert_types",
                "alert_to_webhook_url",
                "alerting_args",
                "spend_report_frequency",
            ],
            NoteKind::Lost,
            "alerts come from the metrics; see examples/ops",
        ),
        (
            &["max_parallel_requests", "global_max_parallel_requests"],
            NoteKind::Replaced,
            "[limits] says how many requests are served at a time",
        ),
        (
            &[
                "background_health_checks",
                "health_check_interval",
                "health_check_details",
            ],
            NoteKind::Replaced,
            "health is learned from what callers ask; nothing is sent of the gateway's own accord",
        ),
        (
            &["completion_model", "infer_model_from_keys"],
            NoteKind::Lost,
            "a request names its model",
        ),
        (
            &[
                "custom_auth",
                "enable_jwt_auth",
                "litellm_jwtauth",
                "enable_oauth2_auth",
                "custom_sso",
                "allowed_routes",
                "public_routes",
                "admin_only_routes",
                "key_management_system",
                "key_management_settings",
                "allowed_ips",
                "use_x_forwarded_for",
                "ui_access_mode",
                "default_team_disabled",
                "enforce_user_param",
            ],
            NoteKind::Lost,
            "callers are let in by client keys ([[key]]), or all of them",
        ),
        (
            &["pass_through_endpoints"],
            NoteKind::Lost,
            "one upstream takes what is no request for a model: default_upstream",
        ),
        (
            &["forward_client_headers_to_llm_api"],
            NoteKind::Replaced,
            "callers' headers are passed on, except credentials",
        ),
    ],
};
