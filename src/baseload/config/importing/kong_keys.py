"""What becomes of each key of a Kong declarative file with `ai-proxy` or `ai-proxy-advanced`, as the schemas
of these plugins list them (3.12, November 2026). `plugins.NAME` is a plugin wherever it stands; what
`ai-proxy-advanced` writes below `config.targets[]` is named as `ai-proxy` writes it below `config`."""

from __future__ import annotations

from baseload.config.importing.nouns import Rule

_C = "plugins.ai-proxy.config."
_A = f"{_C}auth."
_O = f"{_C}model.options."
_B = f"{_C}balancer."

_ONE_RULE = "the targets of a model serve for each other, the lowest dispatch price first (docs/dispatch.md)"
_DEFAULTS = "requests are passed on as the client wrote them: no parameters are added"
_WINDOW = "limits are per minute, of a model or a tenant as a whole"


def _under(prefix: str, names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}{name}" for name in names.split())


RULES = (
    Rule(
        ("_format_version", "_info", "_transform", "_comment", "_konnect", "_workspace"), why="is deck's own"
    ),
    Rule(
        ("_plugin_configs",),
        why="shared plugin configurations are not followed",
        do="write them where they are used, and import again",
    ),
    Rule(_under(_C, "model.provider"), "targets.NAME.metered.provider, owned.engine"),
    Rule(_under(_C, "model.name"), "targets.NAME.model"),
    Rule(
        _under(_C, "route_type"),
        "the path that a client asks, and a model for each route type: NAME, NAME-embeddings, NAME-images, …",
        "assistants, files, batches, video, realtime and `preserve` are no paths of this version",
    ),
    Rule(_under(_O, "upstream_url"), "targets.NAME.url"),
    Rule(_under(_O, "upstream_path"), why="the path is the format's own", do="write the target's `url`"),
    Rule(
        _under(_O, "input_cost output_cost"),
        "targets.NAME.metered.price",
        "a price needs input and output, and an owned target is paid by the hour",
    ),
    Rule(_under(_O, "azure_instance"), "targets.NAME.url"),
    Rule(_under(_O, "azure_deployment_id"), "targets.NAME.model"),
    Rule(_under(_O, "azure_api_version"), why="Azure's /openai/v1 endpoint takes no version"),
    Rule(_under(_O, "gemini.project_id gemini.location_id gemini.api_endpoint"), "targets.NAME.url"),
    Rule(_under(_O, "gemini.endpoint_id"), why="Model Garden's endpoints are not spoken in this version"),
    Rule(_under(_O, "bedrock.aws_region bedrock.aws_assume_role_arn"), "targets.NAME.metered.aws"),
    Rule(_under(_O, "bedrock.aws_sts_endpoint_url"), "targets.NAME.metered.aws.sts"),
    Rule(
        _under(_O, "bedrock.aws_role_session_name"),
        why="is taken from the environment",
        do="set AWS_ROLE_SESSION_NAME",
    ),
    Rule(
        _under(_O, "max_tokens temperature top_p top_k embeddings_dimensions bedrock.embeddings_normalize")
        + _under(_O, "bedrock.performance_config_latency cohere huggingface"),
        why=_DEFAULTS,
        do="let clients send it",
    ),
    Rule(_under(_O, "anthropic_version"), why="Anthropic's version is the client's header, else 2023-06-01"),
    Rule(
        _under(_O, "llama2_format mistral_format"),
        "targets.NAME.url",
        "only OpenAI's format is spoken to such servers",
    ),
    Rule(_under(_A, "header_value param_value"), "targets.NAME.metered.key, owned.key"),
    Rule(
        _under(_A, "header_name param_name param_location"),
        "targets.NAME.metered.key_header, or the format's own header; targets.NAME.headers for any other",
    ),
    Rule(_under(_A, "aws_access_key_id aws_secret_access_key"), "targets.NAME.metered.aws"),
    Rule(_under(_A, "gcp_use_service_account gcp_service_account_json"), "targets.NAME.metered.google"),
    Rule(
        _under(_A, "azure_use_managed_identity azure_client_id azure_client_secret azure_tenant_id"),
        "targets.NAME.metered.entra",
        "a managed identity without an application's secret is not of this version",
        "write `entra` with an application's secret or certificate",
    ),
    Rule(_under(_A, "allow_override"), why="a request never chooses whose credential is used"),
    Rule(_under(_B, "connect_timeout"), "targets.NAME.timeouts.connect"),
    Rule(_under(_B, "read_timeout"), "targets.NAME.timeouts.ttft, targets.NAME.timeouts.idle"),
    Rule(_under(_B, "write_timeout"), why="a request is sent within the attempt's total time"),
    Rule(_under(_B, "retries"), why="retries are the gateway's: at most 2 a request, within a retry budget"),
    Rule(
        _under(_B, "failover_criteria"),
        why="which answers are trouble is one table for all targets (docs/dispatch.md)",
    ),
    Rule(
        _under(_B, "max_fails fail_timeout"),
        why="targets are ejected by one rule: 5 failures in a row, or under 80% of 20 requests within 30 s",
    ),
    Rule(_under(_B, "algorithm"), "models.NAME.fallback.error", _ONE_RULE),
    Rule(_under(_C, "weight"), "the order in models.NAME.fallback.error", _ONE_RULE),
    Rule(
        _under(_B, "hash_on_header latency_strategy slots tokens_count_strategy")
        + _under(_C, "description embeddings vectordb"),
        why=_ONE_RULE,
    ),
    Rule(_under(_C, "logging"), why="what happens is in the ledger and the metrics; prompts are not stored"),
    Rule(
        _under(_C, "llm_format"), why="clients speak OpenAI's format or Anthropic's, whichever path they ask"
    ),
    Rule(_under(_C, "response_streaming"), why="a client that asks for a stream gets one"),
    Rule(
        _under(_C, "max_request_body_size"),
        why="was how much of a body Kong looks into",
        do="`http.body` is the longest body that is taken",
    ),
    Rule(_under(_C, "model_name_header genai_category"), why="has no effect here"),
    Rule(
        _under("plugins.*.", "name enabled instance_name tags protocols ordering condition id route service"),
        "models.NAME",
        "has no counterpart",
    ),
    Rule(
        _under("plugins.*.", "consumer consumer_group"),
        "tenants.NAME.limits",
        "who may ask for a model is written with the tenant; without that every tenant may",
        "write `tenants.NAME.models`",
    ),
    Rule(
        _under("plugins.rate-limiting.config.", "minute"),
        "models.NAME.limits.requests_per_minute, tenants.NAME.limits.requests_per_minute",
        _WINDOW,
        "write `limits` of the tenant or the model",
    ),
    Rule(_under("plugins.rate-limiting.config.", "limit_by"), "models.NAME.limits", _WINDOW),
    Rule(
        _under("plugins.rate-limiting.config.", "second hour day month year"),
        why=_WINDOW,
        do="write `requests_per_minute`",
    ),
    Rule(
        _under(
            "plugins.rate-limiting.config.", "policy fault_tolerant hide_client_headers redis* header_name"
        )
        + _under("plugins.rate-limiting.config.", "path error_code error_message sync_rate"),
        why="one gateway holds its own counts, and answers 429 as OpenAI does",
    ),
    Rule(
        _under("plugins.rate-limiting-advanced.config.", "limit window_size"),
        "models.NAME.limits.requests_per_minute, tenants.NAME.limits.requests_per_minute",
        _WINDOW,
        "write `limits` of the tenant or the model",
    ),
    Rule(_under("plugins.rate-limiting-advanced.config.", "identifier"), "models.NAME.limits", _WINDOW),
    Rule(
        _under("plugins.rate-limiting-advanced.config.", "window_type strategy sync_rate namespace redis")
        + _under("plugins.rate-limiting-advanced.config.", "dictionary_name hide_client_headers path")
        + _under("plugins.rate-limiting-advanced.config.", "retry_after_jitter_max error_code error_message")
        + _under("plugins.rate-limiting-advanced.config.", "header_name enforce_consumer_groups lock_*")
        + _under(
            "plugins.rate-limiting-advanced.config.", "consumer_groups disable_penalty compound_identifier"
        )
        + _under("plugins.rate-limiting-advanced.config.", "throttling"),
        why="one gateway holds its own counts, and answers 429 as OpenAI does",
    ),
    Rule(
        _under("plugins.ai-rate-limiting-advanced.config.", "llm_providers"),
        "models.NAME.limits.tokens_per_minute, tenants.NAME.limits.tokens_per_minute",
        _WINDOW,
        "write `limits` of the tenant or the model",
    ),
    Rule(
        _under("plugins.ai-rate-limiting-advanced.config.", "identifier tokens_count_strategy"),
        "models.NAME.limits",
        "limits count requests and tokens, input and output together",
    ),
    Rule(
        _under(
            "plugins.ai-rate-limiting-advanced.config.", "window_type strategy sync_rate redis header_name"
        )
        + _under("plugins.ai-rate-limiting-advanced.config.", "dictionary_name hide_client_headers path")
        + _under("plugins.ai-rate-limiting-advanced.config.", "retry_after_jitter_max error_code namespace")
        + _under("plugins.ai-rate-limiting-advanced.config.", "error_message error_hide_providers policies")
        + _under("plugins.ai-rate-limiting-advanced.config.", "request_prompt_count_function disable_penalty")
        + _under("plugins.ai-rate-limiting-advanced.config.", "llm_format decrease_by_fractions_in_redis"),
        why="one gateway holds its own counts, and answers 429 as OpenAI does",
    ),
    Rule(
        ("plugins.ai-semantic-cache",),
        why="answers are kept by the exact request: one to another question that looks alike is not given",
        do="write `cache` of the model and the tenant, if the exact request does (docs/cache.md)",
        hidden=True,
    ),
    Rule(
        ("plugins.proxy-cache", "plugins.proxy-cache-advanced"),
        why="keeps answers by path and headers, whatever a body asks",
        do="write `cache` of the model and the tenant (docs/cache.md)",
        hidden=True,
    ),
    Rule(
        ("plugins.other",),
        why="this plugin has no counterpart",
        do="keep Kong in front for what it does, or do it in the client",
        hidden=True,
    ),
    Rule(("routes[].name", "services[].name"), "models.NAME", "no model is made of it"),
    Rule(
        ("routes[].paths",),
        "models.NAME",
        "a client chooses by the model's name; its base URL is the data port's /v1",
    ),
    Rule(
        _under("routes[].", "methods hosts headers snis sources destinations protocols strip_path id service")
        + _under("routes[].", "preserve_host regex_priority path_handling https_redirect_status_code tags")
        + _under("routes[].", "request_buffering response_buffering expression priority"),
        why="a client chooses by the model's name; the data port's paths are fixed",
    ),
    Rule(("services[].connect_timeout",), "targets.NAME.timeouts.connect", "no target is behind it"),
    Rule(
        ("services[].read_timeout",),
        "targets.NAME.timeouts.ttft, targets.NAME.timeouts.idle",
        "no target is behind it",
    ),
    Rule(
        _under("services[].", "url host port protocol path retries write_timeout enabled tags id")
        + _under("services[].", "client_certificate ca_certificates tls_verify tls_verify_depth tls_sans"),
        why="the plugins say where requests go; the service's own address is not asked",
    ),
    Rule(("consumers[].username", "consumers[].custom_id"), "tenants.NAME", "the tenant has one name"),
    Rule(
        _under("consumers[].", "keyauth_credentials basicauth_credentials jwt_secrets hmacauth_credentials")
        + _under("consumers[].", "oauth2_credentials mtls_auth_credentials acls"),
        why="keys are the gateway's own",
        do="make them with `baseload keys create TENANT`, and give them to your clients",
    ),
    Rule(_under("consumers[].", "tags id groups"), why="has no counterpart"),
    Rule(
        _under("", "consumer_groups upstreams vaults certificates ca_certificates snis keys key_sets")
        + _under("", "filter_chains partials rbac_roles licenses custom_entities"),
        why="has no counterpart",
        hidden=True,
    ),
)
