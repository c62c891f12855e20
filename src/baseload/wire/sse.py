"""Server-sent events on their way through: found, judged and passed on as the bytes they came in.

`EventRelay` takes what an upstream sent, in any pieces, and says what the client may have now:
- only whole events, so that an error can follow cleanly wherever the upstream breaks off;
- nothing before the commit point, the first real content, reasoning or tool delta: until then the answer can
  still come from another target;
- the upstream's own bytes, chunk framing included, whenever a read holds just whole chunks of whole events
  (the usual case costs a few searches and no copy).

What an event says is judged in one place, `_pass`, which the relays of other formats replace.
"""

from __future__ import annotations

import re

from baseload.core import Tokens
from baseload.wire.http1 import MAX_CHUNK_LINE, MAX_HEAD, ChunkSyntax, UpstreamSyntax, chunk_size
from baseload.wire.openai import is_error, read_answer

MAX_EVENT = 1024 * 1024
"""Bytes of one event; a longer one is a broken upstream."""
MAX_LARGE_EVENT = 32 * 1024 * 1024
"""As MAX_EVENT, in formats whose events carry pictures or the whole answer."""
MAX_HELD = 256 * 1024
"""Bytes held before the commit point; more commits by itself."""

_PLAIN_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_BOUNDARY = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_DATA = re.compile(rb"^data(?::[ ]?(.*))?$", re.MULTILINE)

_COMMITS = re.compile(
    rb'"(?:content|reasoning_content|reasoning|text|refusal|arguments|name|data)"[ \t]*:[ \t]*"[^"]'
    rb'|"tool_calls"[ \t]*:[ \t]*\[[ \t]*\{|"function_call"[ \t]*:[ \t]*\{'
    rb'|"finish_reason"[ \t]*:[ \t]*"'
)
_EMPTY_CHOICES = re.compile(rb'"choices"[ \t]*:[ \t]*\[[ \t]*\]')
_USAGE = b'completion_tokens"'
_ERROR = b'"error"'
_DONE = b"[DONE]"
_DATA_LINE = b"\ndata:"


def event_data(event: bytes) -> bytes:
    """The payload of one event: its data lines joined (WHATWG HTML section 9.2.6)."""
    if b"\r" in event:
        event = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return b"\n".join(_DATA.findall(event))


def chunk(payload: bytes) -> bytes:
    """`payload` framed as one HTTP/1.1 chunk."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


class EventRelay:
    """One streamed answer in OpenAI's format. Feed it what arrives; send on what it returns.

    `drop_usage`: the usage event was our wish, not the client's, and is taken out again.
    After each feed: `committed` (the client may hold a part), `done` (the `[DONE]` event was seen),
    `ended` (the upstream's body is complete), `excess` (bytes follow that belong to no answer: the connection
    is out of step), `usage_event` (the last event with usage), `error_event` (data of an error the upstream
    sent in-band), `events` (data lines passed on). Nothing after `[DONE]` or an error is passed on.
    Raises UpstreamSyntax for framing that is not HTTP and for events longer than the format's bound.
    """

    last_event = "[DONE]"
    """What ends an answer, for messages."""
    sequence = 0
    """The number of an event that follows those passed on, in formats that number them."""
    _end = _DONE
    _usage = _USAGE
    _each = _DATA_LINE
    _most = MAX_EVENT

    __slots__ = (
        "_chunked_in",
        "_chunked_out",
        "_drop_usage",
        "_held",
        "_needed",
        "_partial",
        "_raw",
        "committed",
        "done",
        "ended",
        "error_event",
        "events",
        "excess",
        "usage_event",
    )

    def __init__(self, *, chunked_in: bool, chunked_out: bool, drop_usage: bool) -> None:
        self._chunked_in = chunked_in
        self._chunked_out = chunked_out
        self._drop_usage = drop_usage
        self._raw = bytearray()  # of a chunk that is not whole yet
        self._needed = 0  # bytes of it without which looking at it again is in vain
        self._partial = bytearray()  # of an event that is not whole yet
        self._held = b""  # whole events before the commit point
        self.committed = False
        self.done = False
        self.ended = False
        self.excess = False
        self.usage_event = b""
        self.error_event = b""
        self.events = 0

    def feed(self, data: bytes) -> bytes:
        """What the client gets for `data`; empty while everything is held."""
        if not self._chunked_in:
            return self._events(data)
        if self._raw:
            self._raw += data
            if len(self._raw) < self._needed:
                return b""
            data = bytes(self._raw)
            self._raw = bytearray()
        if self.committed and self._chunked_out and not self._partial and self._all_plain(data):
            self.events += data.count(self._each)
            if self._usage in data:
                self._note_usage(data)
            return data
        return self._events(self._unframe(data))

    def end_of_input(self) -> bytes:
        """The upstream closed; `ended` says whether that completes the body."""
        if not self._chunked_in:
            self.ended = True
        return b""

    def _all_plain(self, data: bytes) -> bool:
        """Whether `data` is whole chunks of whole events and nothing else, with none that must be judged."""
        if self._end in data or _ERROR in data or (self._drop_usage and self._usage in data):
            return False
        if self.done or self.error_event:
            return False
        pos, size, match_chunk = 0, len(data), _PLAIN_CHUNK.match
        while pos < size:
            match = match_chunk(data, pos)
            if match is None:
                return False
            pos = match.end() + int(match[1], 16) + 2
            if not data.startswith(b"\n\n\r\n", pos - 4):
                return False
        return True

    def _unframe(self, data: bytes) -> bytes:
        """The payload of the whole chunks in `data`; the rest is kept for the next feed."""
        pos, size = 0, len(data)
        self._needed = 0
        payload: list[bytes] = []
        while pos < size and not self.ended:
            eol = data.find(b"\r\n", pos, pos + MAX_CHUNK_LINE)
            if eol < 0:
                if size - pos > MAX_CHUNK_LINE:
                    raise UpstreamSyntax("a chunk's size line is too long")
                break
            try:
                length = chunk_size(data[pos:eol])
            except ChunkSyntax as error:
                raise UpstreamSyntax(str(error)) from None
            if length > self._most:
                raise UpstreamSyntax(f"a chunk is larger than {self._most >> 20} MiB")
            if length == 0:
                if data[eol + 2 : eol + 4] == b"\r\n":
                    self.ended = True
                    pos = eol + 4
                elif (last := data.find(b"\r\n\r\n", eol)) >= 0:
                    self.ended = True
                    pos = last + 4
                elif size - eol > MAX_HEAD:
                    raise UpstreamSyntax("the trailers are too long")
                break
            end = eol + 2 + length
            if end + 2 > size:
                self._needed = end + 2 - pos
                break
            if data[end : end + 2] != b"\r\n":
                raise UpstreamSyntax("a chunk is not followed by CRLF")
            payload.append(data[eol + 2 : end])
            pos = end + 2
        if self.ended:
            self.excess = pos < size
        else:
            self._raw = bytearray(data[pos:])
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _events(self, payload: bytes) -> bytes:
        """Split off whole events, judge each, and return what may be sent, framed for the client."""
        if self.done or self.error_event:
            return b""
        seen = 0
        if self._partial:
            seen = max(len(self._partial) - 3, 0)  # an event's end may have begun there
            self._partial += payload
            if _BOUNDARY.search(self._partial, seen) is None and len(self._partial) <= self._most:
                return b""
            payload = bytes(self._partial)
            self._partial = bytearray()
        out: list[bytes] = []
        pos = 0
        for boundary in _BOUNDARY.finditer(payload, seen):
            event = payload[pos : boundary.end()]
            pos = boundary.end()
            if passed := self._pass(event):
                out.append(passed)
            if self.done or self.error_event:
                break
        else:
            self._partial = bytearray(payload[pos:])
            if len(self._partial) > self._most:
                raise UpstreamSyntax(f"an event is longer than {self._most >> 20} MiB")
        return self._released(b"".join(out))

    def _released(self, passed: bytes) -> bytes:
        """What may go out now of what passed: nothing before the commit point, then all of it, framed."""
        if not self.committed:
            self._held += passed
            if len(self._held) <= MAX_HELD:
                return b""
            self.committed = True
            passed = b""
        if self._held:
            passed = self._held + passed
            self._held = b""
        return chunk(passed) if self._chunked_out else passed

    def tokens(self) -> Tokens | None:
        """The usage that the stream reported last; None where it reported none."""
        if not self.usage_event:
            return None
        answer = read_answer(event_data(self.usage_event))
        return None if answer is None else answer.tokens

    def _pass(self, event: bytes) -> bytes:
        """Note what an event says; what the client gets of it."""
        if _DONE in event and event_data(event).strip() == _DONE:
            self.done = True
            self.committed = True
            return event
        if _ERROR in event:
            data = event_data(event)
            if is_error(data):
                self.error_event = data
                if _USAGE in event:
                    self.usage_event = event
                return b""
        if _USAGE in event:
            self.usage_event = event
            if _EMPTY_CHOICES.search(event) is not None:
                return b"" if self._drop_usage else event
        if not self.committed and _COMMITS.search(event) is not None:
            self.committed = True
        if self.committed and b"data:" in event:
            self.events += (b"\n" + event).count(_DATA_LINE) or 1
        return event

    def _note_usage(self, data: bytes) -> None:
        """Keep the last event with usage of whole chunks that pass on as they are."""
        at = data.rfind(self._usage)
        start = data.rfind(_DATA_LINE, 0, at) + 1
        self.usage_event = data[start : data.find(b"\n\n", at) + 2]
