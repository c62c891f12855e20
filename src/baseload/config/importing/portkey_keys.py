"""What becomes of each key of a Portkey config, as its documentation and the gateway's own schema list them
(gateway 1.15, November 2026). Keys below nested `targets` are those of the outermost."""

from __future__ import annotations

from baseload.config.importing.nouns import Rule

_AWS = "aws_access_key_id aws_secret_access_key aws_session_token aws_region aws_role_arn aws_external_id"
_ONE_RULE = "the targets of a model serve for each other, the lowest dispatch price first (docs/dispatch.md)"
_VAULT = "Portkey keeps what it stands for"
_HEADERS = "no headers are added to what goes to a target"

RULES = (
    Rule(("provider",), "targets.NAME.metered.provider, owned.engine", "no target is made here"),
    Rule(
        ("api_key", "anthropic_api_key", "azure_ad_token", "ad_auth"), "targets.NAME.metered.key, owned.key"
    ),
    Rule(("virtual_key",), "targets.NAME.metered.key", _VAULT, "write the target, with its key as ${ENV}"),
    Rule(("override_params.model",), "targets.NAME.model, models.NAME", "no target is made here"),
    Rule(
        ("override_params",),
        why="requests are passed on as the client wrote them: no parameters are set or added",
        do="let clients send it",
    ),
    Rule(("name",), "the target's name, and the model's where a condition leads to it"),
    Rule(("custom_host", "huggingface_base_url", "azure_foundry_url"), "targets.NAME.url"),
    Rule(("request_timeout",), "targets.NAME.timeouts.total"),
    Rule(tuple(_AWS.split()), "targets.NAME.metered.aws"),
    Rule(("vertex_project_id", "vertex_region"), "targets.NAME.url"),
    Rule(("vertex_service_account_json",), "targets.NAME.metered.google.service_account"),
    Rule(("resource_name", "azure_resource_name"), "targets.NAME.url"),
    Rule(
        ("deployment_id", "azure_deployment_id", "azure_deployment_name", "azure_model_name"),
        "targets.NAME.model",
        "one of these names the deployment",
    ),
    Rule(
        ("azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret", "azure_entra_scope"),
        "targets.NAME.metered.entra",
    ),
    Rule(
        ("api_version", "azure_api_version"),
        why="Azure's /openai/v1 endpoint takes no version",
        do="check that the resource serves /openai/v1",
    ),
    Rule(
        ("azure_auth_mode", "azure_managed_client_id", "azure_workload_client_id"),
        "targets.NAME.metered.entra",
        "managed and workload identities are not of this version",
        "write `entra` with an application's secret or certificate",
    ),
    Rule(("azure_extra_parameters",), why=_HEADERS),
    Rule(
        ("strategy.mode",),
        "models.NAME: a model for each place that a condition leads to; models.NAME.fallback",
        _ONE_RULE,
    ),
    Rule(("strategy.conditions[].query",), "models.NAME", "a model is chosen by the name a client asks for"),
    Rule(("strategy.conditions[].then", "strategy.default"), "models.NAME", "names no target"),
    Rule(
        ("strategy.on_status_codes", "on_status_codes"),
        "models.NAME.fallback, by cause",
        "which answers are trouble is one table for all targets (docs/dispatch.md)",
    ),
    Rule(("weight", "index", "original_index"), why=_ONE_RULE),
    Rule(("retry",), why="retries are the gateway's: at most 2 a request, within a retry budget"),
    Rule(
        ("cache.mode",),
        "models.NAME.cache, tenants.NAME.cache",
        "answers are kept by the exact request, not by its meaning, and by model, not by target",
    ),
    Rule(("cache.max_age",), "models.NAME.cache.ttl", "the cache it is for is not carried"),
    Rule(
        ("cache", "cache_namespace"),
        why="what is kept is the tenant's: there are no other parts",
        do="use keys of several tenants",
    ),
    Rule(
        (
            "input_guardrails",
            "output_guardrails",
            "default_input_guardrails",
            "default_output_guardrails",
            "before_request_hooks",
            "after_request_hooks",
        ),
        why="prompts and answers are passed through and not judged",
        hidden=True,
    ),
    Rule(("forward_headers",), why="headers cross by a list (docs/headers.md)"),
    Rule(
        ("openai_project", "openai_organization", "openai_beta", "anthropic_beta"),
        "targets.NAME.headers",
        "is a header of OpenAI's or Anthropic's, and this target is another's",
    ),
    Rule(("anthropic_version",), why="Anthropic's version is the client's header, else 2023-06-01"),
    Rule(
        ("strict_open_ai_compliance", "transform_to_form_data", "url_to_fetch", "mistral_fim_completion"),
        why="bytes of the same format pass through as they are",
    ),
    Rule(("metadata", "prompt_id"), why="has no effect here"),
    Rule(
        ("model_pricing_config",),
        why="prices come from the catalog",
        do="write `price` where yours differ",
    ),
    Rule(
        (
            "aws_auth_type",
            "aws_service",
            "aws_s3_*",
            "aws_bedrock_model",
            "aws_server_side_encryption*",
            "foundation_model",
        ),
        why="calls of Bedrock are signed with keys or an assumed role; batches are not of this version",
    ),
    Rule(
        ("amzn_sagemaker_*", "stability_*", "workers_ai_account_id", "snowflake_account", "oracle_*"),
        why="this provider cannot be a target in this version",
    ),
    Rule(
        (
            "vertex_storage_bucket_name",
            "vertex_model_name",
            "vertex_batch_endpoint",
            "filename",
            "fireworks_account_id",
            "fireworks_file_length",
        ),
        why="batches, files and fine-tuning are not of this version",
    ),
    Rule(
        ("mode", "options"),
        why="is a form of config that has been replaced",
        do="write it as `strategy` and `targets`",
    ),
)
