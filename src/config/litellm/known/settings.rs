use super::{Known, NoteKind};

pub(in crate::config::litellm) const ROUTER: &Known = &Known {
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
            ],
            NoteKind::Replaced,
            "instances share what they learn where url under [store] says through what",
        ),
        (
            &[
                "cache_responses",
                "cache_kwargs",
                "caching_groups",
                "client_ttl",
            ],
            NoteKind::Lost,
            "no answers are cached",
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

pub(in crate::config::litellm) const LITELLM: &Known = &Known {
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

pub(in crate::config::litellm) const GENERAL: &Known = &Known {
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
