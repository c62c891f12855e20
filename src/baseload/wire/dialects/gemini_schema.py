"""Google's subset of OpenAPI schemas and JSON schema: which is which, and one read as the other."""

from __future__ import annotations

from typing import Any

from baseload.wire.dialects.nouns import Json

_SUBSET = frozenset(
    {
        "type",
        "title",
        "description",
        "nullable",
        "enum",
        "format",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "propertyOrdering",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "pattern",
        "anyOf",
    }
)
"""Keywords that mean the same in both and that every endpoint of Google's takes."""
_FORMATS = {"string": ("date-time", "enum"), "integer": ("int32", "int64"), "number": ("float", "double")}
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_OLDER = {"any_of": "anyOf", "min_items": "minItems", "max_items": "maxItems", "min_length": "minLength"} | {
    "max_length": "maxLength",
    "property_ordering": "propertyOrdering",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
}


def json_schema(openapi: Json) -> Json:
    """The JSON schema that an OpenAPI subset schema means: types in lower case, `nullable` as a type."""
    schema: Json = {}
    for older, value in openapi.items():
        name = _OLDER.get(older, older)
        if name == "type" and isinstance(value, str):
            schema[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            schema[name] = {key: _inner(one) for key, one in value.items()}
        elif name == "items":
            schema[name] = _inner(value)
        elif name == "anyOf" and isinstance(value, list):
            schema[name] = [_inner(one) for one in value]
        elif name == "nullable" or (name == "propertyOrdering"):
            continue
        else:
            schema[name] = value
    if openapi.get("nullable") is True and isinstance(kind := schema.get("type"), str):
        schema["type"] = [kind, "null"]
        if isinstance(enum := schema.get("enum"), list) and None not in enum:
            schema["enum"] = [*enum, None]
    return schema


def _inner(value: Any) -> Any:
    return json_schema(value) if isinstance(value, dict) else value


def fits(schema: Json) -> bool:
    """Whether an OpenAPI subset schema says all that this JSON schema does, in the same words."""
    kind = schema.get("type")
    if not schema.keys() <= _SUBSET or "nullable" in schema or "propertyOrdering" in schema:
        return False
    if not isinstance(kind, str) or kind not in _TYPES:
        return kind is None and bool(schema.get("anyOf")) and _all_fit(schema["anyOf"])
    if kind == "object" and not schema.get("properties"):
        return False  # refused as an object without properties
    if kind == "array" and not isinstance(schema.get("items"), dict):
        return False
    if "format" in schema and schema["format"] not in _FORMATS.get(kind, ()):
        return False
    enum = schema.get("enum", [])
    if not isinstance(enum, list) or not all(isinstance(one, str) for one in enum):
        return False
    inner = [*_values(schema.get("properties", {})), *([schema["items"]] if "items" in schema else [])]
    return _all_fit(inner) and _all_fit(schema.get("anyOf", []))


def _values(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else [None]


def _all_fit(schemas: Any) -> bool:
    return isinstance(schemas, list) and all(isinstance(one, dict) and fits(one) for one in schemas)
