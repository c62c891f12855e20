"""Reads baseload.yaml: every problem at once, each with file, line, key and what to write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from baseload.config.document import MOST_BYTES, Document, PathIn, read_document
from baseload.config.fields import NO_KEY
from baseload.config.logins import SECRETS
from baseload.config.published import known_keys, meaning
from baseload.config.references import check_references
from baseload.config.schema import Config, Outline
from baseload.config.section import Section
from baseload.errors import ConfigError, EnvironmentProblem, nearest

LATER = frozenset({"shared", "workers", "hard", "budget"})
"""Keys of the design that this version does not have: refused, never accepted in silence."""

_S = TypeVar("_S", bound=Section)

_SECRET_KEYS = frozenset(path[-1] for path in SECRETS)

_SECRET_HEADER = re.compile("(?:api|-)key$|token|secret|auth|cookie")
"""Names of headers whose values are likely to be secret."""

_MESSAGES = {
    "missing": "is required",
    "string_type": "must be text",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of names to values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


class InvalidConfig(ConfigError):
    """A file with problems: `problems` holds all of them by line, and this error is the first."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        first = problems[0]
        super().__init__(first.file, first.line, first.key, first.reason, hint=first.hint)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load(path: str | Path, env: Mapping[str, str] | None = None) -> Config:
    """The configuration in this file, `${NAME}` taken from `env` (by default the process's environment).

    Raises InvalidConfig with every problem, EnvironmentProblem where the file cannot be read.
    """
    path = Path(path)
    config = parse(_text_of(path), str(path), path.absolute().parent, env)
    config._sources = (path.absolute(), *config._sources)
    return config


def parse(text: str, file: str, base: Path, env: Mapping[str, str] | None = None) -> Config:
    """The configuration in this text, which stands for `file` in the folder `base`. Raises InvalidConfig."""
    document = _document(text, file, base, env)
    problems = [*document.problems, *check_references(document)]
    config = _validated(Config, document, base, problems)
    config._file = file
    certificates = [config.tls.cert, config.tls.key] if config.tls else []
    authorities = [target.ca for target in config.targets.values() if target.ca]
    applications = [
        target.metered.entra.certificate
        for target in config.targets.values()
        if target.metered and target.metered.entra and target.metered.entra.certificate
    ]
    config._sources = (*document.secret_files, *certificates, *authorities, *applications)
    config._literal_keys = tuple(_literal_keys(document, config))
    return config


def outline(path: str | Path, env: Mapping[str, str] | None = None) -> Outline:
    """Where this file keeps its data and what it names: read without its secrets, the rest left to `load`.

    Raises InvalidConfig for what concerns these keys, EnvironmentProblem where the file cannot be read.
    """
    path = Path(path)
    base = path.absolute().parent
    document = _document(_text_of(path), str(path), base, env)
    return _validated(Outline, document, base, [p for p in document.problems if p.key == "data"])


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot read {path}: {error.strerror}", hint="docs/config.md shows the smallest file"
        ) from None
    if len(raw) > MOST_BYTES:
        raise InvalidConfig([ConfigError(str(path), 0, "", "longer than 1 MiB")])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidConfig([ConfigError(str(path), line, "", "not UTF-8 text")]) from None


def _document(text: str, file: str, base: Path, env: Mapping[str, str] | None) -> Document:
    try:
        return read_document(text, file, base, os.environ if env is None else env)
    except ConfigError as error:
        raise InvalidConfig([error]) from None


def _validated(kind: type[_S], document: Document, base: Path, problems: list[ConfigError]) -> _S:
    """The document as this kind of section. Raises InvalidConfig with what is wrong and these problems."""
    try:
        section = kind.model_validate(document.data, context={"base": base})
    except ValidationError as error:
        raise InvalidConfig(_in_order([*problems, *_schema_problems(document, error)])) from None
    if problems:
        raise InvalidConfig(_in_order(problems))
    return section


def _literal_keys(document: Document, config: Config) -> Iterator[str]:
    """Credentials that stand in the file itself."""
    for name, target in config.targets.items():
        side = "owned" if target.owned else "metered"
        for secret in SECRETS:
            place = document.places.get(("targets", name, side, *secret))
            if place and place.text and place.text != NO_KEY and "${" not in place.text:
                yield f"targets.{name}.{side}.{'.'.join(secret)}"
        for path, place in document.places.items():
            if path[:-1] != ("targets", name, "headers"):
                continue
            header = str(path[-1]).lower()
            if _SECRET_HEADER.search(header) and place.text and "${" not in place.text:
                yield f"targets.{name}.headers.{header}"


def _in_order(problems: Sequence[ConfigError]) -> list[ConfigError]:
    """By line, the first problem of each key only: what follows from it is noise."""
    first: dict[tuple[int, str], ConfigError] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.key), problem)
    return sorted(first.values(), key=lambda problem: (problem.line, problem.key))


def _schema_problems(document: Document, error: ValidationError) -> Iterator[ConfigError]:
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "[key]")
        yield document.problem(path, *_message(document, path, detail))


def _message(document: Document, path: PathIn, detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what to do, for one error of pydantic's."""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return _MESSAGES[kind], meaning(path)
    place = document.places.get(path)
    shown = ""
    secret = path[-1:] and (path[-1] in _SECRET_KEYS or "headers" in path)
    if place and place.text is not None and not secret and "@" not in place.text:
        shown = f" (got {document.shown(path) or 'nothing'})"
    if kind == "value_error":
        message, _, hint = str(detail["ctx"]["error"]).partition("; ")
        return message + shown, hint
    return _MESSAGES.get(kind, _lower(detail["msg"])) + shown, ""


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _unknown_key(path: PathIn) -> tuple[str, str]:
    name = str(path[-1])
    known = known_keys(path[:-1])
    if name in LATER:
        return "is not in this version", "remove it: it would have no effect"
    near = nearest(name, known)
    return "unknown key", f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
