"""A made baseload.yaml as text: what to set and where each target is from, said in comments."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml

from baseload.config.document import resolved
from baseload.config.importing.nouns import Imported

_WIDTH = 100


def written(imported: Imported) -> str:
    """The text of the file, with a head that names the variables it needs and every target's origin.

    It holds no value of the other file's secrets, in comments neither.
    """
    return "\n".join((*_head(imported), *_body(imported))) + "\n"


def _head(imported: Imported) -> Iterator[str]:
    yield f"# Made from a configuration of {imported.gateway} by `baseload config import`."
    count = len(imported.not_carried)
    yield f"# {count} of its values could not be carried over: the command lists them, each with the reason."
    if imported.variables:
        yield "# Set these in the environment (or write ${file:PATH} in their place):"
        yield from (f"#   {_comment(found.name)}: {_comment(found.what)}" for found in imported.variables)
    yield "# Where data may be processed is not said there: `classes.default` lets it go to any region."


def _body(imported: Imported) -> Iterator[str]:
    for key, value in imported.config.items():
        yield ""
        if key != "targets":
            yield from _dumped({key: value})
            continue
        yield "targets:"
        for name, section in value.items():
            yield f"  # from {_comment(imported.origins[name])}"
            yield from (f"  {line}" for line in _dumped({name: section}))


def _dumped(value: dict[str, Any]) -> list[str]:
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=_WIDTH, allow_unicode=True
    )
    return text.rstrip("\n").split("\n")


def _comment(text: str) -> str:
    return " ".join(text.split())


class _Dumper(yaml.SafeDumper):
    """Writes decimals exactly, lists of names in a line, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _decimal(dumper: yaml.SafeDumper, value: Decimal) -> yaml.ScalarNode:
    text = f"{value:f}"
    return dumper.represent_scalar(
        "tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text
    )


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Quoted where baseload.yaml would read something else than a text."""
    style = None if isinstance(resolved(value), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _line(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


_Dumper.add_representer(list, _line)
_Dumper.add_representer(Decimal, _decimal)
_Dumper.add_representer(str, _text)
