"""Google's other framing of a stream, without alt=sse: one JSON array that grows an object at a time."""

from __future__ import annotations

import re

MAX_ITEM = 1024 * 1024
"""Bytes of one object; a longer one is a broken upstream."""

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')


class ArraySplitter:
    """Takes an array's bytes in any pieces and gives its objects; an object on its own is taken too.

    `most`: bytes of one object. `ended`: the array is closed.
    Raises ValueError for what is no array of objects.
    """

    def __init__(self, most: int = MAX_ITEM) -> None:
        self.ended = False
        self._most = most
        self._held = bytearray()
        self._at = 0  # looked at so far
        self._depth = 0  # of the object that has begun
        self._quoted = False
        self._begun = False  # the array's bracket was seen

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that are whole now."""
        self._held += data
        items: list[bytes] = []
        while (found := self._next()) is not None:
            if self._quoted or found == ord('"'):
                self._quoted = not self._quoted
                if self._depth == 0:
                    raise ValueError("the array holds something other than objects")
            elif found in b"{[":
                self._enter(found)
            else:
                self._leave(found, items)
        if self._depth == 0:
            self._skip(len(self._held))
        elif len(self._held) > self._most:
            raise ValueError(f"an object of the array is longer than {self._most >> 20} MiB")
        return items

    def _next(self) -> int | None:
        """The next byte that matters, which is passed; None where more must come first."""
        while True:
            match = (_INSIDE if self._quoted else _OUTSIDE).search(self._held, self._at)
            if match is None:
                self._at = len(self._held)
                return None
            if match[0] != b"\\":
                self._at = match.end()
                return match[0][0]
            if match.end() >= len(self._held):
                self._at = match.start()
                return None
            self._at = match.end() + 1

    def _enter(self, found: int) -> None:
        if self._depth == 0 and found == ord("["):
            if self._begun or self.ended:
                raise ValueError("the array holds something other than objects")
            self._begun = True
            self._skip(self._at)
            return
        if self._depth == 0:
            if self.ended:
                raise ValueError("something follows the array")
            self._skip(self._at - 1)
            self._at = 1
        self._depth += 1

    def _leave(self, found: int, items: list[bytes]) -> None:
        if self._depth == 0:
            if found != ord("]") or not self._begun or self.ended:
                raise ValueError("a bracket closes that was not opened")
            self.ended = True
            return
        self._depth -= 1
        if self._depth == 0:
            items.append(bytes(self._held[: self._at]))
            self._skip(self._at)

    def _skip(self, to: int) -> None:
        del self._held[:to]
        self._at = 0
