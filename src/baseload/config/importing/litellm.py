"""LiteLLM's config.yaml: every deployment of `model_list` becomes a target, every group a model."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.importing import keeping
from baseload.config.importing.draft import ADDRESS, NAME, Draft, clean, is_name, region_of
from baseload.config.importing.headers import Fields
from baseload.config.importing.litellm_fallbacks import fallbacks
from baseload.config.importing.litellm_keys import RULES
from baseload.config.importing.litellm_prices import UNIT_OF_MODE, Written, token_price, unit_price
from baseload.config.importing.litellm_teams import name_teams, restrict
from baseload.config.importing.nouns import Imported
from baseload.config.importing.pricing import is_priced, price_of
from baseload.config.importing.secrets import variable_name
from baseload.config.importing.signing import AwsKeys, aws_login, aws_region, entra_login, google_login
from baseload.config.importing.source import Node, Source
from baseload.config.importing.upstreams import (
    ALIASES,
    ENGINES,
    FOREIGN,
    Upstream,
    VertexPlace,
    azure,
    bedrock,
    provider_name,
    vertex,
    with_v1,
)

_BARE = (
    (re.compile(r"(ft:)?(gpt-|o[1345]|chatgpt-|text-embedding-|davinci|babbage|omni-)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"gemini-"), "vertex_ai"),
)
"""What LiteLLM takes a model without a provider's prefix to be of."""

_VARIABLES = {
    "together": "TOGETHERAI_API_KEY",
    "fireworks": "FIREWORKS_AI_API_KEY",
    "perplexity": "PERPLEXITYAI_API_KEY",
    "google": "GEMINI_API_KEY",
    "x-ai": "XAI_API_KEY",
    "moonshotai": "MOONSHOT_API_KEY",
}
"""The variable that LiteLLM itself looks at for a provider's key, where it is not PROVIDER_API_KEY."""


_SERVED = ("chat", "completion", "embedding")
_UNSERVED = ("realtime", "video_generation", "ocr", "search", "vector_store")
"""Modes of models that clients ask at paths of this gateway, besides those that pass through, and at none."""


class _Deployment(NamedTuple):
    """One entry of `model_list`, with the credential it names."""

    node: Node
    params: Node
    info: Node
    credential: Node

    def get(self, *names: str) -> Node:
        """The first of these parameters that is written, here or in the credential it names."""
        found = [self.params.get(name) for name in names] + [self.credential.get(name) for name in names]
        return next(filter(None, found), found[0])


def imported(text: str, file: str) -> Imported:
    """What a config.yaml becomes. Raises ConfigError with file, line and key for a broken one."""
    source = Source(text, file, RULES)
    draft = Draft("LiteLLM", source)
    root = source.root
    credentials = {
        entry.get("credential_name").needed(): entry for entry in root.get("credential_list").items()
    }
    deployments = [_read(node, credentials) for node in root.get("model_list").items()]
    for found in deployments:
        _deployment(draft, root, found)
    fallbacks(draft, root)
    _aliases(draft, root.get("router_settings", "model_group_alias"))
    name_teams(draft, root.get("litellm_settings", "default_team_settings"))
    restrict(draft, [(found.node.get("model_name"), found.info) for found in deployments])
    keeping.litellm(draft, root.get("litellm_settings"))
    body = root.get("general_settings", "max_request_size_mb")
    if size := draft.count(body, "http.body"):
        draft.http["body"] = f"{size}MiB"
    return draft.finished()


def _read(node: Node, credentials: dict[str, Node]) -> _Deployment:
    params = node.get("litellm_params")
    if not params:
        raise params.problem("is required", "a deployment says what it calls in `litellm_params`")
    named = params.get("litellm_credential_name")
    entry = credentials.get(named.text() or "")
    nothing = Node(node.source, (*node.path, "credential"), None)
    if entry is None:
        named.drop("no entry of `credential_list` has this name", "write the target's `key`")
        return _Deployment(node, params, node.get("model_info"), nothing)
    named.carry("what that credential holds")
    entry.get("credential_name").carry("the targets that name the credential")
    return _Deployment(node, params, node.get("model_info"), entry.get("credential_values"))


def _deployment(draft: Draft, root: Node, found: _Deployment) -> None:
    """Add one deployment's target to its model, or list why it cannot be one."""
    group = found.node.get("model_name").needed()
    written = found.params.get("model").needed()
    if "*" in group or "*" in written:
        rule = draft.source.rule((*found.node.path, "model_name"))
        found.node.drop(rule.why if rule else "", rule.do if rule else "")
        return
    mode = found.info.get("mode").text()
    if mode in _UNSERVED:
        found.node.drop(f"what is asked in mode {mode} is no path of this version", "leave it behind")
        return
    if found.params.get("weight").number() == 0:
        found.node.drop("its weight is 0: it is never asked", "list it with a model if it should be")
        return
    split = _provider(found, written)
    if split is None:
        found.node.drop(
            "which provider serves this model is not written", "write a target with its `metered.provider`"
        )
        return
    provider, model = split
    responses, model = _responses(found, provider, model)
    upstream = _upstream(draft, root, found, provider, model)
    if upstream is None:
        return
    upstream = _priced(draft, found, upstream._replace(responses=responses))
    wish = found.info.get("id").text() or group
    target = draft.target(wish, upstream, found.node)
    if target is None:
        return
    _settle(draft, root, found, draft.targets[target], model)
    _headers(draft, found, draft.targets[target], target)
    found.info.get("id").carry("the target's name")
    if mode in _SERVED or mode in UNIT_OF_MODE:
        found.info.get("mode").carry("the path that a client asks (docs/passthrough.md)")
    found.params.get("model").carry("targets.NAME.model")
    found.params.get("custom_llm_provider").carry("targets.NAME.metered.provider")
    name = group if is_name(group) else clean(group)
    draft.serve(name, target)
    if name == group:
        found.node.get("model_name").carry("models.NAME")
    else:
        found.node.get("model_name").drop(
            f"is no name that baseload.yaml takes; the model is called {name}",
            "let clients ask for that name",
        )


def _provider(found: _Deployment, written: str) -> tuple[str, str] | None:
    """Provider and its name of the model, as LiteLLM splits `provider/model`."""
    prefix, slash, rest = written.partition("/")
    if said := found.params.get("custom_llm_provider").text():
        return said, rest if slash and prefix == said else written
    name = provider_name(prefix)
    known = name in ENGINES or name in FOREIGN or name in ALIASES.values() or catalog_provider(name)
    if slash and (known or found.get("api_base", "base_url")):
        return prefix, rest
    for pattern, provider in _BARE:
        if pattern.match(written):
            return provider, written
    return (prefix, rest) if slash else None


def _upstream(draft: Draft, root: Node, found: _Deployment, provider: str, model: str) -> Upstream | None:
    """Where the deployment is and how it is signed in to; None where its entry was listed instead."""
    name = provider_name(provider)
    base = found.get("api_base", "base_url")
    if name == "bedrock":
        return _bedrock(draft, found, model)
    if name == "vertex-ai":
        return _vertex(draft, root, found, model)
    url = draft.address(base)
    if url:
        base.carry("targets.NAME.url")
        if name == "anthropic" or ENGINES.get(name) == "llama.cpp":
            url = with_v1(url)
    if name == "azure":
        if not base:
            url = draft.asked("AZURE_API_BASE", "the address of the Azure resource", ADDRESS)
        if url is None:
            found.node.drop("where the resource is cannot be used", "write a target with its `url`")
            return None
        entra = entra_login(
            draft,
            found.get("tenant_id"),
            found.get("client_id"),
            found.get("client_secret"),
            found.get("azure_scope"),
            clean(found.node.get("model_name").needed()),
        )
        key = None if entra else _key(draft, found, "azure", url)
        return azure(model, url, key, entra)
    return Upstream(provider, model, url, _key(draft, found, name, url))


def _key(draft: Draft, found: _Deployment, provider: str, url: str | None) -> str | None:
    node = found.get("api_key", "azure_ad_token")
    became = f"targets.NAME.{'owned' if provider in ENGINES else 'metered'}.key"
    group = found.node.get("model_name").needed()
    if node and (key := draft.key(node, became, group, provider, "api_key")):
        return key
    if provider in ENGINES or catalog_provider(provider) is None:
        return None
    if url == "${AZURE_API_BASE}":  # the two go together
        url = None
    default = _VARIABLES.get(provider, f"{variable_name(provider)}_API_KEY")
    return draft.key_for(provider, url, default, group)


def _bedrock(draft: Draft, found: _Deployment, model: str) -> Upstream:
    model = re.sub(r"^(converse|invoke)/", "", model)
    inside = re.match(r"([a-z]{2}(?:-[a-z]+)+-\d)/(.*)", model)
    keys = AwsKeys(
        found.get("aws_region_name"),
        found.get("aws_access_key_id"),
        found.get("aws_secret_access_key"),
        found.get("aws_session_token"),
        found.get("aws_role_name"),
        found.get("aws_external_id"),
        found.get("aws_sts_endpoint"),
    )
    login = aws_login(draft, keys, found.node.get("model_name").needed(), "aws")
    if inside:
        login["aws"]["region"], model = inside[1], inside[2]
    endpoint = found.get("aws_bedrock_runtime_endpoint", "api_base")
    url = draft.address(endpoint)
    if url:
        endpoint.carry("targets.NAME.url")
    found.params.get("api_key").drop("requests are signed with AWS keys", "write `key` in the place of `aws`")
    return bedrock(model, url, login)


def _vertex(draft: Draft, root: Node, found: _Deployment, model: str) -> Upstream:
    settings = root.get("litellm_settings")
    project = next(filter(None, (found.get("vertex_project"), settings.get("vertex_project"))), None)
    location = next(filter(None, (found.get("vertex_location"), settings.get("vertex_location"))), None)
    where = (draft.words(location) if location else None) or "us-central1"
    who = draft.words(project) if project else None
    for node in (project, location):
        if node:
            node.carry("targets.NAME.url")
    who = who or draft.asked("VERTEXAI_PROJECT", "the Google Cloud project", NAME)
    login = google_login(draft, found.get("vertex_credentials"), found.node.get("model_name").needed())
    return vertex(model, VertexPlace(who, where), login)


def _written(found: _Deployment) -> Written:
    """Where the deployment writes a figure: with its parameters, else with what it says of the model."""
    return lambda name: _first(found.params.get(name), found.info.get(name))


def _priced(draft: Draft, found: _Deployment, upstream: Upstream) -> Upstream:
    """The upstream with what the file says it costs, or the catalog for the model that it says it is."""
    name = provider_name(upstream.provider)
    if name in ENGINES:
        _free_of_price(found)
        return upstream
    unit = UNIT_OF_MODE.get(found.info.get("mode").text() or "")
    price, units = token_price(draft, _written(found)), unit_price(draft, _written(found), unit)
    base = found.info.get("base_model")
    if base and price is None and units is None:
        known = catalog_provider("google" if name == "vertex-ai" else name)
        model = (base.text() or "").rpartition("/")[2]
        if known and not is_priced(known.name, upstream.model or ""):
            price = price_of(known.name, model)
        if price:
            base.carry("targets.NAME.metered.price, which is the catalog's of that model")
    return upstream._replace(price=price, unit_price=units, unit=unit)


def _free_of_price(found: _Deployment) -> None:
    """List what an owned target's tokens are said to cost: it is paid by the hour."""
    for section in (found.params, found.info):
        for name, node in section.fields():
            if "cost_per_" in name or "_token_cost" in name:
                node.drop("an owned target is paid by the hour", "set what its hour costs: it is asked for")


def _responses(found: _Deployment, provider: str, model: str) -> tuple[bool, str]:
    """Whether the deployment is asked by OpenAI's responses, and its model without the word for that."""
    said = model.startswith("responses/")
    model = model.removeprefix("responses/")
    mode, paths = found.info.get("mode"), found.info.get("supported_endpoints")
    if mode.text() == "responses":
        mode.carry("targets.NAME.responses")
        said = True
    if isinstance(paths.value, list) and "/v1/responses" in paths.value:
        paths.carry("targets.NAME.responses, and the paths that a client asks")
        said = True
    name = provider_name(provider)
    return said and name not in ("bedrock", "vertex-ai", "google", "anthropic"), model


def _headers(draft: Draft, found: _Deployment, target: dict[str, Any], name: str) -> None:
    """Header fields of every call: LiteLLM's two mappings, and OpenAI's organization and project."""
    fields = Fields(draft, name)
    for key in ("extra_headers", "headers", "default_headers"):
        if node := found.get(key):
            fields.add_all(node)
    if target.get("metered", {}).get("provider") == "openai":
        for key in ("organization", "openai_organization"):
            if node := found.get(key):
                fields.add("openai-organization", node)
        if node := found.get("openai_project"):
            fields.add("openai-project", node)
    fields.settle(target)


def _settle(draft: Draft, root: Node, found: _Deployment, target: dict[str, Any], model: str) -> None:
    """Quota, timeouts, context, region and what is dropped, of one target."""
    router, settings = root.get("router_settings"), root.get("litellm_settings")
    if "metered" in target:
        quota = {
            "requests_per_minute": draft.count(found.get("rpm"), "targets.NAME.quota.requests_per_minute"),
            "tokens_per_minute": draft.count(found.get("tpm"), "targets.NAME.quota.tokens_per_minute"),
            "concurrent": draft.count(
                _first(found.get("max_parallel_requests"), router.get("default_max_parallel_requests")),
                "targets.NAME.quota.concurrent",
            ),
        }
        if kept := {key: value for key, value in quota.items() if value}:
            target["quota"] = kept
    elif most := draft.count(found.get("max_parallel_requests"), "targets.NAME.owned.max_sequences"):
        target["owned"]["max_sequences"] = most
    key = "targets.NAME.timeouts"
    total = (found.get("timeout"), router.get("timeout"), settings.get("request_timeout"))
    first = ("ttft_timeout", "stream_timeout")
    ttft = (*map(found.get, first), *map(router.get, first))
    idle = _first(found.get("stream_idle_timeout"), router.get("stream_idle_timeout"))
    times = {
        "ttft": draft.seconds(_first(*ttft), f"{key}.ttft"),
        "idle": draft.seconds(idle, f"{key}.idle"),
        "total": draft.seconds(_first(*total), f"{key}.total"),
    }
    if kept_times := {name: value for name, value in times.items() if value}:
        target["timeouts"] = kept_times
    drops = _first(found.get("drop_params"), settings.get("drop_params"))
    if drops:
        drops.carry("targets.NAME.drop_unsupported")
        if drops.flag():
            target["drop_unsupported"] = True
    if context := draft.count(found.info.get("max_input_tokens"), "targets.NAME.context"):
        target["context"] = context
    _place(draft, found, target, model)


def _place(draft: Draft, found: _Deployment, target: dict[str, Any], model: str) -> None:
    """The target's region, where their file says one that is a place."""
    metered = target.get("metered", {})
    named = found.get("region_name")
    region = region_of(draft.words(named) or "") if named else None
    if region:
        named.carry("targets.NAME.region")
    elif "aws" in metered:
        region = aws_region(metered["aws"]["region"], model)
    elif "google" in metered and found.get("vertex_location"):
        region = region_of(draft.words(found.get("vertex_location")) or "")
    if region:
        target["region"] = region


def _first(*nodes: Node) -> Node:
    """The first that is written, else the first."""
    return next(filter(None, nodes), nodes[0])


def _aliases(draft: Draft, aliases: Node) -> None:
    for alias, node in aliases.fields():
        goal = node.get("model") if isinstance(node.value, dict) else node
        group = goal.text() or ""
        known = draft.models.get(group if is_name(group) else clean(group))
        if known is None or not is_name(alias):
            goal.drop("names no model that was carried, or is no name that baseload.yaml takes")
        elif alias not in draft.models:
            draft.models[alias] = {side: list(targets) for side, targets in known.items()}
            draft.fall_back_alike(alias, group if is_name(group) else clean(group))
            goal.carry(f"models.{alias}, with the targets and lists of that group")
        if isinstance(node.value, dict):
            node.get("hidden").drop("GET /v1/models lists every model that a tenant may ask for")
