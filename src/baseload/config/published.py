"""The published JSON schema of baseload.yaml, and what is read off it: a section's keys, the docs' table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from baseload.config.document import PathIn
from baseload.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class KeyRow(NamedTuple):
    """One key: its path (`NAME` is a free name), what may stand there, an example unless a default is one."""

    key: str
    kind: str
    default: str
    meaning: str
    example: str


@cache
def json_schema() -> dict[str, Any]:
    """The JSON schema of a whole file; what takes two places to check is beyond it (`references.py`)."""
    schema = _cleaned(Config.model_json_schema())
    schema["properties"]["classes"]["required"] = ["default"]
    schema["$defs"]["TargetSection"]["oneOf"] = [{"required": ["owned"]}, {"required": ["metered"]}]
    logins = ("key", "entra", "google", "aws")
    schema["$defs"]["MeteredSection"]["oneOf"] = [{"required": [name]} for name in logins]
    return {"$schema": DIALECT, "title": "baseload.yaml", **schema}


def known_keys(path: PathIn) -> list[str]:
    """The keys that the mapping at this path may have; none where names are free."""
    return list(_at(path).get("properties", {}))


def meaning(path: PathIn) -> str:
    """What the key at this path is for, as the docs say it; empty for a free name."""
    described = _at(path[:-1]).get("properties", {}).get(path[-1], {})
    return str(described.get("description", ""))


def key_rows() -> Iterator[KeyRow]:
    """Every key of the file in the schema's order, a section before what is in it."""
    root = json_schema()
    yield from _rows(root, root, "")


def key_table() -> str:
    """The rows as a Markdown table."""
    head = ["| key | value | default | meaning | example |", "|---|---|---|---|---|"]
    rows = (f"| `{row.key}` | {' | '.join(row[1:])} |" for row in key_rows())
    return "\n".join([*head, *rows])


def _at(path: PathIn) -> dict[str, Any]:
    """The schema of the mapping at this path."""
    root = json_schema()
    node = root
    for part in path:
        inner = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part)
        node = _section(inner or _named(node) or {}, root)
    return node


def _rows(node: dict[str, Any], root: dict[str, Any], prefix: str) -> Iterator[KeyRow]:
    required = node.get("required", [])
    for name, value in node["properties"].items():
        section, key = _section(value, root), f"{prefix}{name}"
        named, example = _named(section), _found(value, "examples")
        default = "required" if name in required else _default(value.get("default"))
        shown = f"`{example[0]}`" if example and not default.startswith("`") else ""
        yield KeyRow(key, _kind(value, section), default, value["description"], shown)
        if named:
            yield from _rows(_section(named, root), root, f"{key}.NAME.")
        elif "properties" in section:
            yield from _rows(section, root, f"{key}.")


def _kind(value: dict[str, Any], section: dict[str, Any]) -> str:
    if "properties" in section:
        return "section"
    if _named(section):
        return "sections by name"
    names = _found(value, "enum")
    if names:
        return ", ".join(f"`{name}`" for name in names)
    return str(_found(value, "$comment") or "text")


def _default(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _found(node: dict[str, Any], keyword: str) -> Any:
    """What a keyword says in this node, in one of its choices, or of a list's items."""
    nodes = [node, *node.get("anyOf", [])]
    if isinstance(node.get("items"), dict):
        nodes.append(node["items"])
    return next((found[keyword] for found in nodes if keyword in found), None)


def _named(node: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the values of a mapping with free names."""
    return next(iter(node.get("patternProperties", {}).values()), None)


def _section(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """The section that a node refers to, or the node itself."""
    if "$ref" not in node:
        return node
    found = root["$defs"][node["$ref"].rpartition("/")[2]]
    assert isinstance(found, dict)
    return found


def _cleaned(node: Any) -> Any:
    """Without pydantic's made-up titles, defaults of whole sections (they hold inner units), and null.

    A key without a value is refused wherever it stands, so that the schema should not offer it.
    """
    if isinstance(node, list):
        return [_cleaned(item) for item in node]
    if not isinstance(node, dict):
        return node
    dropped = {key for key in ("title", "default") if key in node and _is_made_up(node, key)}
    cleaned = {key: _cleaned(value) for key, value in node.items() if key not in dropped}
    if "patternProperties" in cleaned:
        cleaned["additionalProperties"] = False
    choices = [choice for choice in cleaned.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        return {**choices[0], **cleaned}
    return {**cleaned, "anyOf": choices} if choices else cleaned


def _is_made_up(node: dict[str, Any], key: str) -> bool:
    value = node[key]
    return isinstance(value, str) if key == "title" else value is None or isinstance(value, dict)
