"""AWS's own description of the Bedrock runtime, as botocore ships it: the oracle of the Converse dialect."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import botocore.session

SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
CONVERSE, STREAM = SERVICE.operation_model("Converse"), SERVICE.operation_model("ConverseStream")
OURS = "baseload"
"""The member in which we keep what the format has no place for; AWS's SDKs pass over it."""


def problems(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """What the service would refuse in `value`: types, members, enumerations, patterns and bounds."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if kind == "structure":
        yield from _in_structure(shape, value, where)
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{where} is no list"
            return
        yield from _size(shape, len(value), where)
        for at, one in enumerate(value):
            yield from problems(shape.member, one, f"{where}[{at}]")
    elif kind == "map":
        for name, one in value.items():
            yield from problems(shape.key, name, f"{where} key")
            yield from problems(shape.value, one, f"{where}.{name}")
    elif kind in ("string", "blob"):
        if not isinstance(value, str):
            yield f"{where} is no string"
            return
        yield from _in_string(shape, value, where)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"{where} is not true or false"
    elif not isinstance(value, int | float) or isinstance(value, bool):
        yield f"{where} is no number"
    else:
        yield from _size(shape, value, where)


def _in_structure(shape: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    for name in shape.required_members:
        if name not in value and shape.members[name].serialization.get("location") != "uri":
            yield f"{where}.{name} is missing"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{where} has {len(value)} members where one is wanted"
    for name, one in value.items():
        if name in shape.members:
            yield from problems(shape.members[name], one, f"{where}.{name}")
        elif name != OURS:
            yield f"{where}.{name} is unknown"


def _in_string(shape: Any, value: str, where: str) -> Iterator[str]:
    if shape.type_name == "blob":
        base64.b64decode(value, validate=True)
        return
    if shape.enum and value not in shape.enum:
        yield f"{where}: {value!r} is none of {shape.enum}"
    pattern = shape.metadata.get("pattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        yield f"{where}: {value!r} does not match {pattern}"
    yield from _size(shape, len(value), where)


def _size(shape: Any, size: float, where: str) -> Iterator[str]:
    if size < shape.metadata.get("min", size) or size > shape.metadata.get("max", size):
        yield f"{where}: {size} is out of bounds"


def seen(shape: Any, value: Any) -> Iterator[str]:
    """Each member of the model's structures that `value` has, as `Structure.member`."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return
    if kind == "structure":
        for name, one in value.items():
            if name in shape.members:
                yield f"{shape.name}.{name}"
                yield from seen(shape.members[name], one)
    elif kind == "list":
        for one in value:
            yield from seen(shape.member, one)
    elif kind == "map":
        for one in value.values():
            yield from seen(shape.value, one)


def members(shape: Any, visited: set[str] | None = None) -> Iterator[str]:
    """Each member of each structure in the model below `shape`, once."""
    visited = visited if visited is not None else set()
    if shape.name in visited or getattr(shape, "is_document_type", False):
        return
    visited.add(shape.name)
    if shape.type_name == "structure":
        for name, inner in shape.members.items():
            if inner.serialization.get("location") != "uri":
                yield f"{shape.name}.{name}"
                yield from members(inner, visited)
    elif shape.type_name == "list":
        yield from members(shape.member, visited)
    elif shape.type_name == "map":
        yield from members(shape.value, visited)


def parsed(shape: Any, value: Any) -> Any:
    """`value` as botocore's parser gives it: blobs as bytes, and only what the model knows."""
    if getattr(shape, "is_document_type", False):
        return value
    kind = shape.type_name
    if kind == "structure":
        known = {name: one for name, one in value.items() if name in shape.members and one is not None}
        return {name: parsed(shape.members[name], one) for name, one in known.items()}
    if kind == "list":
        return [parsed(shape.member, one) for one in value]
    if kind == "map":
        return {name: parsed(shape.value, one) for name, one in value.items()}
    return base64.b64decode(value) if kind == "blob" else value
