"""Reading a JSON object member by member, and keeping what nobody took."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from baseload import errors
from baseload.errors import RequestError
from baseload.wire.dialects.nouns import Dialect, Json, Own

T = TypeVar("T")


class Rest:
    """The members of an object that are not read yet; `where` is its path, for messages.

    A member that is null counts as unread and so is written back as null.
    """

    __slots__ = ("_dialect", "members", "spelling", "where")

    def __init__(self, value: object, dialect: Dialect, where: str) -> None:
        if not isinstance(value, dict):
            raise wrong(where, "must be an object")
        self.members: Json = dict(value)
        self.spelling: Json = {}
        self.where = where
        self._dialect = dialect

    def path(self, name: str) -> str:
        """The path of a member."""
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str, kind: type[T] | tuple[type[T], ...]) -> T | None:
        """A member of this type; None where it is absent or null. Raises RequestError (invalid_field)."""
        value = self.members.get(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, _NUMBER)):
            raise wrong(self.path(name), f"must be {_named(kind)}")
        del self.members[name]
        return value

    def need(self, name: str, kind: type[T] | tuple[type[T], ...]) -> T:
        """As `take`, for a member that must be there."""
        value = self.take(name, kind)
        if value is None:
            raise wrong(self.path(name), "is missing")
        return value

    def number(self, name: str) -> float | None:
        """A number, as it came: 1 stays 1."""
        return self.take(name, _NUMBER)

    def own(self) -> Own | None:
        """What was not taken, and how the rest was spelt; None where there is neither."""
        if not self.members and not self.spelling:
            return None
        return Own(self._dialect, self.members, self.spelling)


_NUMBER: Any = (int, float)
_NAMES: dict[Any, str] = {str: "a string", bool: "true or false", int: "a whole number", list: "a list"}


def _named(kind: object) -> str:
    return _NAMES.get(kind, "a number" if kind == _NUMBER else "an object")


def wrong(where: str, what: str) -> RequestError:
    """A field of the request that cannot be read."""
    return RequestError(errors.INVALID_FIELD, f"{where or 'the body'} {what}", param=where or None)


def objects(value: object) -> list[Json] | None:
    """The objects of a list, what else is in it left out; None for what is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else None


def put_back(target: Json, own: Own | None, dialect: Dialect) -> Json:
    """`target` with the members that only this dialect has."""
    if own is not None and own.dialect is dialect:
        target.update(own.members)
    return target


def spelt(own: Own | None, dialect: Dialect, name: str) -> Any:
    """How this dialect spelt something when it was read; None where it did not say."""
    return own.spelling.get(name) if own is not None and own.dialect is dialect else None


def split_data_url(url: str) -> tuple[str, str] | None:
    """(media type, base64) of a `data:` URL (RFC 2397); None for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7], data


def data_url(mime: str | None, data: str) -> str:
    """The `data:` URL of base64 data."""
    return f"data:{mime or 'application/octet-stream'};base64,{data}"


UNPARSED = "_arguments"
"""The member that holds a call's arguments where they are no JSON object, in dialects that want one."""


def arguments_object(text: str) -> Json:
    """A call's arguments as an object; empty text is an empty object, text that is none is kept as it is."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {UNPARSED: text}
    return value if isinstance(value, dict) else {UNPARSED: text}


def arguments_text(value: object) -> str:
    """The reverse of `arguments_object`."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get(UNPARSED), str):
        return str(value[UNPARSED])
    return json.dumps(value if value is not None else {}, ensure_ascii=False, separators=(",", ":"))
