"""AWS's binary event stream (`application/vnd.amazon.eventstream`), pure: bytes in, frames out, and back.

    frame   = total length u32 | headers' length u32 | CRC-32 of these 8 bytes
              | headers | payload | CRC-32 of everything before
    header  = name's length u8 | name | type u8 | value (fixed, or u16 length and bytes)

Numbers are big-endian. Source: the Smithy specification, "Event streams: the AWS event stream encoding" (read
November 2026). Lengths are checked as soon as they are here and before anything is kept for them. A
stream repeats a handful of header blocks in all its frames, so that each is parsed once and then known.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec

from baseload.wire.http1 import UpstreamSyntax

MAX_FRAME = 1024 * 1024
"""Longest frame a reader takes unless told otherwise; as the longest event of a text stream."""
MAX_HEADERS = 128 * 1024
MAX_MESSAGE = 512
"""Characters kept of what an exception says."""

_PRELUDE, _TRAILER = 12, 4
_KNOWN_BLOCKS, _KNOWN_BLOCK_BYTES = 64, 512
_LENGTHS, _U32, _U16 = struct.Struct("!III"), struct.Struct("!I"), struct.Struct("!H")


class EventStreamBroken(UpstreamSyntax):
    """Bytes that are no event stream; the message names what is wrong."""


class Kind(IntEnum):
    """The ten types of a header's value, by their number on the wire."""

    TRUE = 0
    FALSE = 1
    BYTE = 2
    SHORT = 3
    INTEGER = 4
    LONG = 5
    BYTES = 6
    STRING = 7
    TIMESTAMP = 8  # milliseconds since 1970, as an int
    UUID = 9


class Header(NamedTuple):
    """A header's value with its type: `bool`, `int`, `bytes`, `str`, or a `UUID`."""

    kind: Kind
    value: bool | int | bytes | str | UUID


_NUMBERS = {
    Kind.BYTE: struct.Struct("!b"),
    Kind.SHORT: struct.Struct("!h"),
    Kind.INTEGER: struct.Struct("!i"),
    Kind.LONG: struct.Struct("!q"),
    Kind.TIMESTAMP: struct.Struct("!q"),
}


class Failure(NamedTuple):
    """An exception or error that the service put into the stream in place of an event."""

    name: str
    message: str


class Frame(NamedTuple):
    """One frame: headers by name in the order of the wire, and the payload."""

    headers: Mapping[str, Header]
    payload: bytes

    def text(self, name: str) -> str:
        """A header of type string; "" where it is missing or of another type."""
        header = self.headers.get(name)
        return header.value if header is not None and isinstance(header.value, str) else ""

    @property
    def event(self) -> str:
        """The event's name, as `contentBlockDelta`; "" for exceptions and errors."""
        return self.text(":event-type")

    def failure(self) -> Failure | None:
        """What failed, where `:message-type` is `exception` (modelled) or `error`; else None."""
        kind = self.text(":message-type")
        if kind == "exception":
            return Failure(self.text(":exception-type") or "exception", _said(self.payload))
        if kind == "error":
            return Failure(self.text(":error-code") or "error", self.text(":error-message")[:MAX_MESSAGE])
        return None


class EventReader:
    """Reads one stream as it comes, in chunks cut anywhere. `max_frame` bounds what one frame may hold."""

    __slots__ = ("_blocks", "_held", "_max_frame", "_needed", "_parts")

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._parts: list[bytes] = []  # joined when a frame is whole: a dribbled one costs its size once
        self._held = 0
        self._needed = _PRELUDE
        self._max_frame = max_frame
        self._blocks: dict[bytes, dict[str, Header]] = {}

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete. Raises EventStreamBroken, after which the stream is lost."""
        if self._parts:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return []
            data = b"".join(self._parts)
        size, start = len(data), 0
        frames: list[Frame] = []
        while size - start >= self._needed:
            total, block = self._lengths(data, start)
            self._needed = total
            end = start + total
            if size < end:
                break
            frames.append(self._frame(data, start, end, block))
            start, self._needed = end, _PRELUDE
        self._held = size - start
        self._parts = [data[start:]] if self._held else []
        return frames

    def end(self) -> None:
        """The stream is over. Raises EventStreamBroken within a frame."""
        if self._parts:
            raise EventStreamBroken("the event stream ended within a frame")

    def _lengths(self, data: bytes, start: int) -> tuple[int, int]:
        total, block, checksum = _LENGTHS.unpack_from(data, start)
        if crc32(data[start : start + 8]) != checksum:
            raise EventStreamBroken("an event frame's lengths do not have their checksum")
        if total > self._max_frame:
            raise EventStreamBroken(f"an event frame of {total} bytes exceeds {self._max_frame}")
        if block > MAX_HEADERS or block + _PRELUDE + _TRAILER > total:
            raise EventStreamBroken(f"an event frame of {total} bytes cannot have {block} bytes of headers")
        return total, block

    def _frame(self, data: bytes, start: int, end: int, block: int) -> Frame:
        body_end = end - _TRAILER
        if crc32(data[start:body_end]) != _U32.unpack_from(data, body_end)[0]:
            raise EventStreamBroken("an event frame does not have its checksum")
        first = start + _PRELUDE
        raw = data[first : first + block]
        headers = self._blocks.get(raw)
        if headers is None:
            headers = _parse_headers(raw)
            if len(self._blocks) < _KNOWN_BLOCKS and block <= _KNOWN_BLOCK_BYTES:
                self._blocks[raw] = headers
        return Frame(headers, data[first + block : body_end])


def encode_frame(headers: Mapping[str, Header], payload: bytes) -> bytes:
    """The bytes of a frame. Raises ValueError for a header that the format cannot hold."""
    block = b"".join([_encode_header(name, header) for name, header in headers.items()])
    if len(block) > MAX_HEADERS:
        raise ValueError(f"{len(block)} bytes of headers exceed {MAX_HEADERS}")
    lengths = struct.pack("!II", _PRELUDE + len(block) + len(payload) + _TRAILER, len(block))
    frame = b"%b%b%b%b" % (lengths, _U32.pack(crc32(lengths)), block, payload)
    return frame + _U32.pack(crc32(frame))


def encode_event(event: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """A frame that carries an event, with the three headers that services send."""
    return encode_frame(
        {
            ":event-type": Header(Kind.STRING, event),
            ":content-type": Header(Kind.STRING, content_type),
            ":message-type": Header(Kind.STRING, "event"),
        },
        payload,
    )


def _parse_headers(raw: bytes) -> dict[str, Header]:
    headers: dict[str, Header] = {}
    at, size = 0, len(raw)
    while at < size:
        name_end = at + 1 + raw[at]
        if name_end == at + 1 or name_end >= size:
            raise EventStreamBroken("an event header has no name, or ends within it")
        name = _utf8(raw[at + 1 : name_end])
        if name in headers:
            raise EventStreamBroken("an event header is there twice")
        headers[name], at = _parse_value(raw, name_end)
    return headers


def _parse_value(raw: bytes, at: int) -> tuple[Header, int]:
    """The value whose type stands at `at`, and where the next header begins."""
    number, start = raw[at], at + 1
    if number > Kind.UUID:
        raise EventStreamBroken(f"an event header has the unknown type {number}")
    kind = Kind(number)
    if kind <= Kind.FALSE:
        return Header(kind, kind is Kind.TRUE), start
    if form := _NUMBERS.get(kind):
        size = form.size
    elif kind is Kind.UUID:
        size = 16
    else:
        if start + 2 > len(raw):
            raise EventStreamBroken("an event header ends within its length")
        size = _U16.unpack_from(raw, start)[0]
        start += 2
    value = raw[start : start + size]
    if len(value) < size:
        raise EventStreamBroken("an event header ends within its value")
    if form:
        return Header(kind, int(form.unpack(value)[0])), start + size
    if kind is Kind.UUID:
        return Header(kind, UUID(bytes=value)), start + size
    return Header(kind, _utf8(value) if kind is Kind.STRING else value), start + size


def _encode_header(name: str, header: Header) -> bytes:
    encoded = name.encode()
    if not 0 < len(encoded) < 256:
        raise ValueError(f"a header's name has 1 to 255 bytes, not {len(encoded)}")
    return b"%c%b%c%b" % (len(encoded), encoded, header.kind, _encode_value(header))


def _encode_value(header: Header) -> bytes:
    kind, value = header
    if kind <= Kind.FALSE:
        return b""
    if form := _NUMBERS.get(kind):
        try:
            return form.pack(value)
        except struct.error:
            raise ValueError(f"{value!r} is no {kind.name.lower()}") from None
    if isinstance(value, UUID) and kind is Kind.UUID:
        return value.bytes
    if kind is Kind.STRING and isinstance(value, str):
        encoded = value.encode()
    elif kind is Kind.BYTES and isinstance(value, bytes):
        encoded = value
    else:
        raise ValueError(f"{type(value).__name__} is no {kind.name.lower()}")
    if len(encoded) > 0xFFFF:
        raise ValueError(f"a header's value has at most 65535 bytes, not {len(encoded)}")
    return _U16.pack(len(encoded)) + encoded


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise EventStreamBroken("an event header is not UTF-8") from None


class _Said(msgspec.Struct):
    message: str | None = None
    capital: str | None = msgspec.field(default=None, name="Message")


_SAID = msgspec.json.Decoder(_Said)


def _said(payload: bytes) -> str:
    """The message in an exception's JSON, whichever case its service writes; "" where there is none."""
    try:
        said = _SAID.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return (said.message or said.capital or "")[:MAX_MESSAGE]
