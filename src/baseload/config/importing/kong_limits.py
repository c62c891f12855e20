"""Kong's rate limiting plugins as limits of models and tenants, where the two mean the same."""

from __future__ import annotations

from typing import NamedTuple

from baseload.config.importing.draft import Draft
from baseload.config.importing.source import Node

LIMITERS = ("rate-limiting", "rate-limiting-advanced", "ai-rate-limiting-advanced")
_MINUTE_S = 60


class Scope(NamedTuple):
    """What a limiting plugin counts: the models of its place, or one tenant ("" for none)."""

    models: tuple[str, ...]
    tenant: str


def limit(draft: Draft, plugin: Node, scope: Scope) -> None:
    """Carry a limit per minute to the tenant or the one model it is for; list any other by the rules."""
    config = plugin.get("config")
    who = config.get("limit_by") or config.get("identifier")
    if scope.tenant:
        holder = draft.tenants.get(scope.tenant)
        key = "tenants.NAME.limits"
    else:
        # counted per consumer, address or header it is no limit of the model as a whole
        alone = len(scope.models) == 1 and who.text() == "service"
        holder = draft.models.get(scope.models[0]) if alone else None
        key = "models.NAME.limits"
    if holder is None:
        return
    name = plugin.get("name")
    if name.text() == "ai-rate-limiting-advanced":
        kind, figure = "tokens_per_minute", _tokens(draft, config, scope)
    else:
        kind, figure = "requests_per_minute", _requests(config)
    if not figure:
        return
    found = draft.count(figure[0], f"{key}.{kind}")
    if found is None or kind in holder.get("limits", {}):
        return
    for node in figure[1:]:
        node.carry(f"{key}.{kind}")
    for node in (name, who, plugin.get("consumer")):
        node.carry(key)
    holder["limits"] = {**holder.get("limits", {}), kind: found}


def _requests(config: Node) -> list[Node]:
    """The place of the requests a minute, and the places that say it is a minute."""
    if minute := config.get("minute"):
        return [minute]
    return _pair(config)


def _tokens(draft: Draft, config: Node, scope: Scope) -> list[Node]:
    """The place of the tokens a minute, where all of the model's targets are of the one provider counted."""
    strategy = config.get("tokens_count_strategy")
    providers = list(config.get("llm_providers").items())
    if (strategy.text() or "total_tokens") != "total_tokens" or len(providers) != 1:
        return []
    [provider] = providers
    models = [draft.models[name] for name in scope.models] or list(draft.models.values())
    used = {
        draft.targets[target].get("metered", {}).get("provider")
        for model in models
        for side in ("owned", "metered")
        for target in model.get(side, [])
    }
    if used != {provider.get("name").text()}:
        return []
    found = _pair(provider)
    return [*found, *filter(None, (provider.get("name"), strategy))] if found else []


def _pair(node: Node) -> list[Node]:
    """`limit` and `window_size`, plain or as lists of one, where the window is a minute."""
    limits, windows = node.get("limit"), node.get("window_size")
    if not (limits and windows):
        return []
    values = [found.value if isinstance(found.value, list) else [found.value] for found in (limits, windows)]
    if [len(value) for value in values] != [1, 1] or str(values[1][0]) != str(_MINUTE_S):
        return []
    return [Node(limits.source, limits.path, values[0][0]), windows]
