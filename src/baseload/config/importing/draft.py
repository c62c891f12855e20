"""The baseload.yaml that is being made: free names, secrets as references, sections in their order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from baseload.config.document import PathIn
from baseload.config.importing.nouns import Imported, Variable
from baseload.config.importing.secrets import reference, replaced, variable_name
from baseload.config.importing.source import Node, Source
from baseload.config.importing.upstreams import Refused, Upstream, place

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_MOST_S = 86_400
PER_MILLION = Decimal(1_000_000)
_NANO = Decimal("1e-9")


class Draft:
    """Collects targets, models and variables while a gateway's file is read."""

    def __init__(self, gateway: str, source: Source) -> None:
        self.gateway, self.source = gateway, source
        self.targets: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.tenants: dict[str, dict[str, Any]] = {}
        self.http: dict[str, Any] = {}
        self.zero_retention = False
        self.origins: dict[str, Node] = {}
        self._variables: dict[str, Variable] = {}
        self._literals: dict[str, str] = {}
        self._referred = _references(source)

    def secret(self, node: Node, became: str, *words: str) -> str | None:
        """A credential of theirs as `${NAME}`, a literal one under a free name; None if unwritten."""
        text = node.text()
        if not text:
            node.drop("is empty")
            return None
        node.carry(became)
        found = reference(text)
        if found is None:
            return self.held(
                text, f"the value of {self._at(node)}, which stands in that file in the clear", *words
            )
        hidden = ", which its vault holds" if found.invented else ""
        self._say(found.name, f"the credential of {self._at(node)}{hidden}")
        return f"${{{found.name}}}"

    def held(self, content: str, what: str, *words: str) -> str:
        """A free variable made of words, as `${NAME}`, for this content; for the same content the same."""
        name = self._literals.get(content) or self._free(variable_name(*words))
        self._literals[content] = name
        self._say(name, what)
        return f"${{{name}}}"

    def asked(self, name: str, what: str) -> str:
        """A variable for what the file does not hold, as `${NAME}`."""
        name = variable_name(name)
        self._say(name, what)
        return f"${{{name}}}"

    def words(self, node: Node) -> str | None:
        """A plain text with their references written as ours; None where it is not written."""
        text = node.text()
        if text is None:
            return None
        if found := reference(text):
            self._say(found.name, f"the value of {self._at(node)}")
        return replaced(text)

    def address(self, node: Node) -> str | None:
        """A URL of theirs, None where it is not written or cannot be used; what is left out is listed."""
        text = self.words(node)
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
        if found <= 0 or found != found.to_integral_value():
            node.drop("is not a whole number above 0")
            return None
        node.carry(became)
        return int(found)

    def usd(self, node: Node, became: str, *, times: Decimal = PER_MILLION) -> Decimal | None:
        """A price of theirs in USD, multiplied to a million tokens; None where there is none to carry."""
        found = node.number()
        if found is None:
            return None
        if found < 0:
            node.drop("is below 0")
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
                variable_name(name, *path[-1:], "usd" if path[-1] in ("input", "output") else "")
            )
            section[path[-1]] = self.asked(
                variable, f"{what}, of target {name}; the other file does not say it"
            )
        self.targets[name] = placed.section
        self.origins[name] = origin
        return name

    def serve(self, model: str, target: str) -> None:
        """Let a model be served by a target. The model's name is one that `model_name` gave."""
        side = "owned" if "owned" in self.targets[target] else "metered"
        listed = self.models.setdefault(model, {}).setdefault(side, [])
        if target not in listed:
            listed.append(target)

    def leave_unserved(self, why: str, do: str) -> None:
        """Take back every target that no model lists, for this reason."""
        used = {name for model in self.models.values() for side in model.values() for name in side}
        for name in self.targets.keys() - used:
            del self.targets[name]
            self.origins.pop(name).drop(why, do)

    def finished(self) -> Imported:
        """What came of the file; whatever nobody spoke of is listed now."""
        config: dict[str, Any] = {}
        if self.targets and self.models:
            if self.http:
                config["http"] = self.http
            default: dict[str, Any] = {"regions": "any"}
            if self.zero_retention:
                default["zero_retention"] = True
            ordered = {name: _in_order(section) for name, section in self.targets.items()}
            config |= {"targets": ordered, "models": self.models, "classes": {"default": default}}
            if self.tenants:
                config["tenants"] = self.tenants
        used = str(config)
        not_carried = self.source.not_carried()
        return Imported(
            self.gateway,
            self.source.file,
            config,
            {name: self._at(self.origins[name]) for name in self.targets},
            self.source.carried(),
            not_carried,
            tuple(found for found in self._variables.values() if f"${{{found.name}}}" in used),
        )

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

    def _say(self, name: str, what: str) -> None:
        self._variables.setdefault(name, Variable(name, what))

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


def _references(source: Source) -> set[str]:
    """Every variable that the other file refers to: names of ours must differ."""
    texts: Iterable[str] = (str(value) for _, value in source.leaves((), source.root.value))
    return {found.name for text in texts if (found := reference(text))}


def _in_order(section: dict[str, Any]) -> dict[str, Any]:
    order = ("owned", "metered", "url", "format", "drop_unsupported", "model", "region", "zero_retention")
    return {key: section[key] for key in (*order, *sorted(section.keys() - set(order))) if key in section}
