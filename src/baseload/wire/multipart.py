"""Forms with files (`multipart/form-data`, RFC 7578) as they come: a few small fields are read.

Strict, since what is read here decides who may do what, and the target reads the same bytes by its own rules:
a body begins with its boundary, each part is named once and plainly, and a field that is read comes once.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

from baseload import errors
from baseload.errors import RequestError

MAX_PART_HEAD = 8 * 1024
"""Bytes of one part's header fields."""
MAX_FIELD = 1024
"""Bytes of a field's value that is read."""
MAX_PARTS = 1000
"""Parts of one form."""

_BOUNDARY = re.compile(
    rb'(?i:multipart/form-data)[ \t]*;[ \t]*(?i:boundary)=(?:"([0-9A-Za-z\'()+_,./:=? -]{0,69}'
    rb"[0-9A-Za-z'()+_,./:=?-])\"|([0-9A-Za-z'+_.-]{1,70}))[ \t]*"
)
_DISPOSITION = re.compile(
    rb'(?i)form-data((?:[ \t]*;[ \t]*[a-z]+\*?=(?:"(?:[^"\\\r\n]|\\[^\r\n])*+"|[^\s;"=\\]++))*+)[ \t]*'
)
_PARAMETER = re.compile(rb'[ \t]*;[ \t]*([A-Za-z]+\*?)=(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]++))')


class FormField(Struct, frozen=True):
    """The value of a field, and where it stands in the body."""

    value: bytes
    start: int
    end: int


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary that a `multipart/form-data` content type names, and nothing else; None for other types.

    Raises RequestError (invalid_field) for such a type without a plain boundary.
    """
    if not content_type.lower().startswith(b"multipart/form-data"):
        return None
    found = _BOUNDARY.fullmatch(content_type)
    if found is None:
        raise RequestError(
            errors.INVALID_FIELD, "multipart/form-data must name one plain boundary", param="content-type"
        )
    return found[1] or found[2]


class FormReader:
    """Reads the fields named in `wanted` of a form fed in any pieces; `fields` has those that came so far.

    `feed` raises RequestError: invalid_field for what is no form in the strict sense, a value that is too
    long, or a name in other letters; duplicate_key for a wanted field that comes again. `done` at its end.
    """

    __slots__ = (
        "_at",
        "_buffer",
        "_delimiter",
        "_name",
        "_parts",
        "_start",
        "_step",
        "done",
        "fields",
        "wanted",
    )

    def __init__(self, boundary: bytes, wanted: Collection[str]) -> None:
        self.wanted = frozenset(wanted)
        self.fields: dict[str, FormField] = {}
        self.done = False
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # as if a line had ended before the body
        self._at = -2  # where the buffer stands in the body
        self._name: str | None = None  # of the wanted field whose value comes
        self._start = 0  # where its value stands in the body
        self._parts = 0
        self._step = self._first

    def feed(self, data: bytes) -> None:
        """The next piece of the body."""
        self._buffer += data
        while self._step():
            pass

    def _drop(self, size: int) -> None:
        self._buffer = self._buffer[size:]
        self._at += size

    def _first(self) -> bool:
        """The boundary that a form begins with."""
        size = len(self._delimiter)
        if len(self._buffer) < size:
            return False
        if not self._buffer.startswith(self._delimiter):
            raise _bad("the form does not begin with its boundary")
        self._drop(size)
        self._step = self._after_boundary
        return True

    def _after_boundary(self) -> bool:
        """`--` ends the form, the end of a line begins a part."""
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._drop(2)
            self._step = self._over
            self.done = True
            return True
        if not self._buffer.startswith(b"\r\n"):
            raise _bad("a boundary is not followed by the end of its line")
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _bad(f"the form has more than {MAX_PARTS} parts")
        self._step = self._part_head  # the line's end stays: a part without header fields is one more
        return True

    def _part_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_PART_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_PART_HEAD:
                raise _bad("a part's header fields exceed 8 KiB")
            return False
        name = _name_of(self._buffer[2:end])
        self._drop(end + 4)
        if name in self.wanted:
            if name in self.fields:
                raise RequestError(errors.DUPLICATE_KEY, f"the field {name!r} is sent twice", param=name)
            self._name = name
        elif name.casefold() in self.wanted:
            message = f"the field {name!r} must be written {name.casefold()!r}"
            raise RequestError(errors.INVALID_FIELD, message, param=name.casefold())
        else:
            self._name = None
        self._start = self._at
        self._step = self._value
        return True

    def _value(self) -> bool:
        """Up to the next boundary: kept where it is wanted."""
        end = self._buffer.find(self._delimiter)
        name = self._name
        if end < 0:
            if name is None:
                self._drop(max(0, len(self._buffer) - len(self._delimiter) + 1))
            elif len(self._buffer) > MAX_FIELD + len(self._delimiter):
                raise RequestError(
                    errors.INVALID_FIELD, f"{name} is longer than {MAX_FIELD} bytes", param=name
                )
            return False
        if name is not None:
            if end > MAX_FIELD:
                raise RequestError(
                    errors.INVALID_FIELD, f"{name} is longer than {MAX_FIELD} bytes", param=name
                )
            self.fields[name] = FormField(self._buffer[:end], self._start, self._start + end)
        self._drop(end + len(self._delimiter))
        self._step = self._after_boundary
        return True

    def _over(self) -> bool:
        """Nothing but the end of the last line."""
        if self._buffer not in (b"", b"\r", b"\r\n"):
            raise _bad("there are bytes behind the end of the form")
        return False


def _name_of(head: bytes) -> str:
    """The name of a part, by its one plain Content-Disposition. Raises RequestError (invalid_field)."""
    found: str | None = None
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip() or b"\n" in line or b"\r" in line:
            raise _bad("a part's header field is not NAME: VALUE")
        if name.lower() != b"content-disposition":
            continue
        plain = _DISPOSITION.fullmatch(value.strip(b" \t"))
        if plain is None or found is not None:
            raise _bad("a part's Content-Disposition is not one plain form-data")
        named = {}
        for key, quoted, token in _PARAMETER.findall(plain[1]):
            if key.lower() in named or key.lower() == b"name*":
                raise _bad("a part's Content-Disposition names it twice")
            named[key.lower()] = quoted or token
        try:
            found = named[b"name"].decode()
        except (KeyError, UnicodeDecodeError):
            raise _bad("a part of the form has no name") from None
    if found is None or "\\" in found or "%" in found:
        raise _bad("a part of the form has no plain name")
    return found


def _bad(message: str) -> RequestError:
    return RequestError(errors.INVALID_FIELD, f"{message} (RFC 7578)", param="body")
