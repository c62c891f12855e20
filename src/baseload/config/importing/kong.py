"""A Kong declarative file: every place of an ai-proxy plugin becomes a target, every route a model."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.document import PathIn
from baseload.config.headers import key_header
from baseload.config.importing.draft import ADDRESS, NAME, Draft, clean, region_of
from baseload.config.importing.headers import Fields
from baseload.config.importing.kong_keys import RULES
from baseload.config.importing.kong_limits import LIMITERS, Scope, limit
from baseload.config.importing.nouns import Imported
from baseload.config.importing.secrets import reference, variable_name
from baseload.config.importing.signing import AwsKeys, aws_login, aws_region, entra_login, google_login
from baseload.config.importing.source import Node, Source, tokens
from baseload.config.importing.upstreams import (
    ENGINES,
    Upstream,
    VertexPlace,
    azure,
    provider_name,
    vertex,
    with_v1,
)
from baseload.config.importing.upstreams import bedrock as bedrock_at
from baseload.core import Format

CACHES = ("ai-semantic-cache", "proxy-cache", "proxy-cache-advanced")
PROXIES = ("ai-proxy", "ai-proxy-advanced")
KINDS = {
    "llm/v1/chat": "",
    "llm/v1/completions": "completions",
    "llm/v1/embeddings": "embeddings",
    "llm/v1/responses": "responses",
    "image/v1/images/generations": "images",
    "image/v1/images/edits": "image-edits",
    "audio/v1/audio/transcriptions": "transcriptions",
    "audio/v1/audio/translations": "translations",
    "audio/v1/audio/speech": "speech",
}
"""The route types that are served, and what a model of one is called after, beside the place's name."""
_UNITS = {
    "images": "image",
    "image-edits": "image",
    "transcriptions": "second",
    "translations": "second",
    "speech": "character",
}
_CHAT = "llm/v1/chat"
_ENDS = (
    *("/chat/completions", "/completions", "/embeddings", "/messages", "/responses", "/api/chat"),
    *("/images/generations", "/images/edits"),
    *("/audio/transcriptions", "/audio/translations", "/audio/speech"),
)
KEY_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
"""The headers that a key may go in."""
_MILLISECOND = Decimal("0.001")
_WEIGHT = Decimal(100)
"""A target's weight where it is not written."""


def normal(data: Any, path: PathIn) -> tuple[str, ...]:
    """A path as the rules name it: `plugins.NAME.…` wherever the plugin stands, else from its own entity."""
    parts = list(tokens(None, path))
    at = max((index for index, part in enumerate(parts) if part == "plugins" and index < 7), default=-1)
    if at >= 0 and len(parts) > at + 1:
        plugin = data
        for part in path[: at + 2]:
            plugin = plugin[part]
        name = plugin.get("name", "") if isinstance(plugin, dict) else ""
        known = name in (*PROXIES, *LIMITERS, *CACHES)
        rest = parts[at + 2 :]
        if name == PROXIES[1] and rest[:3] == ["config", "targets", "[]"]:
            rest = ["config", *rest[3:]]
        return ("plugins", "ai-proxy" if name in PROXIES else name if known else "other", *rest)
    for entity in ("routes", "services", "consumers"):
        if entity in parts[:3]:
            return tuple(parts[parts.index(entity) :])
    return tuple(parts)


class _Place(NamedTuple):
    """Where a plugin stands: the models it makes, and the service around it."""

    models: tuple[str, ...]
    service: Node
    named_by: tuple[Node, ...]


def imported(text: str, file: str) -> Imported:
    """What a file becomes. Raises ConfigError with file, line and key for a broken one."""
    source = Source(text, file, RULES, normal)
    draft = Draft("Kong", source)
    for consumer in source.root.get("consumers").items():
        named = consumer.get("username") or consumer.get("custom_id")
        if named:
            draft.tenants[clean(named.text() or "")] = {"class": "default"}
            named.carry("tenants.NAME")
    limiters: list[tuple[Node, _Place, str]] = []
    models: dict[str, list[str]] = {}
    for plugin, place, tenant in _plugins(source.root):
        kind = plugin.get("name").needed()
        if not plugin.get("enabled").flag() and plugin.get("enabled"):
            plugin.drop("is switched off")
        elif kind in PROXIES:
            for wish in place.models:
                models.setdefault(wish, [])
            _proxy(draft, plugin, place, models)
        elif kind in LIMITERS:
            limiters.append((plugin, place, tenant))
    for plugin, place, tenant in limiters:  # models are there now
        counted = tuple(dict.fromkeys(name for wish in place.models for name in models.get(wish, [wish])))
        limit(draft, plugin, Scope(counted, tenant))
    return draft.finished()


def _plugins(root: Node) -> Iterator[tuple[Node, _Place, str]]:
    """Every plugin with the place it stands at, and the tenant it is for ("" for all)."""
    nothing = Node(root.source, ("services",), None)
    places: dict[str, _Place] = {}
    services = {service.get("name").text(): service for service in root.get("services").items()}
    for service in root.get("services").items():
        inside = []
        for route in service.get("routes").items():
            place = _Place((_route_name(route),), service, (route.get("name"), route.get("paths")))
            places[f"route {route.get('name').text()}"] = place
            inside.append(place)
            yield from ((plugin, place, "") for plugin in route.get("plugins").items())
        own = _Place((clean(service.get("name").text() or "chat"),), service, (service.get("name"),))
        routes = tuple(node for place in inside for node in place.named_by)
        around = (
            _Place(tuple(name for place in inside for name in place.models), service, routes)
            if inside
            else own
        )
        places[f"service {service.get('name').text()}"] = around
        yield from ((plugin, around, "") for plugin in service.get("plugins").items())
    for route in root.get("routes").items():
        behind = services.get(_referred(route.get("service")), nothing)
        place = _Place((_route_name(route),), behind, (route.get("name"), route.get("paths")))
        places[f"route {route.get('name').text()}"] = place
        yield from ((plugin, place, "") for plugin in route.get("plugins").items())
    for consumer in root.get("consumers").items():
        tenant = clean((consumer.get("username") or consumer.get("custom_id")).text() or "")
        yield from ((plugin, _Place((), nothing, ()), tenant) for plugin in consumer.get("plugins").items())
    for plugin in root.get("plugins").items():
        yield _at_top(plugin, places, nothing)


def _at_top(plugin: Node, places: dict[str, _Place], nothing: Node) -> tuple[Node, _Place, str]:
    """A plugin at the top of the file: it names its place, or stands for all."""
    consumer = _referred(plugin.get("consumer"))
    for kind in ("route", "service"):
        place = places.get(f"{kind} {_referred(plugin.get(kind))}")
        if place:
            plugin.get(kind).carry("models.NAME")
            return plugin, place, clean(consumer) if consumer else ""
    model = plugin.get("instance_name").text() or "chat"
    if plugin.get("name").text() not in PROXIES:
        return plugin, _Place((), nothing, ()), clean(consumer) if consumer else ""
    return (
        plugin,
        _Place((clean(model),), nothing, (plugin.get("instance_name"),)),
        clean(consumer) if consumer else "",
    )


def _referred(node: Node) -> str:
    """The name of an entity that a plugin refers to, written as such or as `{name: …}`."""
    if isinstance(node.value, dict):
        return next((inner.text() or "" for _, inner in node.fields()), "")
    return node.text() or ""


def _route_name(route: Node) -> str:
    named = route.get("name").text()
    paths = [path.text() or "" for path in route.get("paths").items()]
    return clean(named or next(iter(paths), "chat"))


def _proxy(draft: Draft, plugin: Node, place: _Place, models: dict[str, list[str]]) -> None:
    """Add the targets of one plugin to its models, one for each route type, noted in `models`."""
    config = plugin.get("config")
    several = config.get("targets")
    kinds: dict[str, dict[str, Node]] = {}
    for item in several.items() if several else [config]:
        kind = KINDS.get(item.get("route_type").text() or _CHAT)
        if kind is None:
            item.drop("this route type is no path of this version")
        elif (name := _target(draft, item, config, place)) is not None:
            kinds.setdefault(kind, {})[name] = item
    if not kinds:
        return
    main = "" if "" in kinds else next(iter(kinds))
    for kind, made in kinds.items():
        first, after = _groups(config, made)
        for wish in place.models:
            model = wish if kind == main else clean(f"{wish}-{kind or 'chat'}")
            if model not in models[wish]:
                models[wish].append(model)
            for name in first:
                draft.serve(model, name)
            if after:
                draft.fall_back(model, ("error",), after, config.get("balancer", "algorithm"))
    plugin.get("name").carry("models.NAME")
    for node in place.named_by:
        node.carry("models.NAME")


def _groups(config: Node, made: dict[str, Node]) -> tuple[list[str], list[str]]:
    """The targets asked first and those asked when they fail: with `priority`, by falling weight."""
    if config.get("balancer", "algorithm").text() != "priority" or len(made) < 2:
        return list(made), []
    written = {name: item.get("weight").number() for name, item in made.items()}
    weights = {name: _WEIGHT if weight is None else weight for name, weight in written.items()}
    heaviest = max(weights.values())
    first = [name for name in made if weights[name] == heaviest]
    after = sorted((name for name in made if name not in first), key=lambda name: -weights[name])
    for item in made.values() if after else ():
        item.get("weight").carry("the order in models.NAME.fallback.error")
    return first, after


def _target(draft: Draft, item: Node, config: Node, place: _Place) -> str | None:
    """Add one target; None where it was listed instead."""
    kind = item.get("route_type")
    provider = item.get("model", "provider").needed()
    upstream = _upstream(draft, item, provider, place.models[0])
    if upstream is None:
        return None
    called = KINDS[kind.text() or _CHAT]
    upstream = upstream._replace(unit=_UNITS.get(called), responses=called == "responses")
    name = draft.target(
        f"{place.models[0]}-{provider}" if config.path != item.path else place.models[0], upstream, item
    )
    if name is None:
        return None
    kind.carry("the path that a client asks, and a model for each route type")
    item.get("model", "provider").carry("targets.NAME.metered.provider")
    item.get("model", "name").carry("targets.NAME.model")
    for option in ("llama2_format", "mistral_format"):
        item.get("model", "options", option).carry("targets.NAME.url")
    _header(draft, draft.targets[name], item.get("auth"), name)
    _settle(draft, draft.targets[name], name, config.get("balancer"), place.service)
    return name


def _upstream(draft: Draft, item: Node, provider: str, wish: str) -> Upstream | None:
    model, options, auth = item.get("model", "name").text(), item.get("model", "options"), item.get("auth")
    name = provider_name(provider)
    for option in ("llama2_format", "mistral_format"):
        said = options.get(option).text()
        if said == "ollama":
            provider = name = "ollama"
        elif said == "raw":
            item.drop("a raw format is not spoken", "let the server speak OpenAI's format")
            return None
    written = options.get("upstream_url")
    url = draft.address(written) if written else None
    if url:
        written.carry("targets.NAME.url")
        for end in _ENDS:
            url = url.removesuffix(end)
        url = with_v1(url) if name == "anthropic" or ENGINES.get(name) == "llama.cpp" else url
    price = None if name in ENGINES else _price(draft, options)
    if name == "bedrock":
        return _bedrock(draft, item, model, url, price, wish)
    if name == "google" and options.get("gemini", "project_id"):
        return _vertex(draft, item, model, price, wish)
    if name == "azure":
        return _azure(draft, item, model, url, price, wish)
    if name == "huggingface" and not url:
        url = "https://router.huggingface.co/v1"
    return Upstream(provider, model, url, _key(draft, auth, name, wish, url), None, price)


def _price(draft: Draft, options: Node) -> dict[str, Any] | None:
    became = "targets.NAME.metered.price"
    if not (options.get("input_cost") and options.get("output_cost")):
        return None
    prices = {
        key: draft.usd(options.get(f"{key}_cost"), became, times=Decimal(1)) for key in ("input", "output")
    }
    if None in prices.values():
        return None
    return {**prices, "source": "the Kong configuration it was imported from"}


def _key(draft: Draft, auth: Node, provider: str, wish: str, url: str | None) -> str | None:
    """The key in their header or parameter, without the word `Bearer`."""
    became = f"targets.NAME.{'owned' if provider in ENGINES else 'metered'}.key"
    if auth.get("header_value") and _header_name(auth) not in KEY_HEADERS and provider not in ENGINES:
        return "none"  # it goes as a header field of its own
    for kind in ("header", "param"):
        written = auth.get(f"{kind}_value")
        if not written:
            continue
        for part in ("name", "location"):
            auth.get(f"{kind}_{part}").carry("targets.NAME.metered.key_header, or the format's own header")
        text = (written.text() or "").strip()
        found = reference(text) if kind == "header" and _header_name(auth) == "authorization" else None
        if found and variable_name(found.name) == found.name:
            draft.asked(found.name, f"the key of {provider}, without the word Bearer before it")
        node = Node(written.source, written.path, text.removeprefix("Bearer ").strip())
        return draft.key(node, became, wish, provider, "api_key")
    if provider in ENGINES or catalog_provider(provider) is None:
        return None
    return draft.key_for(provider, url, f"{variable_name(provider)}_API_KEY", wish)


def _header_name(auth: Node) -> str:
    """The header that their key goes in, in small letters; authorization where none is written."""
    return (auth.get("header_name").text() or "authorization").lower()


def _header(draft: Draft, target: dict[str, Any], auth: Node, name: str) -> None:
    """Say which header the key goes in, where it is not the format's own."""
    metered, header = target.get("metered"), _header_name(auth)
    if metered is None or not auth.get("header_value"):
        return
    if header not in KEY_HEADERS:
        fields = Fields(draft, name)
        fields.add(header, auth.get("header_value"))
        fields.settle(target)
        auth.get("header_name").carry("targets.NAME.headers")
    elif metered.get("key") not in (None, "none"):
        format_ = Format(
            target.get("format", "anthropic" if metered["provider"] == "anthropic" else "openai")
        )
        if header != key_header(metered["provider"], format_):
            metered["key_header"] = header


def _bedrock(
    draft: Draft, item: Node, model: str | None, url: str | None, price: dict[str, Any] | None, wish: str
) -> Upstream:
    auth, bedrock = item.get("auth"), item.get("model", "options", "bedrock")
    keys = AwsKeys(
        bedrock.get("aws_region"),
        auth.get("aws_access_key_id"),
        auth.get("aws_secret_access_key"),
        auth.get("aws_session_token"),
        bedrock.get("aws_assume_role_arn"),
        auth.get("aws_external_id"),
        bedrock.get("aws_sts_endpoint_url"),
    )
    return bedrock_at(model, url, aws_login(draft, keys, wish, "aws"), price)


def _vertex(draft: Draft, item: Node, model: str | None, price: dict[str, Any] | None, wish: str) -> Upstream:
    gemini, auth = item.get("model", "options", "gemini"), item.get("auth")
    where = draft.words(gemini.get("location_id")) or "us-central1"
    who = draft.words(gemini.get("project_id")) or ""
    for key in ("project_id", "location_id", "api_endpoint"):
        gemini.get(key).carry("targets.NAME.url")
    auth.get("gcp_use_service_account").carry("targets.NAME.metered.google")
    login = google_login(draft, auth.get("gcp_service_account_json"), wish)
    return vertex(model or "", VertexPlace(who, where), login, price)


def _azure(
    draft: Draft, item: Node, model: str | None, url: str | None, price: dict[str, Any] | None, wish: str
) -> Upstream:
    options, auth = item.get("model", "options"), item.get("auth")
    instance, deployment = options.get("azure_instance"), options.get("azure_deployment_id")
    if instance and not url:
        url = f"https://{draft.words(instance)}.openai.azure.com"
        instance.carry("targets.NAME.url")
    url = url or draft.asked(f"{wish}_BASE", "the address of the Azure resource", ADDRESS)
    if deployment:
        model = draft.words(deployment)
        deployment.carry("targets.NAME.model")
    parts = ("tenant_id", "client_id", "client_secret")
    tenant, client, secret = (auth.get(f"azure_{part}") for part in parts)
    entra = entra_login(draft, tenant, client, secret, auth.get("azure_scope"), wish)
    if entra:
        auth.get("azure_use_managed_identity").carry("targets.NAME.metered.entra")
    key = None if entra else _key(draft, auth, "azure", wish, url)
    return azure(model, url, key, entra)._replace(price=price)


def _settle(draft: Draft, target: dict[str, Any], name: str, balancer: Node, service: Node) -> None:
    """Timeouts and region of one target, and its name of the model where the file leaves it to clients."""
    key = "targets.NAME.timeouts"
    connect = balancer.get("connect_timeout") or service.get("connect_timeout")
    read = balancer.get("read_timeout") or service.get("read_timeout")
    silence = draft.seconds(read, f"{key}.ttft, {key}.idle", unit=_MILLISECOND)
    times = {
        "connect": draft.seconds(connect, f"{key}.connect", unit=_MILLISECOND),
        "ttft": silence,
        "idle": silence,
    }
    if kept := {part: value for part, value in times.items() if value}:
        target["timeouts"] = kept
    metered = target.get("metered", {})
    region = None
    if "aws" in metered:
        region = aws_region(metered["aws"]["region"], target.get("model", ""))
    elif "google" in metered:
        region = region_of(target["url"].partition("/locations/")[2].partition("/")[0])
    if region:
        target["region"] = region
    if "model" not in target:
        what = f"the name by which target {name} knows its model; the other file leaves it to clients"
        target["model"] = draft.asked(f"{name}_MODEL", what, NAME)
