"""What takes two places of the file to check: names used and defined, sides, credentials, known providers.

Works on the plain values, so that it finds everything even where other parts of the file are wrong; a value
of the wrong shape is skipped here, since the schema reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from baseload.catalog.providers import provider as known_provider
from baseload.catalog.providers import provider_names
from baseload.config.document import Document, PathIn
from baseload.config.fallbacks import check_fallbacks
from baseload.config.fields import NO_KEY
from baseload.config.headers import check_headers
from baseload.config.providers import ENDPOINTS, FORMATS
from baseload.config.schema import DEFAULT_CONTROL, DEFAULT_LISTEN
from baseload.core import UNPLACED, Format
from baseload.errors import ConfigError, nearest

_DEFAULT_CLASS = "write `classes: {default: {regions: any}}`, or the regions where processing may occur"


def check_references(document: Document) -> Iterator[ConfigError]:
    """Every problem between two places of the file."""
    data = document.data
    yield from _empty(document, (), data)
    targets = _mapping(data, "targets")
    for name, target in targets.items():
        yield from _target(document, ("targets", name), target)
    classes, models = _mapping(data, "classes"), _mapping(data, "models")
    for name, model in models.items():
        yield from _model(document, ("models", name), model, targets)
        yield from check_fallbacks(document, name, models, targets)
    yield from _nameless(document, targets, models)
    for group, names in _mapping(data, "passthrough").items():
        yield from _group(document, ("passthrough", group), names, targets)
    if isinstance(data, dict) and "default" not in classes:
        place: PathIn = ("classes", "default") if classes else ("classes",)
        yield document.problem(
            place, "the default class must be written, there is none by silence", _DEFAULT_CLASS
        )
    for name, tenant in _mapping(data, "tenants").items():
        place = ("tenants", name)
        if isinstance(tenant, dict):
            yield from _unknown(document, (*place, "class"), "class", tenant.get("class"), classes)
            for index, model in enumerate(_list(tenant, "models")):
                yield from _unknown(document, (*place, "models", index), "model", model, models)
    if isinstance(data, dict):
        yield from _ports(document, data.get("listen", DEFAULT_LISTEN), data.get("control", DEFAULT_CONTROL))


def _empty(document: Document, path: PathIn, value: Any) -> Iterator[ConfigError]:
    """Keys without a value: whether they mean the default or a slip is a guess."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _empty(document, (*path, key), item)
    if value is None:
        yield document.problem(path, "has no value", "write one, or remove the key")


def _ports(document: Document, listen: Any, control: Any) -> Iterator[ConfigError]:
    if listen == control and not str(listen).endswith(":0"):
        yield document.problem(("control",), "is the data port: the control port needs its own")


def _target(document: Document, path: PathIn, target: Any) -> Iterator[ConfigError]:
    if not isinstance(target, dict):
        return
    sides = [side for side in ("owned", "metered") if side in target]
    if len(sides) != 1:
        found = "both" if sides else "neither"
        yield document.problem(path, f"must be owned or metered; it is {found}")
        return
    yield from check_headers(document, path, target, target[sides[0]])
    yield from _anywhere(document, path, target)
    yield from _responses(document, path, target)
    if sides == ["metered"]:
        if isinstance(target["metered"], dict):
            yield from _metered(document, path, target, target["metered"])
        return
    if "url" not in target:
        yield document.problem((*path, "url"), "is required", "write http://HOST:PORT/v1 of the engine")
    if "quota" in target:
        yield document.problem(
            (*path, "quota"), "is for metered targets", "an owned one has owned.max_sequences"
        )


def _anywhere(document: Document, path: PathIn, target: dict[str, Any]) -> Iterator[ConfigError]:
    """Targets that write a region though their provider chooses one at each call."""
    region = target.get("region")
    if not isinstance(region, str) or region.lower() in UNPLACED:
        return
    if "/locations/global/" in f"{target.get('url')}/":
        yield document.problem(
            (*path, "region"),
            "Vertex AI's location `global` processes anywhere",
            "write the URL of one location, or `region: global`",
        )
    elif str(target.get("model")).startswith("global.") and "aws" in (target.get("metered") or ()):
        yield document.problem(
            (*path, "region"),
            "Bedrock's `global.` profiles process anywhere",
            "write a model or profile of one region, or `region: global`",
        )


def _responses(document: Document, path: PathIn, target: dict[str, Any]) -> Iterator[ConfigError]:
    """`responses` stands beside chat completions: other formats do not have it, or have nothing else."""
    metered = target.get("metered")
    provider = metered.get("provider") if isinstance(metered, dict) else None
    spoken = target.get("format", FORMATS.get(provider, "openai") if isinstance(provider, str) else "openai")
    if "responses" in target and spoken != "openai":
        yield document.problem(
            (*path, "responses"), f"is for `format: openai`; this one speaks {spoken}", "remove it"
        )


_LOGINS = ("key", "entra", "google", "aws")


def _signed_in(
    document: Document, path: PathIn, target: dict[str, Any], metered: dict[str, Any]
) -> Iterator[ConfigError]:
    """One way to sign in, and no token that goes to a provider's usual address by default."""
    written = [name for name in _LOGINS if name in metered]
    if not written:
        yield document.problem(
            (*path, "metered", "key"),
            "is required",
            "write the key as ${ENV}, `none` for an endpoint that takes none, or `entra`, `google` or `aws`",
        )
    for name in written[1:]:
        yield document.problem(
            (*path, "metered", name), f"there is `{written[0]}` already", "keep one way to sign in"
        )
    if "key_header" in metered and "key" not in metered:
        yield document.problem((*path, "metered", "key_header"), "is for a `key`", "remove it")
    if _has_login(metered) and "url" not in target:
        yield document.problem(
            (*path, "url"), f"is required with `{written[-1]}`", "write the base URL of your resource"
        )


def _has_login(metered: dict[str, Any]) -> bool:
    return any(name in metered for name in _LOGINS[1:])


def _metered(
    document: Document, path: PathIn, target: dict[str, Any], metered: dict[str, Any]
) -> Iterator[ConfigError]:
    yield from _signed_in(document, path, target, metered)
    name, has_url = metered.get("provider"), "url" in target
    known = known_provider(name) if isinstance(name, str) else None
    if isinstance(name, str) and known is None and not (has_url and "price" in metered):
        near = nearest(name, provider_names())
        yield document.problem(
            (*path, "metered", "provider"),
            f"unknown provider {document.shown((*path, 'metered', 'provider'))!r}",
            (f"did you mean {near!r}? " if near else "")
            + "Another provider must bring its own `url` and `price`",
        )
    elif known is not None and not has_url and not _has_login(metered) and known.name not in ENDPOINTS:
        yield document.problem(
            (*path, "url"), f"is required: {known.name} has no one OpenAI-format URL", "write its base URL"
        )
    if metered.get("key") == NO_KEY and not has_url:
        yield document.problem(
            (*path, "metered", "key"),
            "`none` is for endpoints of your own",
            "write the target's `url`, or its credential as ${ENV}",
        )


def _model(document: Document, path: PathIn, model: Any, targets: dict[str, Any]) -> Iterator[ConfigError]:
    if not isinstance(model, dict):
        return
    seen: set[str] = set()
    for side in ("owned", "metered"):
        for index, name in enumerate(_list(model, side)):
            place = (*path, side, index)
            if not isinstance(name, str):
                continue
            yield from _unknown(document, place, "target", name, targets)
            target = targets.get(name)
            if isinstance(target, dict) and side not in target and (target.keys() & {"owned", "metered"}):
                other = "metered" if side == "owned" else "owned"
                yield document.problem(place, f"{name!r} is {other}", f"list it under `{other}`")
            elif name in seen:
                yield document.problem(place, f"{name!r} is listed twice", "keep one of them")
            seen.add(name)
    if not _list(model, "owned") and not _list(model, "metered"):
        yield document.problem(path, "has no targets", "list at least one under `owned` or `metered`")


def _group(document: Document, path: PathIn, names: Any, targets: dict[str, Any]) -> Iterator[ConfigError]:
    """The targets of a group of paths that pass through: each there, once, and of the format they are in."""
    for index, name in enumerate(names if isinstance(names, list) else ()):
        place = (*path, index)
        yield from _unknown(document, place, "target", name, targets)
        if name in names[:index]:
            yield document.problem(place, f"{name!r} is listed twice", "keep one of them")
        target = targets.get(name) if isinstance(name, str) else None
        spoken = _spoken(target) if isinstance(target, dict) else Format.OPENAI.value
        if spoken != Format.OPENAI.value:
            message = f"{name!r} speaks {spoken}'s format; what passes through is in OpenAI's"
            yield document.problem(place, message, "list a target of that format")


def _spoken(target: dict[str, Any]) -> str:
    """The format of a target, as the gateway will take it."""
    provider = _mapping(target, "metered").get("provider")
    usual = FORMATS.get(provider, Format.OPENAI).value if isinstance(provider, str) else Format.OPENAI.value
    return str(target.get("format", usual))


def _nameless(document: Document, targets: dict[str, Any], models: dict[str, Any]) -> Iterator[ConfigError]:
    """Metered targets without a `model` that several models list: there is no one name to price them by."""
    for name, target in targets.items():
        if isinstance(target, dict) and "metered" in target and "model" not in target:
            asked = [
                model
                for model, entry in models.items()
                if isinstance(entry, dict) and name in _list(entry, "metered")
            ]
            if len(asked) > 1:
                yield document.problem(
                    ("targets", name, "model"),
                    f"is required: {' and '.join(asked)} share this target",
                    "write the name the provider knows, or one target for each",
                )


def _unknown(
    document: Document, path: PathIn, kind: str, name: Any, known: Iterable[str]
) -> Iterator[ConfigError]:
    if isinstance(name, str) and name not in known:
        near = nearest(name, known)
        names = ", ".join(sorted(known)[:8]) or "none"
        hint = f"did you mean {near!r}?" if near else f"written are: {names}"
        yield document.problem(path, f"unknown {kind} {document.shown(path)!r}", hint)


def _mapping(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _list(data: dict[str, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []
