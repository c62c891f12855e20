"""Where answers are kept: the interface, and the store in this process's memory.

Times are seconds of the monotonic clock, passed in. Nothing here knows who may have an answer: a key is made
from all that decides it (`rules.request_key`), and who finds one looks at it again (`hits`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

ENTRY_SHARE = 8
"""One answer takes at most an eighth of the store: more would push out all the others."""
ENTRY_BYTES = 1024
"""What an entry takes besides its body and header lines: key, names, figures, its places in the orders."""
SWEPT_AT_ONCE = 1000
"""Expired answers let go of in one sweep: it must hold up nobody."""


class Kept(Struct, frozen=True, gc=False):
    """An answer, with all that says whether it may be given again.

    `maker` identifies the target as it was then. `lines` are the header lines that tell how the answer was
    made; `body` is what followed the head, with a stream's framing. `cost_nano` is what it cost, None where
    that is not known.
    """

    tenant: str
    data_class: str
    model: str
    target: str
    maker: bytes
    stream: bool
    lines: bytes
    body: bytes
    cost_nano: int | None
    made_s: float
    ttl_s: float

    @property
    def size(self) -> int:
        """Bytes it takes in memory, by the books of this store."""
        return len(self.body) + len(self.lines) + ENTRY_BYTES


class AnswerStore(Protocol):
    """What a store can do. `find` may answer later, so that one across a network can stand in here.

    `evictions` counts by cause: `expired`, `room`, `reload`; `too_large` what was not kept for want of room;
    `held_bytes` are those of all answers here.
    """

    held_bytes: int
    evictions: dict[str, int]
    too_large: int

    def __len__(self) -> int:
        """Answers kept here."""

    @property
    def longest(self) -> int:
        """Bytes of the largest answer that is kept, as `Kept.size` counts them."""

    def resize(self, size: int, entries: int) -> None:
        """New bounds, in force at once."""

    def find(self, key: bytes, now_s: float, then: Callable[[Kept | None], None]) -> None:
        """Calls `then` once with the answer kept under the key, None where there is none that holds yet."""

    def keep(self, key: bytes, kept: Kept) -> None:
        """Keeps an answer in the place of any other under this key; other ones may make room for it."""

    def retain(self, wanted: Callable[[Kept], bool]) -> None:
        """Lets go of every answer that is not wanted any more."""

    def sweep(self, now_s: float) -> None:
        """Lets go of what has expired; called about once a second."""


class MemoryStore:
    """Answers in memory: at most `size` bytes and `entries` of them, the least recently used go first."""

    def __init__(self, size: int, entries: int) -> None:
        self.held_bytes = 0
        self.evictions = {"expired": 0, "room": 0, "reload": 0}
        self.too_large = 0
        self._size = size
        self._entries = entries
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()  # the least recently used first
        self._made: dict[float, OrderedDict[bytes, None]] = {}  # by TTL, the oldest first

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def longest(self) -> int:
        return self._size // ENTRY_SHARE

    def resize(self, size: int, entries: int) -> None:
        self._size, self._entries = size, entries
        self._make_room()

    def find(self, key: bytes, now_s: float, then: Callable[[Kept | None], None]) -> None:
        kept = self._kept.get(key)
        if kept is not None and now_s - kept.made_s >= kept.ttl_s:
            self._drop(key, "expired")
            kept = None
        if kept is not None:
            self._kept.move_to_end(key)
        then(kept)

    def keep(self, key: bytes, kept: Kept) -> None:
        if kept.size > self.longest:
            self.too_large += 1
            return
        if key in self._kept:
            self._drop(key, None)
        self._kept[key] = kept
        self._made.setdefault(kept.ttl_s, OrderedDict())[key] = None
        self.held_bytes += kept.size
        self._make_room()

    def retain(self, wanted: Callable[[Kept], bool]) -> None:
        for key in [key for key, kept in self._kept.items() if not wanted(kept)]:
            self._drop(key, "reload")

    def sweep(self, now_s: float) -> None:
        left = SWEPT_AT_ONCE
        for ttl_s, keys in tuple(self._made.items()):
            while keys and left and now_s - self._kept[key := next(iter(keys))].made_s >= ttl_s:
                self._drop(key, "expired")
                left -= 1

    def _make_room(self) -> None:
        while self._kept and (self.held_bytes > self._size or len(self._kept) > self._entries):
            self._drop(next(iter(self._kept)), "room")

    def _drop(self, key: bytes, cause: str | None) -> None:
        kept = self._kept.pop(key)
        self.held_bytes -= kept.size
        keys = self._made[kept.ttl_s]
        del keys[key]
        if not keys:
            del self._made[kept.ttl_s]
        if cause is not None:
            self.evictions[cause] += 1
