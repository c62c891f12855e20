"""The file's text as plain values, each with the line it stands on; secrets are substituted here.

A strict and small YAML: one document, the scalars of YAML 1.2's core schema (`no` and `12:30` are text), no
tags, no duplicate keys, bounded depth and size, aliases counted as what they expand to. Every problem that
does not stop the reading is collected, so that all are shown at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from baseload.errors import ConfigError, nearest

MOST_BYTES = 1 << 20
MOST_NODES = 20_000
MOST_DEPTH = 16
MOST_SECRET_BYTES = 64 * 1024

PathIn = tuple[str | int, ...]
"""Where a value stands in the file: keys and list positions from the root."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{([^}\n]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18}|[0-9]{1,18})(?:[eE][-+]?[0-9]{1,2})?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

# In a flow mapping YAML ends a plain scalar at a brace, so that `{key: ${NAME}}` would need quotes. While it
# parses, the braces of a reference are two private characters of the same width: columns stay as they are.
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_UNWANTED = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff{_OPEN}{_CLOSE}]"
)
_HIDDEN = re.compile(f"\\${_OPEN}([^{_CLOSE}\n]*){_CLOSE}")


class Place(NamedTuple):
    """Where a value is written, and for a scalar its text as written (references not replaced)."""

    line: int
    text: str | None = None


@dataclass(frozen=True)
class Document:
    """What a file says: plain values, where each stands, which files it refers to, what is wrong."""

    file: str
    data: Any
    places: Mapping[PathIn, Place]
    secret_files: tuple[Path, ...] = ()
    problems: tuple[ConfigError, ...] = ()

    def line(self, path: PathIn) -> int:
        """The line of this value, or of the nearest one around it that is written."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path].line if path in self.places else 0

    def shown(self, path: PathIn) -> str:
        """The scalar at this place as it is written: references stay references, so no secret shows."""
        text = (self.places[path].text if path in self.places else None) or ""
        return (text if text.isprintable() else ascii(text))[:80]

    def problem(self, path: PathIn, message: str, hint: str = "") -> ConfigError:
        """An error that names this place."""
        return ConfigError(self.file, self.line(path), dotted(path), message, hint=hint)


def dotted(path: PathIn) -> str:
    """`targets.llama-a.url`, `models.chat.owned[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(text: str, file: str, base: Path, env: Mapping[str, str] | None) -> Document:
    """Reads the text of a file that stands in the folder `base`; without `env` references stay as written.

    Raises ConfigError for what is no YAML.
    """
    root = _compose(text, file)
    reading = _Reading(file, base, env)
    data = reading.value(root, (), root.line)
    return Document(file, data, reading.places, tuple(dict.fromkeys(reading.files)), tuple(reading.problems))


@dataclass
class _Node:
    """A parsed value: a scalar's text, a list's items, or a mapping's (key, line, value) rows."""

    line: int
    text: str | None = None
    plain: bool = False
    items: list[_Node] | None = None
    rows: list[tuple[str, int, _Node]] | None = None
    size: int = 1


def _compose(text: str, file: str) -> _Node:
    if found := _UNWANTED.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError(file, line, "", f"holds the character U+{ord(found[0]):04X}, which no editor shows")
    hidden = _REFERENCE.sub(rf"${_OPEN}\1{_CLOSE}", text)
    events = yaml.parse(hidden, Loader=_LOADER)
    try:
        composer = _Composer(file, events)
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        if "nesting depth" in (error.problem or ""):  # PyYAML's own limit, met while it looks ahead of ours
            raise ConfigError(file, line, "", f"nested more than {MOST_DEPTH} deep") from None
        message = _shown(" ".join(filter(None, (error.problem, error.context))))
        raise ConfigError(file, line, "", f"not YAML: {message}") from None
    except yaml.YAMLError as error:
        raise ConfigError(file, 0, "", f"not YAML: {_shown(str(error).splitlines()[0])}") from None
    return root


def _shown(text: str) -> str:
    return _HIDDEN.sub(r"${\1}", text)


class _Composer:
    """Builds nodes from YAML's events; depth and expanded size are bounded before they cost anything."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events
        self._anchors: dict[str, _Node] = {}
        self._nodes = 0

    def document(self) -> _Node:
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise ConfigError(
                self._file, 1, "", "the file is empty", hint="docs/config.md shows the smallest"
            )
        root = self._node(next(self._events), 0)
        next(self._events)  # document end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._refused(after, "a second document: write one")
        return root

    def _refused(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError(self._file, _line(event), "", message)

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        if depth > MOST_DEPTH:
            raise self._refused(event, f"nested more than {MOST_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(event.anchor or "")
            if node is None:
                raise self._refused(event, f"unknown alias *{event.anchor}")
            self._count(event, node.size)
            return node
        assert isinstance(event, yaml.NodeEvent)
        if getattr(event, "tag", None) not in (None, "!"):
            raise self._refused(event, "tags are not supported: write the plain value")
        self._count(event, 1)
        node = _Node(_line(event))
        before = self._nodes
        if isinstance(event, yaml.ScalarEvent):
            node.text, node.plain = event.value, event.style is None or event.style == ""
        elif isinstance(event, yaml.SequenceStartEvent):
            node.items = []
            while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
                node.items.append(self._node(inner, depth + 1))
        else:
            node.rows = list(self._rows(depth))
        node.size = self._nodes - before + 1
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _rows(self, depth: int) -> Iterator[tuple[str, int, _Node]]:
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refused(event, "a key must be a plain word")
            self._count(event, 1)
            yield _shown(event.value), _line(event), self._node(next(self._events), depth + 1)

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise self._refused(event, f"more than {MOST_NODES} values, aliases expanded")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


@dataclass
class _Reading:
    """Turns nodes into values: resolves scalars, replaces references, notes where everything stands."""

    file: str
    base: Path
    env: Mapping[str, str] | None
    places: dict[PathIn, Place] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    problems: list[ConfigError] = field(default_factory=list)

    def value(self, node: _Node, path: PathIn, line: int) -> Any:
        if node.rows is not None:
            self.places[path] = Place(line)
            return self._mapping(node.rows, path)
        if node.items is not None:
            self.places[path] = Place(line)
            return [self.value(item, (*path, index), item.line) for index, item in enumerate(node.items)]
        text = _shown(node.text or "")
        self.places[path] = Place(line, text)
        if "${" in text:
            env = self.env
            if env is None:
                return text
            return _REFERENCE.sub(lambda found: self._referred(found[1], path, line, env), text)
        return resolved(text) if node.plain else text

    def _mapping(self, rows: list[tuple[str, int, _Node]], path: PathIn) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, line, node in rows:
            inner = (*path, key)
            if key in result:
                first = self.places[inner].line
                self._wrong(line, inner, f"written twice, first on line {first}", "keep one of them")
                continue
            result[key] = self.value(node, inner, line)
        return result

    def _wrong(self, line: int, path: PathIn, message: str, hint: str) -> None:
        self.problems.append(ConfigError(self.file, line, dotted(path), message, hint=hint))

    def _referred(self, name: str, path: PathIn, line: int, env: Mapping[str, str]) -> str:
        """What `${name}` stands for; a problem leaves the reference as it is."""
        kept = f"${{{name}}}"
        if name.startswith("file:"):
            return self._file_text(name.removeprefix("file:"), path, line) or kept
        if not _NAME.fullmatch(name):
            self._wrong(line, path, f"cannot read {kept}", "write ${NAME} or ${file:PATH}")
            return kept
        value = env.get(name)
        if not value:
            near = nearest(name, env) if value is None else None
            state = "empty" if value == "" else "not set"
            hint = f"did you mean {near}?" if near else f"export {name}=…, or use ${{file:PATH}}"
            self._wrong(line, path, f"environment variable {name} is {state}", hint)
            return kept
        if _CONTROL.search(value):
            self._wrong(
                line, path, f"environment variable {name} holds a line break or control character", ""
            )
            return kept
        return value

    def _file_text(self, name: str, path: PathIn, line: int) -> str | None:
        """The text of a secret's file without its trailing line break; None after a problem."""
        file = self.base / name
        self.files.append(file)
        try:
            with file.open("rb") as stream:
                raw = stream.read(MOST_SECRET_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self._wrong(line, path, f"cannot read the file {file}: {reason}", "check the path and its rights")
            return None
        try:
            text = _one_line(raw.decode())
        except UnicodeDecodeError:
            text = "\x00"
        if not text or _CONTROL.search(text) or len(raw) > MOST_SECRET_BYTES:
            self._wrong(line, path, f"the file {file} must hold one line of text, or a JSON object", "")
            return None
        return text


def _one_line(text: str) -> str:
    """Without its last line break; a JSON object, which needs no line break, without any."""
    try:
        if text.startswith("{"):
            return json.dumps(json.loads(text))
    except (ValueError, RecursionError):
        pass
    return text.removesuffix("\n").removesuffix("\r")


def resolved(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema; numbers with a point stay exact decimals."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text
