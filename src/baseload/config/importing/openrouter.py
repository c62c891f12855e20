"""A file of request defaults for OpenRouter: each model becomes one with a target there or at its maker."""

from __future__ import annotations

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.fallbacks import CAUSES
from baseload.config.importing.draft import FLAG, Draft, clean
from baseload.config.importing.nouns import Imported
from baseload.config.importing.openrouter_keys import RULES
from baseload.config.importing.secrets import variable_name
from baseload.config.importing.source import Node, Source
from baseload.config.importing.upstreams import Upstream, provider_name
from baseload.config.providers import ENDPOINTS


def imported(text: str, file: str) -> Imported:
    """What a file of defaults becomes. Raises ConfigError with file, line and key for a broken one."""
    source = Source(text, file, RULES)
    draft = Draft("OpenRouter", source)
    root = source.root
    provider = root.get("provider")
    zdr = provider.get("zdr")
    draft.zero_retention = zdr.flag()
    places = [root.get("model"), *root.get("models").items()]
    for node in filter(None, places):
        if clean(node.needed()) not in draft.models:
            _model(draft, node, provider)
    if not draft.models:
        return draft.finished()
    root.get("model").carry("models.NAME, targets.NAME.model")
    first, *others = draft.models
    if others:
        draft.fall_back(first, CAUSES, others, root.get("models"))
    root.get("models").carry("models.NAME, targets.NAME.model: each is a model; fallback lists of the first")
    if root.get("route").text() == "fallback":
        root.get("route").carry("models.NAME.fallback")
    if draft.zero_retention:
        zdr.carry("classes.default.zero_retention, targets.NAME.zero_retention")
    _preferences(draft, provider)
    return draft.finished()


def _model(draft: Draft, node: Node, provider: Node) -> None:
    """A model with its targets: the wanted providers' own APIs, and OpenRouter unless `only` is met."""
    slug = node.needed()
    name = clean(slug)
    only = [item.needed() for item in provider.get("only").items()]
    order = [item.needed() for item in provider.get("order").items()]
    wanted = [said for said in order if said in only] + only if only else order
    made = [said for said in dict.fromkeys(wanted) if _direct(draft, node, said)]
    if not (only and made):
        target = draft.target(name, Upstream("openrouter", slug, None, _key(draft, "openrouter")), node)
        assert target is not None  # OpenRouter's URL is known
        _retention(draft, target, "openrouter")
        draft.serve(name, target)


def _preferences(draft: Draft, provider: Node) -> None:
    """Say of `only` and `order` whether every model keeps to them."""
    free = [
        name
        for name, model in draft.models.items()
        if any(draft.targets[target]["metered"]["provider"] == "openrouter" for target in model["metered"])
    ]
    only, order = provider.get("only"), provider.get("order")
    if free:
        only.drop(
            f"OpenRouter may choose any provider for {', '.join(free)}: no other address of these is known",
            "allow these providers alone in the OpenRouter account, or let clients send `provider`",
        )
    only.carry("the model's targets: those providers' own APIs")
    if len(draft.targets) > len(free):
        order.carry("targets at those providers' own APIs, where they make the model; cheapest first")


def _direct(draft: Draft, node: Node, wanted: str) -> bool:
    """Serve a model at the provider that makes it, if that is the wanted one and its URL is known."""
    name, (maker, _, model) = clean(node.needed()), node.needed().partition("/")
    known = catalog_provider(provider_name(wanted))
    if known is None or known.name not in ENDPOINTS or catalog_provider(provider_name(maker)) != known:
        return False
    model = model.partition(":")[0]
    if known.name == "anthropic":
        model = model.replace(".", "-")
    if not model:
        return False
    target = draft.target(
        f"{name}-{known.name}", Upstream(known.name, model, None, _key(draft, known.name)), node
    )
    assert target is not None  # its URL is known
    _retention(draft, target, known.name)
    draft.serve(name, target)
    return True


def _key(draft: Draft, provider: str) -> str:
    return draft.asked(
        f"{variable_name(provider)}_API_KEY", f"the key of {provider}, which requests carry there"
    )


def _retention(draft: Draft, target: str, provider: str) -> None:
    """With `zdr` a target is used only once someone says that the agreement is in force."""
    if draft.zero_retention:
        what = f"true once {provider} keeps nothing by agreement or account setting; false leaves it unused"
        variable = draft.asked(f"{variable_name(provider)}_ZERO_RETENTION", what, FLAG)
        draft.targets[target]["zero_retention"] = variable
