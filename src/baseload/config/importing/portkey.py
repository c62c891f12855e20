"""A Portkey config: every innermost target becomes a target, every place a condition leads to a model."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.document import PathIn
from baseload.config.fallbacks import CAUSES
from baseload.config.importing import keeping
from baseload.config.importing.draft import ADDRESS, NAME, Draft, clean, is_name, region_of
from baseload.config.importing.headers import Fields
from baseload.config.importing.nouns import Imported
from baseload.config.importing.portkey_keys import RULES
from baseload.config.importing.secrets import looks_secret, variable_name
from baseload.config.importing.signing import AwsKeys, aws_login, aws_region, entra_login, google_login
from baseload.config.importing.source import Node, Source, snake, tokens
from baseload.config.importing.upstreams import (
    ENGINES,
    Upstream,
    VertexPlace,
    azure,
    bedrock,
    provider_name,
    vertex,
    with_v1,
)

_MILLISECOND = Decimal("0.001")
_HEADERS = {
    "openai": ("openai_organization", "openai_project", "openai_beta"),
    "anthropic": ("anthropic_beta",),
}
"""Keys of a config that are header fields of its target, by provider."""
DEFAULT_MODEL = "chat"
"""What clients ask for where a config names no model."""


def normal(_data: Any, path: PathIn) -> tuple[str, ...]:
    """A path as the rules name it: in snake case, and seen from the innermost target."""
    parts = [part if part == "[]" else snake(part) for part in tokens(None, path)]
    while parts[:2] == ["targets", "[]"]:
        parts = parts[2:]
    return tuple(parts)


class _Inherited(NamedTuple):
    """What a target takes from the configs around it, where it does not write it itself."""

    model: Node
    timeout: Node


def imported(text: str, file: str) -> Imported:
    """What a config becomes. Raises ConfigError with file, line and key for a broken one."""
    source = Source(text, file, RULES, normal)
    draft = Draft("Portkey", source)
    root = source.root
    inherited = _Inherited(_get(root, "override_params", "model"), _get(root, "request_timeout"))
    targets = _targets(draft, root, inherited)
    if targets:
        _models(draft, root, targets)
        keeping.portkey(draft, _get(root, "cache"))
    return draft.finished()


def _get(node: Node, *names: str) -> Node:
    """The value at these keys, written in snake or camel case."""
    for name in names:
        written = next((key for key, _ in node.fields() if snake(key) == name), name)
        node = node.get(written)
    return node


def _targets(draft: Draft, node: Node, inherited: _Inherited) -> list[str]:
    """The names of the targets in a config, added to the draft."""
    inner = _get(node, "targets")
    if not inner:
        made = _target(draft, node, inherited) if _says_where(node) else None
        return [made] if made else []
    found = []
    mode = _get(node, "strategy", "mode")
    balanced = mode.text() == "loadbalance"
    for index, item in enumerate(inner.items()):
        if mode.text() == "single" and index:
            item.drop("with `single` the first target alone is asked", "list it with a model by hand")
            continue
        if balanced and _get(item, "weight").number() == 0:
            item.drop("its weight is 0: it is never asked", "list it with a model by hand if it should be")
            continue
        model, timeout = _get(item, "override_params", "model"), _get(item, "request_timeout")
        found += _targets(draft, item, _Inherited(model or inherited.model, timeout or inherited.timeout))
    if mode.text() == "single" and found:
        mode.carry("models.NAME: the first target alone")
    return found


def _says_where(node: Node) -> bool:
    return any(_get(node, name) for name in ("provider", "virtual_key", "custom_host"))


def _target(draft: Draft, node: Node, inherited: _Inherited) -> str | None:
    """Add one innermost target; None where it was listed instead."""
    said = _get(node, "provider")
    provider, vault = said.text() or "", ""
    model = inherited.model.text() or ""
    if provider.startswith("@"):
        vault = provider[1:]
        provider = _provider_of(vault)
    elif model.startswith("@"):
        vault, _, model = model[1:].partition("/")
        provider = provider or _provider_of(vault)
    virtual = _get(node, "virtual_key")
    if virtual and not vault and not looks_secret(virtual.text() or ""):
        vault = virtual.text() or ""
        provider = provider or _provider_of(vault)
    if not provider:
        node.drop("which provider this is, only Portkey knows", "write the target by hand (docs/config.md)")
        return None
    wish = _get(node, "name").text() or (vault or provider)
    upstream = _upstream(draft, node, provider, vault, model, clean(wish))
    if upstream is None:
        return None
    name = draft.target(wish, upstream, node)
    if name is None:
        return None
    said.carry("targets.NAME.metered.provider" if not vault else "targets.NAME.metered.provider, by its name")
    virtual.carry("targets.NAME.metered.key, whose value Portkey holds")
    _get(node, "name").carry("the target's name")
    inherited.model.carry("targets.NAME.model")
    fields = Fields(draft, name)
    for key in _HEADERS.get(draft.targets[name].get("metered", {}).get("provider", ""), ()):
        if written := _get(node, key):
            fields.add(key.replace("_", "-"), written)
    fields.settle(draft.targets[name])
    _settle(draft, name, inherited)
    return name


def _provider_of(slug: str) -> str:
    """The provider whose name a slug of theirs begins with; "" for none."""
    parts = slug.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        name = "-".join(parts[:length])
        if catalog_provider(provider_name(name)) or provider_name(name) in ENGINES:
            return name
    return ""


def _upstream(draft: Draft, node: Node, provider: str, vault: str, model: str, wish: str) -> Upstream | None:
    name = provider_name(provider)
    host = _get(node, "custom_host") or _get(node, "huggingface_base_url")
    url = draft.address(host) if host else None
    if url:
        host.carry("targets.NAME.url")
        url = with_v1(url) if name == "anthropic" or ENGINES.get(name) == "llama.cpp" else url
    if name == "bedrock":
        return bedrock(model or None, url, aws_login(draft, _aws(node), wish, "aws"))
    if name == "vertex-ai":
        return _vertex(draft, node, model, wish)
    if name == "azure":
        return _azure(draft, node, vault, model, wish)
    return Upstream(provider, model or None, url, _key(draft, node, name, vault, wish, url))


def _aws(node: Node) -> AwsKeys:
    names = (
        "region",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "role_arn",
        "external_id",
        "sts",
    )
    return AwsKeys(*(_get(node, f"aws_{name}") for name in names))


def _vertex(draft: Draft, node: Node, model: str, wish: str) -> Upstream:
    project, region = _get(node, "vertex_project_id"), _get(node, "vertex_region")
    where = draft.words(region) or draft.asked("VERTEX_REGION", "the location of Vertex AI", NAME)
    who = draft.words(project) or draft.asked("VERTEX_PROJECT_ID", "the Google Cloud project", NAME)
    project.carry("targets.NAME.url")
    region.carry("targets.NAME.url")
    login = google_login(draft, _get(node, "vertex_service_account_json"), wish)
    _get(node, "api_key").drop(
        "an access token ends within the hour", "write `google` with a service account"
    )
    return vertex(model, VertexPlace(who, where), login)


def _azure(draft: Draft, node: Node, vault: str, model: str, wish: str) -> Upstream:
    resource = _get(node, "resource_name") or _get(node, "azure_resource_name")
    host = _get(node, "custom_host") or _get(node, "azure_foundry_url")
    base = draft.address(host) if host else None
    if base:
        host.carry("targets.NAME.url")
    elif resource:
        base = f"https://{draft.words(resource)}.openai.azure.com"
        resource.carry("targets.NAME.url")
    else:
        base = draft.asked(f"{wish}_BASE", "the address of the Azure resource", ADDRESS)
    names = ("deployment_id", "azure_deployment_id", "azure_deployment_name", "azure_model_name")
    deployment = next(filter(None, (_get(node, name) for name in names)), None)
    if deployment:
        model = draft.words(deployment) or model
        deployment.carry("targets.NAME.model")
    parts = ("tenant_id", "client_id", "client_secret", "scope")
    tenant, client, secret, scope = (_get(node, f"azure_entra_{part}") for part in parts)
    entra = entra_login(draft, tenant, client, secret, scope, wish)
    if entra:
        _get(node, "azure_auth_mode").carry("targets.NAME.metered.entra")
    key = None if entra else _key(draft, node, "azure", vault, wish, base if host else None)
    return azure(model or None, base, key, entra)


def _key(
    draft: Draft, node: Node, provider: str, vault: str, wish: str, url: str | None = None
) -> str | None:
    became = f"targets.NAME.{'owned' if provider in ENGINES else 'metered'}.key"
    names = ("api_key", "anthropic_api_key", "azure_ad_token", "ad_auth")
    for name in names if vault else (*names, "virtual_key"):  # a real key in a virtual one's place
        if written := _get(node, name):
            return draft.key(written, became, wish, "api_key")
    if vault:
        return draft.asked(f"portkey_{vault}", f"the key that Portkey keeps as {clean(vault)}")
    if provider in ENGINES or catalog_provider(provider) is None:
        return None
    return draft.key_for(provider, url, f"{variable_name(provider)}_API_KEY", wish)


def _settle(draft: Draft, name: str, inherited: _Inherited) -> None:
    """Timeout and region of one target, and its name of the model where nothing in the file says it."""
    target = draft.targets[name]
    if total := draft.seconds(inherited.timeout, "targets.NAME.timeouts.total", unit=_MILLISECOND):
        target["timeouts"] = {"total": total}
    metered = target.get("metered", {})
    if "aws" in metered:
        region = aws_region(metered["aws"]["region"], target.get("model", ""))
    elif "google" in metered and "/locations/" in target["url"]:
        region = region_of(target["url"].partition("/locations/")[2].partition("/")[0])
    else:
        region = None
    if region:
        target["region"] = region
    if "model" not in target:
        what = f"the name by which target {name} knows its model; the other file leaves it to clients"
        target["model"] = draft.asked(f"{name}_MODEL", what, NAME)


def _models(draft: Draft, root: Node, targets: list[str]) -> None:
    """The models that clients ask for, and which targets serve each."""
    strategy = _get(root, "strategy")
    mode = _get(strategy, "mode")
    if mode.text() == "conditional":
        mode.carry("models.NAME: a model for each place that a condition leads to")
        _conditional(draft, root, strategy)
    if not draft.models:
        names = {draft.targets[name]["model"] for name in targets}
        only = names.pop() if len(names) == 1 else DEFAULT_MODEL
        model = only if is_name(only) else DEFAULT_MODEL
        _serve(draft, [model], _layers(draft, root))


class _Layers(NamedTuple):
    """The targets that serve for each other first, those that follow when they fail, and when that is."""

    first: list[str]
    after: list[str]
    causes: frozenset[str]
    said: tuple[Node, ...]


def _layers(draft: Draft, node: Node) -> _Layers:
    """The made targets below a node, by its strategy: with `fallback` all but the first are for failures."""
    inner = _get(node, "targets")
    if not inner:
        made = [name for name, origin in draft.origins.items() if origin.path == node.path]
        return _Layers(made, [], frozenset(), ())
    layers = [found for item in inner.items() if (found := _layers(draft, item)).first]
    mode = _get(node, "strategy", "mode")
    if mode.text() != "fallback" or len(layers) < 2:
        first = [name for found in layers for name in found.first]
        after = [name for found in layers for name in found.after]
        causes = frozenset().union(*(found.causes for found in layers))
        return _Layers(first, after, causes, tuple(node for found in layers for node in found.said))
    after = [
        name for found in (layers[0]._replace(first=[]), *layers[1:]) for name in (*found.first, *found.after)
    ]
    said = tuple(one for found in layers for one in found.said)
    return _Layers(layers[0].first, after, _causes(node) | layers[0].causes, (mode, *said))


_TROUBLE = frozenset({401, 402, 403, 404, 408, 409, 425, 429, *range(500, 600)})
"""Statuses after which another target is asked here too."""
_REFUSED = frozenset({400, 413, 422})
"""Statuses of requests that a target refuses: those for length and content have lists."""


def _causes(node: Node) -> frozenset[str]:
    """The lists that a strategy's status codes ask for; without codes all."""
    codes = _get(node, "strategy", "on_status_codes")
    if not codes:
        return frozenset(CAUSES)
    written = {int(found) for item in codes.items() if (found := item.number()) is not None}
    causes = {"error"} if written & _TROUBLE else set()
    if written & _REFUSED:
        causes |= {"context_length", "content_policy"}
    if written <= _TROUBLE | _REFUSED:
        codes.carry("models.NAME.fallback, by cause")
    else:
        codes.drop(
            "only trouble, length and content lead to a fallback list (docs/dispatch.md)",
            "let clients correct what else is refused",
        )
    return frozenset(causes)


def _serve(draft: Draft, models: list[str], layers: _Layers) -> None:
    """Let models be served by the first layer, with the rest as their fallback lists."""
    for model in models:
        for name in layers.first:
            draft.serve(model, name)
        after = [name for name in layers.after if name not in layers.first]
        causes = [cause for cause in CAUSES if cause in layers.causes]
        for node in layers.said[:1] if after else ():
            draft.fall_back(model, causes, after, node)
    for node in layers.said:
        node.carry("models.NAME.fallback")


def _conditional(draft: Draft, root: Node, strategy: Node) -> None:
    """A model for each target of the root that a condition or the default leads to."""
    branches = _branches(draft, root)
    for condition in _get(strategy, "conditions").items():
        then = condition.get("then")
        goal = branches.get(then.text() or "")
        if goal is None:
            continue
        then.carry("models.NAME")
        asked = list(_asked(_get(condition, "query")))
        for name, node in asked:
            _serve(draft, [name], goal)
            node.carry("models.NAME")
        if not asked:
            _serve(draft, [clean(then.text() or "")], goal)
            _get(condition, "query").drop(
                "a model is chosen by the name a client asks for, not by metadata or other parameters",
                f"let those clients ask for the model {clean(then.text() or '')}",
            )
    default = _get(strategy, "default")
    if goal := branches.get(default.text() or ""):
        default.carry("models.NAME")
        _serve(draft, [clean(default.text() or "")], goal)
    if draft.models:
        draft.leave_unserved("no condition leads to it", "list it with a model by hand")


def _branches(draft: Draft, root: Node) -> dict[str, _Layers]:
    """The made targets below each named target of the root."""
    found = {}
    for item in _get(root, "targets").items():
        inside = _layers(draft, item)
        named = _get(item, "name")
        if inside.first and named:
            found[named.text() or ""] = inside
            named.carry("models.NAME")
    return found


def _asked(query: Node) -> Iterator[tuple[str, Node]]:
    """The names of models that a query of nothing but `params.model` asks for, each with its place."""
    parts = dict(query.fields())
    rule = parts.pop("params.model", None)
    if rule is None or parts:
        return
    operators = dict(rule.fields()) if isinstance(rule.value, dict) else {"$eq": rule}
    for operator, node in operators.items():
        if operator == "$eq" and is_name(node.text() or ""):
            yield node.text() or "", node
        elif operator == "$in":
            for item in node.items():
                if is_name(item.text() or ""):
                    yield item.text() or "", node
