"""The baseload.yaml that is being made: free names, secrets as references, sections in their order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from baseload.catalog.providers import provider as catalog_provider
from baseload.config.document import PathIn
from baseload.config.fallbacks import is_model, served_by
from baseload.config.importing.checking import misfits
from baseload.config.importing.nouns import Imported, Variable
from baseload.config.importing.secrets import reference, replaced, variable_name
from baseload.config.importing.source import Node, Source
from baseload.config.importing.upstreams import Refused, Upstream, own_host, place, provider_name
from baseload.config.schema import DEFAULT_TENANT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_MOST_S = 86_400
_MOST_USD = 1_000_000_000
_MOST_COUNT = 10**12
SECRET, FIGURE, NAME, ADDRESS, FLAG = "secret", "1.25", "us-east-1", "https://host.example", "true"
"""Samples: values of the kinds that a variable can stand for."""
ACCOUNT = (
    '{"type": "service_account", "client_email": "a@host.example", '
    '"private_key": "-----BEGIN PRIVATE KEY-----"}'
)
"""The sample of a Google service account."""
PLACEHOLDERS = frozenset(
    {
        *("none", "null", "empty", "n/a", "dummy", "fake", "fake-key"),
        *("no-key", "nokey", "no-key-required", "not-needed", "not_needed"),
    }
)
"""What is written in a key's place, in small letters, where a server asks for none."""
PER_MILLION = Decimal(1_000_000)
_NANO = Decimal("1e-9")


class _Listed(NamedTuple):
    """A fallback list of theirs: for which model and cause, what it names, and where it stands."""

    model: str
    cause: str
    names: tuple[str, ...]
    node: Node


class Draft:
    """Collects targets, models and variables while a gateway's file is read."""

    def __init__(self, gateway: str, source: Source) -> None:
        self.gateway, self.source = gateway, source
        self.targets: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.tenants: dict[str, dict[str, Any]] = {}
        self.http: dict[str, Any] = {}
        self.zero_retention = False
        self.cache_ttl = ""  # of every model's answers, where they are kept
        self._fallbacks: list[_Listed] = []
        self.origins: dict[str, Node] = {}
        self._variables: dict[str, Variable] = {}
        self._literals: dict[str, str] = {}
        self._referred = _references(source)

    def secret(self, node: Node, became: str, *words: str, sample: str = SECRET) -> str | None:
        """A credential of theirs as `${NAME}`, a literal one under a free name; None if unwritten."""
        text = node.text()
        if not text:
            node.drop("is empty")
            return None
        node.carry(became)
        found = reference(text)
        if found is None:
            what = f"the value of {self._at(node)}, which stands in that file in the clear"
            return self.held(text, what, *words, sample=sample)
        hidden = ", which its vault holds" if found.invented else ""
        self._say(found.name, f"the credential of {self._at(node)}{hidden}", sample)
        return f"${{{found.name}}}"

    def key(self, node: Node, became: str, *words: str) -> str | None:
        """A lasting key as `${NAME}`, or `none` where theirs only stands for there being none."""
        if (node.text() or "").strip().lower() in PLACEHOLDERS:
            node.carry(f"{became}: none")
            return "none"
        return self.secret(node, became, *words)

    def key_for(self, provider: str, url: str | None, variable: str, wish: str) -> str:
        """The variable of a key that the file does not write: the provider's well-known one at its own host.

        At any other host it has a name of its own, so that nobody's real key goes there by itself.
        """
        if own_host(provider, url):
            return self.asked(variable, f"the key of {provider}, which the file does not write")
        name = self._free(_not_known(self.gateway, variable_name(wish, "api_key")))
        return self.asked(name, f"the key that {url} asks for; write `key: none` if it asks for none")

    def held(self, content: str, what: str, *words: str, sample: str = SECRET) -> str:
        """A free variable made of words, as `${NAME}`, for this content; for the same content the same."""
        name = self._literals.get(content) or self._free(_not_known(self.gateway, variable_name(*words)))
        self._literals[content] = name
        self._say(name, what, sample)
        return f"${{{name}}}"

    def asked(self, name: str, what: str, sample: str = SECRET) -> str:
        """A variable for what the file does not hold, as `${NAME}`."""
        name = variable_name(name)
        self._say(name, what, sample)
        return f"${{{name}}}"

    def words(self, node: Node, sample: str = NAME) -> str | None:
        """A plain text with their references written as ours; None where it is not written."""
        text = node.text()
        if text is None:
            return None
        if found := reference(text):
            self._say(found.name, f"the value of {self._at(node)}", sample)
        return replaced(text)

    def address(self, node: Node) -> str | None:
        """A URL of theirs, None where it is not written or cannot be used; what is left out is listed."""
        text = self.words(node, ADDRESS)
        if not text:
            return None
        if "${" in text:
            return text.rstrip("/")
        try:
            parts = urlsplit(text)
            parts.port  # noqa: B018  (raises for a bad port)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            node.drop("is no http(s) URL, or has a credential in it", "write the target's `url` and `key`")
            return None
        if not re.fullmatch(r"[!-~]+", text):
            node.drop("has characters that no URL has", "write the target's `url`")
            return None
        return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")

    def seconds(self, node: Node, became: str, *, unit: Decimal = Decimal(1)) -> str | None:
        """A time of theirs, in units of so many seconds, as a duration; None where there is none to carry."""
        found = node.number()
        if found is None:
            return None
        seconds = found * unit
        if not 0 < seconds <= _MOST_S:
            node.drop("is not a time between 0 and 24 hours", "write `timeouts` of the target")
            return None
        node.carry(became)
        return duration(seconds)

    def count(self, node: Node, became: str) -> int | None:
        """A whole number above 0; None where there is none to carry."""
        found = node.number()
        if found is None:
            return None
        if not 0 < found <= _MOST_COUNT or found != found.to_integral_value():
            node.drop("is not a whole number above 0, or beyond all use")
            return None
        node.carry(became)
        return int(found)

    def usd(self, node: Node, became: str, *, times: Decimal = PER_MILLION) -> Decimal | None:
        """A price of theirs in USD, multiplied to a million tokens; None where there is none to carry."""
        found = node.number()
        if found is None:
            return None
        if not 0 <= found * times <= _MOST_USD:
            node.drop("is below 0, or more than a billion dollars")
            return None
        node.carry(became)
        return (found * times).quantize(_NANO).normalize()

    def target(self, wish: str, upstream: Upstream, origin: Node) -> str | None:
        """Add a target under a free name; None, with the reason listed at its origin, if none can be made."""
        placed = place(upstream)
        if isinstance(placed, Refused):
            origin.drop(placed.why, placed.do)
            return None
        name = self._free_target(wish)
        for path, what in placed.wanted:
            section = placed.section
            for part in path[:-1]:
                section = section[part]
            variable = self._free(
                variable_name(name, *path[-1:], "" if path[-1].startswith("usd") else "usd")
            )
            said = f"{what}, of target {name}; the other file does not say it"
            section[path[-1]] = self.asked(variable, said, FIGURE)
        self.targets[name] = placed.section
        self.origins[name] = origin
        return name

    def serve(self, model: str, target: str) -> None:
        """Let a model be served by a target. The model's name is one that `model_name` gave."""
        side = "owned" if "owned" in self.targets[target] else "metered"
        listed = self.models.setdefault(model, {}).setdefault(side, [])
        if target not in listed:
            listed.append(target)

    def fall_back(self, model: str, causes: Iterable[str], names: list[str], node: Node) -> None:
        """Let a model's requests go on to these targets or models, whose places in their file is `node`."""
        self._fallbacks += [_Listed(model, cause, tuple(dict.fromkeys(names)), node) for cause in causes]

    def fall_back_alike(self, model: str, other: str) -> None:
        """Let a model's requests go on as those of the other, to whatever they go by now."""
        self._fallbacks += [each._replace(model=model) for each in self._fallbacks if each.model == other]

    def leave_unserved(self, why: str, do: str) -> None:
        """Take back every target that no model lists, for this reason."""
        used = {name for model in self.models.values() for side in model.values() for name in side}
        for name in self.targets.keys() - used:
            del self.targets[name]
            self.origins.pop(name).drop(why, do)

    def finished(self) -> Imported:
        """What came of the file; targets it cannot take and whatever nobody spoke of are listed."""
        made = self._made()
        while made.config and (wrong := misfits(made)):
            for name, why in wrong.items():
                del self.targets[name]
                self.origins[name].drop(f"baseload.yaml does not take it: {why}", "write the target by hand")
            made = self._made()
        for listed in self._fallbacks:
            lost = self._lost(listed, made.config.get("models", {}))
            if lost:
                listed.node.drop(f"{', '.join(sorted(lost))}: nothing of this name was carried")
            else:
                listed.node.carry(f"models.NAME.fallback.{listed.cause}")
        return made._replace(not_carried=self.source.not_carried(), carried=self.source.carried())

    def _made(self) -> Imported:
        """The file as it is now."""
        config: dict[str, Any] = {}
        models = {name: served for name, model in self.models.items() if (served := self._served(model))}
        if self.targets and models:
            if self.http:
                config["http"] = self.http
            default: dict[str, Any] = {"regions": "any"}
            if self.zero_retention:
                default["zero_retention"] = True
            for listed in self._fallbacks:
                self._add_list(listed, models)
            ordered = {name: _in_order(section) for name, section in self.targets.items()}
            config |= {"targets": ordered, "models": models, "classes": {"default": default}}
            tenants = self.tenants
            if self.cache_ttl:
                for model in models.values():
                    model["cache"] = {"ttl": self.cache_ttl}
                tenants = {name: {**section, "cache": True} for name, section in tenants.items()}
                tenants.setdefault(DEFAULT_TENANT, {"cache": True})
            if tenants:
                config["tenants"] = tenants
        origins = {name: self._at(self.origins[name]) for name in self.targets}
        used = str(config)
        variables = (found for found in self._variables.values() if f"${{{found.name}}}" in used)
        return Imported(self.gateway, self.source.file, config, origins, (), (), tuple(variables))

    def _served(self, model: dict[str, Any]) -> dict[str, Any]:
        """A model with the targets that are still there; empty where none is."""
        sides = ("owned", "metered")
        left = {side: [name for name in model.get(side, []) if name in self.targets] for side in sides}
        kept = {side: names for side, names in left.items() if names}
        return {**kept, **{key: value for key, value in model.items() if key not in sides}} if kept else {}

    def _add_list(self, listed: _Listed, models: dict[str, dict[str, Any]]) -> None:
        """Write a list, as far as there is anything of it."""
        own = models.get(listed.model)
        names = [name for name in listed.names if name not in self._lost(listed, models)]
        if listed.cause == "error" and own is not None:
            served = served_by(own)
            names = [name for name in names if is_model(name, listed.model, models) or name not in served]
        if own is not None and names:
            before = own.get("fallback", {})
            kept = before.get(listed.cause, [])
            kept = [*kept, *(name for name in names if name not in kept)]
            models[listed.model] = {**own, "fallback": {**before, listed.cause: kept}}

    def _lost(self, listed: _Listed, models: dict[str, Any]) -> set[str]:
        """The names in a list that lead nowhere here; all of them where its model is gone."""
        if listed.model not in models:
            return set(listed.names)

        def leads(name: str) -> bool:
            if is_model(name, listed.model, models):
                return name not in self.targets or name in served_by(models[name])
            return name in self.targets

        return {name for name in listed.names if not leads(name)}

    def _free_target(self, wish: str) -> str:
        base, number = clean(wish), 1
        name = base
        while name in self.targets:
            number += 1
            name = f"{base[:120]}-{number}"
        return name

    def _free(self, wish: str) -> str:
        name, number = wish, 1
        taken = self._referred | self._variables.keys()
        while name in taken:
            number += 1
            name = f"{wish}_{number}"
        return name

    def _say(self, name: str, what: str, sample: str) -> None:
        known = self._variables.setdefault(name, Variable(name, what, sample))
        if known.sample == SECRET:  # whatever else it is, it is a secret too
            self._variables[name] = known._replace(sample=sample)

    def _at(self, node: Node) -> str:
        return dotted_in(node.path)


def dotted_in(path: PathIn) -> str:
    """A path of the other file for a sentence; characters that no comment should hold are left out."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return "".join(char if char.isprintable() else "?" for char in text)[:120]


def clean(text: str) -> str:
    """A name that baseload.yaml takes, as like the text as can be."""
    name = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", text).strip("-._:/@+")[:128]
    return name or "unnamed"


def is_name(text: str) -> bool:
    """Whether baseload.yaml takes this name as it is."""
    return _NAME.fullmatch(text) is not None


def duration(seconds: Decimal) -> str:
    """Seconds as a duration of baseload.yaml: whole seconds, or milliseconds."""
    if seconds == seconds.to_integral_value():
        return f"{int(seconds)}s"
    return f"{max(1, int(seconds * 1000))}ms"


def region_of(text: str) -> str | None:
    """A region that names a place and that baseload.yaml takes; None for any other."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text) and text.lower() != "global":
        return text.lower()
    return None


def _not_known(gateway: str, name: str) -> str:
    """The name, or one of the file's own where a provider's well-known variable is called so.

    Such a variable is often set already, to another key than the file's.
    """
    provider = name.removesuffix("_API_KEY").lower().replace("_", "-")
    known = name.endswith("_API_KEY") and catalog_provider(provider_name(provider)) is not None
    return variable_name(gateway, name) if known else name


def _references(source: Source) -> set[str]:
    """Every variable that the other file refers to: names of ours must differ."""
    texts: Iterable[str] = (str(value) for _, value in source.leaves((), source.root.value))
    return {found.name for text in texts if (found := reference(text))}


def _in_order(section: dict[str, Any]) -> dict[str, Any]:
    order = (
        "owned",
        "metered",
        "url",
        "format",
        "responses",
        "headers",
        "drop_unsupported",
        "model",
        "region",
        "zero_retention",
    )
    return {key: section[key] for key in (*order, *sorted(section.keys() - set(order))) if key in section}
