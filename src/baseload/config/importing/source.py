"""Another gateway's file as plain values that account for themselves.

Every value is either carried, listed with a reason, or, when the reading is over, listed by the gateway's
rules; a key that no rule knows is listed as unknown. So nothing can be lost by being forgotten.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from baseload.config.document import PathIn, dotted, read_document
from baseload.config.importing.nouns import Carried, NotCarried, Rule
from baseload.config.importing.secrets import SECRET_SECTION, shown
from baseload.errors import ConfigError

Normal = Callable[[Any, PathIn], tuple[str, ...]]
"""How a path of a file is named by the rules, given the whole file: `("model_list", "[]", "model_name")`."""

UNKNOWN_KEY = "is no key that the documentation of this gateway lists"
NEARER = "no target takes it from here: another place says it nearer to the target, or none needs it"
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


def tokens(_data: Any, path: PathIn) -> tuple[str, ...]:
    """A path as rules name it: positions in lists are `[]`."""
    return tuple("[]" if isinstance(part, int) else part for part in path)


def rule_tokens(key: str) -> tuple[str, ...]:
    """The parts of a rule's key: `model_list[].model_name`."""
    return tuple(re.findall(r"\[\]|[^.\[\]]+", key))


def _joined(text: str) -> str:
    """JSON's pairs of escaped surrogates as the characters they are, since YAML has no such pairs."""
    if not text.lstrip().startswith("{"):
        return text
    return _SURROGATES.sub(lambda found: found[1] + json.loads(f'"{found[2]}"'), text)


def _fits(path: tuple[str, ...], key: tuple[str, ...]) -> bool:
    """Whether a path is a rule's key or below it."""
    return len(key) <= len(path) and all(map(_is_named, path, key))


def _is_named(part: str, name: str) -> bool:
    return part == name or ("*" in name and fnmatchcase(part, name))


@cache
def _by_tokens(rules: tuple[Rule, ...]) -> tuple[tuple[tuple[str, ...], Rule], ...]:
    """Each key of the rules in its parts, with its rule."""
    return tuple((rule_tokens(key), rule) for rule in rules for key in rule.keys)


class Source:
    """A file being imported. Raises ConfigError for what is no file of the kind, with file, line and key."""

    def __init__(self, text: str, file: str, rules: tuple[Rule, ...], normal: Normal = tokens) -> None:
        document = read_document(_joined(text), file, Path(), None)
        if document.problems:
            raise document.problems[0]
        self.file = file
        self._document = document
        self._rules = _by_tokens(rules)
        self._normal = normal
        self._moved: dict[PathIn, PathIn] = {}
        self._data = self._merged((), document.data)
        self._carried: dict[PathIn, Carried] = {}
        self._listed: dict[PathIn, NotCarried] = {}
        if not isinstance(self._data, dict):
            raise ConfigError(file, 1, "", "must be a mapping of keys to values")

    @property
    def root(self) -> Node:
        """The whole file."""
        return Node(self, (), self._data)

    def carried(self) -> tuple[Carried, ...]:
        """What was carried, in the file's order."""
        return tuple(sorted(self._carried.values(), key=lambda found: found.line))

    def not_carried(self) -> tuple[NotCarried, ...]:
        """What was not, in the file's order; what nobody has spoken of yet is listed by the rules here."""
        for path, value in self.leaves((), self._data):
            if not self._is_spoken_of(path):
                self.drop(path, value)
        return tuple(sorted(self._listed.values(), key=lambda found: found.line))

    def carry(self, path: PathIn, value: Any, became: str) -> None:
        """Note that everything at this path has become a key of baseload.yaml."""
        for leaf, inner in self.leaves(path, value):
            if not self._is_spoken_of(leaf):
                self._carried[leaf] = Carried(leaf, self.line(leaf), self._shown(leaf, inner), became)

    def drop(self, path: PathIn, value: Any, why: str = "", do: str = "") -> None:
        """List everything at this path, for this reason or else the rule's."""
        for leaf, inner in self.leaves(path, value):
            rule = self.rule(leaf)
            reason = why or (rule.why if rule else UNKNOWN_KEY) or NEARER
            advice = do or (rule.do if rule and not why else "")
            self._carried.pop(leaf, None)
            self._listed[leaf] = NotCarried(leaf, self.line(leaf), self._shown(leaf, inner), reason, advice)

    def rule(self, path: PathIn) -> Rule | None:
        """The most particular rule for this path."""
        wanted = self._normal(self._data, path)
        best: tuple[int, int, Rule] | None = None
        for key, rule in self._rules:
            if not _fits(wanted, key):
                continue
            literal = sum(token == "[]" or "*" not in token for token in key)
            if best is None or (len(key), literal) > best[:2]:
                best = (len(key), literal, rule)
        return best[2] if best else None

    def rule_keys(self, path: PathIn) -> set[str]:
        """The keys of all rules that this path fits, the most particular one and those above it."""
        wanted = self._normal(self._data, path)
        return {
            key
            for rule in {id(rule): rule for _, rule in self._rules}.values()
            for key in rule.keys
            if _fits(wanted, rule_tokens(key))
        }

    def line(self, path: PathIn) -> int:
        """The line this value stands on."""
        for length in range(len(path), -1, -1):
            if path[:length] in self._moved:
                return self._document.line((*self._moved[path[:length]], *path[length:]))
        return self._document.line(path)

    def problem(self, path: PathIn, message: str, hint: str = "") -> ConfigError:
        """An error that names this place."""
        return ConfigError(self.file, self.line(path), dotted(path), message, hint=hint)

    def leaves(self, path: PathIn, value: Any) -> Iterator[tuple[PathIn, Any]]:
        """The values below this one that hold no further keys; a list of scalars is one value."""
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from self.leaves((*path, key), inner)
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            for index, inner in enumerate(value):
                yield from self.leaves((*path, index), inner)
        else:
            yield path, value

    def _is_spoken_of(self, path: PathIn) -> bool:
        return path in self._carried or path in self._listed

    def _shown(self, path: PathIn, value: Any) -> str:
        rule = self.rule(path)
        known = rule is not None and not rule.hidden
        named = [part for part in path if isinstance(part, str)]
        around = [part for part in named[:-1] if SECRET_SECTION.search(part)]
        return shown(".".join((*around, *named[-1:])), value, known=known)

    def _merged(self, path: PathIn, value: Any) -> Any:
        """The value with YAML's merge keys (`<<: *anchor`) carried out, and where each merged value stood."""
        if isinstance(value, list):
            return [self._merged((*path, index), item) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        merged: dict[str, Any] = {}
        for key, inner in value.items():
            if key != "<<":
                merged[key] = self._merged((*path, key), inner)
        bases = value.get("<<", {})
        for index, base in enumerate(bases if isinstance(bases, list) else [bases]):
            stood = (*path, "<<", index) if isinstance(bases, list) else (*path, "<<")
            if not isinstance(base, dict):
                raise ConfigError(self.file, self._document.line(stood), dotted(stood), "must be a mapping")
            for key, inner in base.items():
                if key not in merged:
                    self._moved[(*path, key)] = (*stood, key)
                    merged[key] = self._merged((*path, key), inner)
        return merged


@dataclass(frozen=True)
class Node:
    """A value of the file at its place; `value` is None where nothing is written."""

    source: Source
    path: PathIn
    value: Any

    def __bool__(self) -> bool:
        return self.value is not None

    def get(self, *names: str) -> Node:
        """The value at these keys; a Node without value where it is not written.

        Raises ConfigError where the value on the way is no mapping.
        """
        node = self
        for name in names:
            if node.value is not None and not isinstance(node.value, dict):
                raise node.problem("must be a mapping of keys to values")
            inner = (node.value or {}).get(name)
            node = Node(self.source, (*node.path, name), inner)
        return node

    def fields(self) -> Iterator[tuple[str, Node]]:
        """The keys and values of a mapping. Raises ConfigError where it is none."""
        if self.value is None:
            return
        if not isinstance(self.value, dict):
            raise self.problem("must be a mapping of keys to values")
        for name, value in self.value.items():
            yield name, Node(self.source, (*self.path, name), value)

    def items(self) -> Iterator[Node]:
        """The items of a list. Raises ConfigError where it is none."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            raise self.problem("must be a list")
        for index, value in enumerate(self.value):
            yield Node(self.source, (*self.path, index), value)

    def text(self) -> str | None:
        """A scalar as text, None where it is not written. Raises ConfigError for a mapping or list."""
        if self.value is None:
            return None
        if isinstance(self.value, dict | list):
            raise self.problem("must be text")
        return str(self.value)

    def needed(self) -> str:
        """A text that must be written. Raises ConfigError."""
        if found := self.text():
            return found
        raise self.problem("is required")

    def number(self) -> Decimal | None:
        """A number, None where nothing or a reference is written. Raises ConfigError for anything else."""
        if self.value is None or (isinstance(self.value, str) and ("/" in self.value or "$" in self.value)):
            return None
        try:
            found = Decimal(str(self.value))
        except ArithmeticError:
            found = Decimal("nan")
        if isinstance(self.value, bool) or not found.is_finite():
            raise self.problem("must be a number")
        return found

    def flag(self) -> bool:
        """True or false, in YAML 1.1's words too; false where nothing is written. Raises ConfigError."""
        word = str(self.value).lower()
        if self.value is None or word in _FALSE:
            return False
        if word in _TRUE:
            return True
        raise self.problem("must be true or false")

    def carry(self, became: str) -> None:
        """Note that this value and all below it became a key of baseload.yaml."""
        if self.value is not None:
            self.source.carry(self.path, self.value, became)

    def drop(self, why: str = "", do: str = "") -> None:
        """List this value and all below it, for this reason or else the rule's."""
        if self.value is not None:
            self.source.drop(self.path, self.value, why, do)

    def problem(self, message: str, hint: str = "") -> ConfigError:
        """An error that names this place."""
        return self.source.problem(self.path, message, hint)


def snake(name: str) -> str:
    """`apiKey` as `api_key`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
