"""The example files of other gateways, and what a made file needs to be read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from baseload.config.importing import GATEWAYS, Carried, Imported, NotCarried, Variable, import_text

EXAMPLES = Path(__file__).parent / "examples"
MARK = "hush"
"""Every literal secret of the examples holds it."""


def examples() -> list[tuple[str, Path]]:
    """Every example with its gateway's word."""
    return [(word, path) for word in GATEWAYS for path in sorted((EXAMPLES / word).iterdir())]


def names(found: Iterable[tuple[str, Path]]) -> list[str]:
    """How tests call them."""
    return [f"{word}/{path.name}" for word, path in found]


def read(word: str, path: Path) -> Imported:
    """One example, imported under its own name."""
    return import_text(word, path.read_text(), path.name)


def spoken(found: Imported) -> list[Carried | NotCarried]:
    """Everything that the two lists speak of."""
    return [*found.carried, *found.not_carried]


def environment(variables: Iterable[Variable]) -> dict[str, str]:
    """A value for every variable of a made file."""
    return {found.name: found.sample for found in variables}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all values without keys below them, merge keys carried out, by PyYAML's own reading."""
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, str(key)))]
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]
    return [path]


def plain(path: Path) -> Any:
    """The file as PyYAML reads it; `on` and the like stay words."""
    return yaml.load(path.read_text(), Loader=_Loader)


class _Loader(yaml.SafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), ["t", "f"])
