"""Other gateways' caches of whole answers as `models.NAME.cache`, where they give an answer to the same
request alone, from memory, and say for how long."""

from __future__ import annotations

from baseload.config.importing.draft import Draft, duration
from baseload.config.importing.source import Node, snake

_CHAT = frozenset({"completion", "acompletion"})
_ALL = (frozenset({"acompletion", "completion"}), frozenset({"aembedding", "embedding"}))
_MOST_S = 86_400
BECAME = "models.NAME.cache, tenants.NAME.cache"
NO_TTL = "does not say for how long answers are kept"
WRITE = "write `models.NAME.cache` and `tenants.NAME.cache` (docs/cache.md)"


def keep(draft: Draft, ttl: Node, *said: Node) -> bool:
    """Let every model keep its answers for so many seconds, and every tenant let them be kept.

    `said` are the places that ask for it. False, with the reason listed at each, where there is no such time.
    """
    found = ttl.number()
    if found is None or not 0 < found <= _MOST_S:
        why = NO_TTL if found is None else "is not a time between 0 and 24 hours, the longest here"
        for node in (ttl, *said) if found is not None else said:
            node.drop(why, WRITE)
        return False
    draft.cache_ttl = duration(found)
    ttl.carry("models.NAME.cache.ttl")
    for node in said:
        node.carry(BECAME)
    return True


def litellm(draft: Draft, settings: Node) -> None:
    """LiteLLM's cache of type `local`, for requests that do not each have to ask for it."""
    on, params = settings.get("cache"), settings.get("cache_params")
    if not on:
        return
    if not on.flag():
        on.carry("models.NAME.cache, which is not written")
        return
    kind, mode, types = params.get("type"), params.get("mode"), params.get("supported_call_types")
    if kind.text() != "local" or mode.text() not in (None, "default_on"):
        return
    called = {node.text() or "" for node in types.items()}
    if types and not called & _CHAT:
        return
    ttl = next(filter(None, (params.get("ttl"), params.get("default_in_memory_ttl"))), params.get("ttl"))
    if not keep(draft, ttl, on, kind):
        return
    mode.carry(BECAME)
    if all(called & wanted for wanted in _ALL):
        types.carry(BECAME)


def portkey(draft: Draft, cache: Node) -> None:
    """Portkey's mode `simple` of the outermost config; what a single target says of it is listed."""
    mode = cache.get("mode")
    if mode.text() == "simple":
        written = (node for key, node in cache.fields() if snake(key) == "max_age")
        keep(draft, next(written, cache.get("max_age")), mode)
