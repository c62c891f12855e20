"""What becomes of each key of LiteLLM's config.yaml, as its documentation and parameter types list them
(release 1.109, November 2026)."""

from __future__ import annotations

from baseload.config.importing.nouns import Rule

_P = "model_list[].litellm_params."
_I = "model_list[].model_info."
_S = "litellm_settings."
_R = "router_settings."
_G = "general_settings."

NO_GROUP = "names no group that was carried"
LATER_BUDGET = "budgets are of a later version"
ONE_RULE = "there is one rule and no strategy: the lowest dispatch price wins (docs/dispatch.md)"
REQUEST_DEFAULT = "requests are passed on as the client wrote them: no defaults are added"
RETRIES = "retries are the gateway's: at most 2 a request, within a retry budget (docs/dispatch.md)"
CACHE = "answers are kept in memory, where models and tenants say so (docs/cache.md)"
OWN_MEMORY = (
    "answers are kept in the gateway's own memory, by the exact request: stores that are shared or on disk, "
    "and those that match by meaning, are not of this version"
)
KEPT = "models.NAME.cache, tenants.NAME.cache"
TELEMETRY = "what happens is in the ledger and the metrics; nothing is sent elsewhere"
GUARDRAILS = "prompts and answers are passed through and not judged"
ADMIN = (
    "there is no admin surface of this kind: the file is the configuration, keys are made by `baseload keys`"
)
STORE = "the ledger is a journal and SQLite in the folder `data`; no database serves requests"
OWN = "the gateway does this its own way"
SECRETS = "secrets are read from ${ENV} and ${file:PATH}"
_NO_PAIR = "a price needs input and output per token, which are not both written"


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names.split())


RULES = (
    Rule(
        ("model_list[].model_name",),
        "models.NAME",
        "a wildcard names no model: every model is written by its name",
        "write a target and a model for each name that clients ask for",
    ),
    Rule(
        (f"{_P}model",), "targets.NAME.model, metered.provider or owned.engine", "its provider is not known"
    ),
    Rule(_under(_P, "custom_llm_provider"), "targets.NAME.metered.provider"),
    Rule(_under(_P, "api_base base_url"), "targets.NAME.url"),
    Rule(_under(_P, "api_key azure_ad_token"), "targets.NAME.metered.key, targets.NAME.owned.key"),
    Rule(
        _under(_P, "api_version"),
        why="Azure's /openai/v1 endpoint takes no version",
        do="check that the resource serves /openai/v1",
    ),
    Rule(_under(_P, "tenant_id client_id client_secret azure_scope"), "targets.NAME.metered.entra"),
    Rule(
        _under(_P, "azure_username azure_password"),
        why="users' passwords are no way to sign in",
        do="write `entra` with an application's secret or certificate",
    ),
    Rule(
        _under(_P, "aws_access_key_id aws_secret_access_key aws_session_token aws_role_name aws_external_id")
        + _under(_P, "aws_sts_endpoint aws_region_name"),
        "targets.NAME.metered.aws",
    ),
    Rule(_under(_P, "aws_bedrock_runtime_endpoint"), "targets.NAME.url"),
    Rule(
        _under(_P, "aws_profile_name aws_web_identity_token aws_session_name"),
        why="is taken from the environment",
        do="set AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE or AWS_ROLE_SESSION_NAME",
    ),
    Rule(
        _under(_P, "aws_session_tags aws_bedrock_control_plane_endpoint aws_bedrock_project_id bedrock_tags")
        + _under(_P, "aws_batch_role_arn"),
        why="is not sent to Bedrock",
    ),
    Rule(
        _under(_P, "vertex_project vertex_location"),
        "targets.NAME.url",
        "only Vertex AI's targets have these",
    ),
    Rule(_under(_P, "vertex_credentials"), "targets.NAME.metered.google.service_account"),
    Rule(
        _under(_P, "region_name watsonx_region_name"),
        "targets.NAME.region",
        "names no region of a target that is carried",
    ),
    Rule(_under(_P, "rpm"), "targets.NAME.quota.requests_per_minute", "quotas are for metered targets"),
    Rule(_under(_P, "tpm"), "targets.NAME.quota.tokens_per_minute", "quotas are for metered targets"),
    Rule(
        _under(_P, "max_parallel_requests"), "targets.NAME.quota.concurrent, targets.NAME.owned.max_sequences"
    ),
    Rule(
        _under(_P, "itpm otpm tpd rpd daily_reset_time default_api_key_tpm_limit default_api_key_rpm_limit"),
        why="a quota counts requests and tokens a minute, input and output together",
        do="write the smaller figure as `quota`",
    ),
    Rule(_under(_P, "timeout"), "targets.NAME.timeouts.total"),
    Rule(_under(_P, "stream_timeout ttft_timeout"), "targets.NAME.timeouts.ttft"),
    Rule(_under(_P, "stream_idle_timeout"), "targets.NAME.timeouts.idle"),
    Rule(
        _under(_P, "timeout_by_service_tier stream_timeout_by_service_tier"),
        why="timeouts are per target, whatever a request's tier",
    ),
    Rule(_under(_P, "max_retries num_retries"), why=RETRIES),
    Rule(_under(_P, "drop_params"), "targets.NAME.drop_unsupported"),
    Rule(
        _under(_P, "additional_drop_params allowed_openai_params"),
        why="`drop_unsupported` leaves out what the format cannot carry, no list of one's own",
    ),
    Rule(_under(_P, "weight order"), why=ONE_RULE),
    Rule(
        _under(_P, "cooldown_time"),
        why="ejection has its own times: 30 s, longer each time in a row (docs/dispatch.md)",
    ),
    Rule(
        _under(_P, "input_cost_per_token output_cost_per_token"),
        "targets.NAME.metered.price",
        "a price needs input and output",
        "write `price` with both",
    ),
    Rule(_under(_P, "cache_read_input_token_cost"), "targets.NAME.metered.price.cached_input", _NO_PAIR),
    Rule(_under(_P, "cache_creation_input_token_cost"), "targets.NAME.metered.price.cache_write", _NO_PAIR),
    Rule(
        _under(_P, "cache_creation_input_token_cost_above_1hr"),
        "targets.NAME.metered.price.cache_write_1h",
        _NO_PAIR,
    ),
    Rule(
        _under(_P, "input_cost_per_audio_token output_cost_per_audio_token")
        + _under(_P, "cache_read_input_token_cost_per_audio_token output_cost_per_image_token"),
        "targets.NAME.metered.price.input_audio, output_audio, cached_audio, output_image",
        _NO_PAIR,
    ),
    Rule(
        _under(_P, "*_token*_priority *_token*_flex *_token_batches"),
        "targets.NAME.metered.price.tiers.priority, .flex, .batch",
        "a tier's price needs input and output",
        "write `price.tiers` with both",
    ),
    Rule(
        _under(_P, "*_above_128k_tokens *_above_200k_tokens *_above_272k_tokens"),
        "targets.NAME.metered.price.long_context",
        "one threshold is taken, with input and output",
        "write `price.long_context`",
    ),
    Rule(
        _under(_P, "search_context_cost_per_query"),
        "targets.NAME.metered.price.thousand_searches",
        "a search has one price, whatever the size of its context",
        "write `price.thousand_searches`",
    ),
    Rule(
        _under(_P, "output_cost_per_image input_cost_per_image input_cost_per_second")
        + _under(_P, "input_cost_per_character input_cost_per_query input_cost_per_request")
        + _under(_P, "input_cost_per_image_token"),
        "targets.NAME.metered.unit_price",
        "is what images, audio, moderations and reranks are paid by, as `mode` says",
        "write `unit_price`",
    ),
    Rule(
        _under(_P, "*cost_per_* *_token_cost* *_multiplier* tiered_pricing output_vector_size"),
        why="nothing of this kind is counted (docs/costs.md, docs/passthrough.md)",
        do="write `price` or `unit_price`, or leave it to the catalog",
    ),
    Rule(_under(_P, "max_budget budget_duration"), why=LATER_BUDGET),
    Rule(
        _under(_P, "tags tag_regex"),
        why="targets are not chosen by tags",
        do="write a model of its own, or send x-baseload-targets",
    ),
    Rule(_under(_P, "litellm_credential_name"), "what that credential holds"),
    Rule(
        _under(_P, "extra_headers default_headers headers"),
        "targets.NAME.headers",
        "is the gateway's to write, the credential's or the format's",
        "write `key`, and `key_header` where it has another name",
    ),
    Rule(
        _under(_P, "organization openai_organization openai_project"),
        "targets.NAME.headers",
        "is a header of OpenAI's, and this target is another's",
    ),
    Rule(
        _under(_P, "forward_openai_org_id provider_affinity_header"),
        why="headers cross by a list (docs/headers.md)",
    ),
    Rule(
        _under(
            _P, "temperature top_p top_k max_tokens max_completion_tokens stop seed n presence_penalty user"
        )
        + _under(_P, "frequency_penalty logit_bias response_format tools tool_choice reasoning_effort")
        + _under(_P, "thinking extra_body metadata service_tier modalities stream stream_options logprobs")
        + _under(
            _P, "cache_control_injection_points top_logprobs parallel_tool_calls functions function_call"
        ),
        why=REQUEST_DEFAULT,
        do="let clients send it",
    ),
    Rule(
        _under(_P, "keepalive_seconds allow_client_keepalive_override"),
        why="streams are kept alive by a comment every 15 s until the first content",
    ),
    Rule(
        _under(_P, "configurable_clientside_auth_params"),
        why="a request never chooses where it goes or whose credential is used",
    ),
    Rule(
        _under(_P, "mock_response"), why="no answer is made up", do="run `baseload twin` and make it a target"
    ),
    Rule(
        _under(_P, "auto_router_* complexity_router_* adaptive_router_* quality_router_*"),
        why="choosing by difficulty is of a later version",
    ),
    Rule(_under(_P, "s3_* gcs_bucket_name bucket_name"), why="batches and files are not of this version"),
    Rule(
        _under(_P, "milvus_* valkey_* vector_store_id vector_bucket_name index_name embedding_model"),
        why="vector stores are not of this version",
    ),
    Rule(
        _under(_P, "anthropic_* openai_identity_* openai_service_account_id token_exchange_*")
        + _under(_P, "chatgpt_auth_file use_xai_oauth"),
        why="this way of signing in is not of this version",
        do="write a lasting `key`",
    ),
    Rule(
        _under(
            _P, "use_in_pass_through use_litellm_proxy use_chat_completions_api model_info max_file_size_mb"
        )
        + _under(_P, "merge_reasoning_content_in_choices thought_signature_in_tool_call_id litellm_trace_id")
        + _under(_P, "fireworks_forward_user_id kubernetes_pod_discovery responses_api_version ssl_verify"),
        why=OWN,
    ),
    Rule(
        _under(_I, "input_cost_per_token output_cost_per_token"),
        "targets.NAME.metered.price",
        "a price needs input and output",
        "write `price` with both",
    ),
    Rule(_under(_I, "cache_read_input_token_cost"), "targets.NAME.metered.price.cached_input", _NO_PAIR),
    Rule(_under(_I, "cache_creation_input_token_cost"), "targets.NAME.metered.price.cache_write", _NO_PAIR),
    Rule(
        _under(_I, "cache_creation_input_token_cost_above_1hr"),
        "targets.NAME.metered.price.cache_write_1h",
        _NO_PAIR,
    ),
    Rule(
        _under(_I, "input_cost_per_audio_token output_cost_per_audio_token")
        + _under(_I, "cache_read_input_token_cost_per_audio_token output_cost_per_image_token"),
        "targets.NAME.metered.price.input_audio, output_audio, cached_audio, output_image",
        _NO_PAIR,
    ),
    Rule(
        _under(_I, "*_token*_priority *_token*_flex *_token_batches"),
        "targets.NAME.metered.price.tiers.priority, .flex, .batch",
        "a tier's price needs input and output",
        "write `price.tiers` with both",
    ),
    Rule(
        _under(_I, "*_above_128k_tokens *_above_200k_tokens *_above_272k_tokens"),
        "targets.NAME.metered.price.long_context",
        "one threshold is taken, with input and output",
        "write `price.long_context`",
    ),
    Rule(
        _under(_I, "search_context_cost_per_query"),
        "targets.NAME.metered.price.thousand_searches",
        "a search has one price, whatever the size of its context",
        "write `price.thousand_searches`",
    ),
    Rule(
        _under(_I, "output_cost_per_image input_cost_per_image input_cost_per_second")
        + _under(_I, "input_cost_per_character input_cost_per_query input_cost_per_request")
        + _under(_I, "input_cost_per_image_token"),
        "targets.NAME.metered.unit_price",
        "is what images, audio, moderations and reranks are paid by, as `mode` says",
        "write `unit_price`",
    ),
    Rule(
        _under(_I, "*cost_per_* *_token_cost*"),
        why="nothing of this kind is counted (docs/costs.md, docs/passthrough.md)",
        do="write `price` or `unit_price`, or leave it to the catalog",
    ),
    Rule(_under(_I, "max_input_tokens"), "targets.NAME.context"),
    Rule(_under(_I, "id"), "the target's name"),
    Rule(
        _under(_I, "base_model"),
        "targets.NAME.metered.price, which is the catalog's of that model",
        "the target has a price of its own, or the catalog knows none of this model",
    ),
    Rule(
        _under(_I, "pricing_provider"),
        why="a metered target is priced by its own provider",
        do="write `price`",
    ),
    Rule(
        _under(_I, "mode"),
        "the path that a client asks (docs/passthrough.md); targets.NAME.responses",
        "is no path of this version, or has no effect here",
    ),
    Rule(
        _under(_I, "supported_endpoints"),
        "targets.NAME.responses",
        "the paths are those of the target's format",
    ),
    Rule(
        _under(_I, "team_id"),
        "tenants.NAME.models",
        "the model is served to all by another deployment, has another name for the team, is not carried, or "
        "there is none for all",
        "write `tenants.NAME.models`",
    ),
    Rule(
        _under(_I, "team_public_model_name access_groups access_windows team_alias"),
        why="who belongs to a group stands in LiteLLM's database; without a list every tenant may ask",
        do="write `tenants.NAME.models`",
    ),
    Rule(
        _under(_I, "max_tokens max_output_tokens supports_* health_check_* disable_background_health_check")
        + _under(_I, "tier ptu_* cost_per_ptu_per_hour enforce_supported_endpoints litellm_provider metadata")
        + _under(_I, "supported_environments version created_* updated_* db_model blocked discoverable")
        + _under(_I, "allow_fail_open enable_tag_filtering internal_router_model max_embedding_batch_size")
        + _under(_I, "member_auto_router description"),
        why="has no effect here",
    ),
    Rule(("model_list[].blocked",), why="a target that is in the file serves", do="leave it out of `models`"),
    Rule(_under(_R, "model_group_alias"), "models.NAME, with the targets and lists of that group"),
    Rule(_under(_R, "timeout"), "targets.NAME.timeouts.total"),
    Rule(_under(_R, "stream_timeout ttft_timeout"), "targets.NAME.timeouts.ttft"),
    Rule(_under(_R, "stream_idle_timeout"), "targets.NAME.timeouts.idle"),
    Rule(_under(_R, "default_max_parallel_requests"), "targets.NAME.quota.concurrent"),
    Rule(
        _under(_R, "routing_strategy routing_strategy_args routing_groups weights enable_weighted_failover")
        + _under(_R, "enable_tag_filtering tag_filtering_match_any tag_routing_prefix plugins")
        + _under(_R, "optional_pre_call_checks deployment_affinity_ttl_seconds model_group_affinity_config")
        + _under(_R, "auto_router_capability_limit heuristic_v2_router_limit"),
        why=ONE_RULE,
    ),
    Rule(_under(_R, "fallbacks default_fallbacks"), "models.NAME.fallback", NO_GROUP),
    Rule(_under(_R, "context_window_fallbacks"), "models.NAME.fallback.context_length", NO_GROUP),
    Rule(_under(_R, "content_policy_fallbacks"), "models.NAME.fallback.content_policy", NO_GROUP),
    Rule(_under(_R, "max_fallbacks"), why="at most 3 attempts a request go by fallback lists"),
    Rule(
        _under(_R, "fallback_access_check fallback_budget_check"),
        why="who may ask for a model may be served by its fallback lists",
        do="name no target there that its tenants may not use; classes keep data where it may be",
    ),
    Rule(
        _under(_R, "fallback_on_unsupported_params"),
        why="a request that no target of its model can carry is refused, with the parameter's name",
        do="write `drop_unsupported`",
    ),
    Rule(
        _under(_R, "num_retries max_retries retry_policy retry_after model_group_retry_policy"), why=RETRIES
    ),
    Rule(
        _under(_R, "allowed_fails allowed_fails_policy cooldown_time disable_cooldowns"),
        why="targets are ejected by one rule: 5 failures in a row, or under 80% of 20 requests within 30 s",
    ),
    Rule(
        _under(_R, "redis_* cache_kwargs client_ttl"),
        why="one gateway holds its own counts: sharing is of a later version (`shared`)",
    ),
    Rule(_under(_R, "cache_responses caching_groups"), why=CACHE),
    Rule(
        _under(_R, "enable_pre_call_checks enable_pre_call_check"),
        why="context windows are always checked, by the targets' `context`",
    ),
    Rule(_under(_R, "default_litellm_params"), why=REQUEST_DEFAULT, do="let clients send it"),
    Rule(_under(_R, "provider_budget_config"), why=LATER_BUDGET),
    Rule(
        _under(_R, "default_priority polling_interval"),
        why="nothing is queued: a request is served or refused",
    ),
    Rule(
        _under(_R, "keepalive_seconds allow_client_keepalive_override"),
        why="streams are kept alive by a comment every 15 s until the first content",
    ),
    Rule(_under(_R, "alerting_config debug_level set_verbose"), why=TELEMETRY),
    Rule(
        _under(_R, "enable_health_check_routing health_check_* background_health_check_model_groups"),
        why="health is learned from requests, and a target that was ejected is tried with a real one",
    ),
    Rule(_under(_R, "search_tools guardrail_list"), why=GUARDRAILS),
    Rule(
        _under(_R, "assistants_config router_general_settings ignore_invalid_deployments"),
        why=OWN,
    ),
    Rule(_under(_S, "drop_params"), "targets.NAME.drop_unsupported"),
    Rule(_under(_S, "request_timeout"), "targets.NAME.timeouts.total"),
    Rule(_under(_S, "default_team_settings[].team_id"), "tenants.NAME"),
    Rule(_under(_S, "default_team_settings"), why=TELEMETRY),
    Rule(_under(_S, "fallbacks default_fallbacks"), "models.NAME.fallback", NO_GROUP),
    Rule(_under(_S, "context_window_fallbacks"), "models.NAME.fallback.context_length", NO_GROUP),
    Rule(_under(_S, "content_policy_fallbacks"), "models.NAME.fallback.content_policy", NO_GROUP),
    Rule(_under(_S, "num_retries"), why=RETRIES),
    Rule(_under(_S, "allowed_fails"), why="targets are ejected by one rule: 5 failures in a row"),
    Rule(
        _under(_S, "cache cache_params.type"), KEPT, OWN_MEMORY, "write `cache` of the model and the tenant"
    ),
    Rule(
        _under(_S, "cache_params.ttl cache_params.default_in_memory_ttl"),
        "models.NAME.cache.ttl",
        "the cache it is for is not carried, or has another",
    ),
    Rule(
        _under(_S, "cache_params.mode"),
        KEPT,
        "a request is answered from what is kept unless it asks not to be",
    ),
    Rule(
        _under(_S, "cache_params.supported_call_types"),
        KEPT,
        "a model's answers are kept on every path that is asked, or on none",
    ),
    Rule(_under(_S, "cache_params enable_redis_auth_cache"), why=OWN_MEMORY),
    Rule(
        _under(_S, "success_callback failure_callback callbacks service_callback* turn_off_message_logging")
        + _under(_S, "redact_user_api_key_info langfuse_* set_verbose json_logs request_correlation_in_logs")
        + _under(_S, "telemetry store_audit_logs disable_end_user_cost_tracking return_response_headers")
        + _under(_S, "*end_user_cost_tracking_prometheus_only prometheus_* custom_prometheus_*"),
        why=TELEMETRY,
    ),
    Rule(
        _under(_S, "max_budget budget_duration max_internal_user_budget default_max_internal_user_budget")
        + _under(
            _S, "internal_user_budget_duration max_end_user_budget max_ui_session_budget budget_reset_time"
        ),
        why=LATER_BUDGET,
    ),
    Rule(
        _under(_S, "default_team_params default_key_generate_params upperbound_key_generate_params")
        + _under(
            _S, "default_internal_user_params key_generation_settings enable_key_alias_format_validation"
        ),
        why="limits are written with tenants, budgets are of a later version",
        do="write `tenants.NAME.limits`, and make keys with `baseload keys create TENANT`",
    ),
    Rule(
        _under(_S, "cost_discount_config cost_margin_config"),
        why="a price is what the provider asks",
        do="write the discounted figures as `price`",
    ),
    Rule(
        _under(_S, "ssl_verify ssl_certificate force_ipv4 http2 disable_aiohttp_transport user_url_*"),
        why="connections are made one way: HTTP/1.1, certificates verified, no proxy",
        do="write a target's `ca` for an authority of your own",
    ),
    Rule(_under(_S, "mcp_* skip_*_in_guardrail guardrails"), why=GUARDRAILS),
    Rule(
        _under(_S, "modify_params add_function_to_prompt enable_preview_features disable_stop_sequence_limit")
        + _under(
            _S, "disable_add_transform_inline_image_block use_chat_completions_url_for_anthropic_messages"
        )
        + _under(_S, "route_all_chat_openai_to_responses disable_hf_tokenizer_download require_managed_files")
        + _under(_S, "enable_json_schema_validation disable_copilot_system_to_assistant")
        + _under(_S, "overwrite_user_with_key_hash forward_traceparent_to_llm_provider public_model_groups"),
        why=OWN,
    ),
    Rule(
        _under(_S, "vertex_project vertex_location"),
        "targets.NAME.url",
        "is the default of Vertex AI's targets, and there is none that needs it",
    ),
    Rule(_under(_G, "max_request_size_mb"), "http.body"),
    Rule(
        _under(
            _G, "master_key custom_key_generate custom_key_update custom_key_policy litellm_key_header_name"
        ),
        why="keys are the gateway's own",
        do="make them with `baseload keys create TENANT`, and give them to your clients",
    ),
    Rule(
        _under(_G, "database_* disable_spend_logs disable_spend_updates proxy_batch_* store_model_in_db")
        + _under(_G, "supported_db_objects maximum_spend_logs_* disable_prisma_schema_update")
        + _under(_G, "use_redis_transaction_buffer allow_requests_on_db_unavailable disable_error_logs")
        + _under(_G, "proxy_config_reload_interval_seconds scheduled_job_stagger"),
        why=STORE,
    ),
    Rule(
        _under(_G, "store_prompts_in_spend_logs"),
        why="prompts and answers are not stored",
    ),
    Rule(
        _under(_G, "disable_reset_budget proxy_budget_rescheduler_* fail_closed_budget_enforcement")
        + _under(_G, "disable_budget_reservation enforce_fallback_budget enforce_fallback_model_access")
        + _under(_G, "max_budget budget_duration"),
        why=LATER_BUDGET,
    ),
    Rule(
        _under(_G, "max_parallel_requests global_max_parallel_requests max_in_flight_requests_per_worker")
        + _under(_G, "max_queued_requests_per_worker admission_queue_timeout_seconds token_rate_limit_type")
        + _under(_G, "disable_retry_on_max_parallel_request_limit_error"),
        why="what runs at once is limited by target, model and tenant",
        do="write `concurrent` in `quota` or `limits`",
    ),
    Rule(
        _under(_G, "completion_model embedding_model image_generation_model moderation_model")
        + _under(_G, "infer_model_from_keys"),
        why="the client names the model",
    ),
    Rule(
        _under(
            _G, "custom_auth custom_auth_run_common_checks enable_jwt_auth litellm_jwtauth enable_oauth2_*"
        )
        + _under(_G, "oauth2_config_mappings allow_user_auth custom_sso enforce_rbac role_permissions")
        + _under(
            _G, "service_account_settings default_team_disabled allow_client_side_credentials user_header_*"
        )
        + _under(_G, "use_client_credentials_pass_through_routes allowed_ips enforce_user_param")
        + _under(_G, "enforced_params reject_clientside_metadata_tags"),
        why="clients are known by keys of `baseload keys` alone",
    ),
    Rule(
        _under(_G, "key_management_system key_management_settings use_azure_key_vault use_google_kms"),
        why=SECRETS,
        do="let your secret manager set the variables or write the files",
    ),
    Rule(
        _under(_G, "alerting alerting_threshold alert_types alerting_args alert_to_webhook_url")
        + _under(_G, "alert_type_config spend_report_frequency"),
        why=TELEMETRY,
        do="set alarms on the metrics (docs/metrics.md)",
    ),
    Rule(
        _under(_G, "background_health_checks health_check_* enable_health_check_routing")
        + _under(_G, "background_health_check_model_groups use_shared_health_check"),
        why="health is learned from requests",
    ),
    Rule(
        _under(_G, "pass_through_endpoints pass_through_request_timeout"),
        why="paths are fixed: see docs/gateway.md",
    ),
    Rule(
        _under(_G, "cancel_on_disconnect always_include_stream_usage sse_keepalive_ping_interval_seconds"),
        why="is always so",
    ),
    Rule(
        _under(
            _G, "forward_client_headers_to_llm_api forward_openai_org_id forward_llm_provider_auth_headers"
        ),
        why="headers cross by a list (docs/headers.md)",
    ),
    Rule(
        _under(_G, "max_response_size_mb max_batch_file_size_mb max_file_size_mb allowed_file_extensions")
        + _under(_G, "blocked_file_extensions *batch_input_file_rate_limiting*"),
        why="is not limited apart",
    ),
    Rule(
        _under(
            _G, "ui_access_mode disable_* allowed_routes public_routes admin_only_routes control_plane_url"
        )
        + _under(_G, "max_failed_login_* failed_login_window_seconds auto_redirect_ui_login_to_sso")
        + _under(_G, "custom_ui_sso_sign_in_handler allow_cli_sso_verification_uri_complete litellm_license")
        + _under(_G, "enable_drain_endpoint drain_endpoint_token scope_spend_list_endpoints_to_caller")
        + _under(_G, "legacy_unscoped_spend_list_endpoints use_x_forwarded_for user_api_key_cache_*")
        + _under(_G, "allow_unmanaged_response_ids missing_session_id"),
        why=ADMIN,
    ),
    Rule(
        _under(_G, "*mcp* search_tools"),
        why="tools and their servers are the client's business",
    ),
    Rule(
        ("environment_variables",),
        why="a configuration sets no environment",
        hidden=True,
        do="set it where the gateway is started, if the made file refers to it",
    ),
    Rule(("credential_list",), "the targets that name the credential", "no target names it"),
    Rule(("guardrails", "policies", "policy_attachments", "prompts"), hidden=True, why=GUARDRAILS),
    Rule(
        ("mcp_servers", "mcp_tools", "vector_store_registry", "search_tools", "agent_list", "tools"),
        hidden=True,
        why="tools and stores are the client's business",
    ),
    Rule(
        ("files_settings", "finetune_settings", "assistant_settings", "batch_settings"),
        hidden=True,
        why="files, batches and assistants are not of this version",
    ),
    Rule(("callback_settings",), why=TELEMETRY, hidden=True),
    Rule(("worker_registry",), why=ADMIN),
    Rule(("x-*",), why="holds what other places refer to, and is read there"),
    Rule(
        ("include",), why="one file is read at a time", do="import each of them, and put the parts together"
    ),
)
