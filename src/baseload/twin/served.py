"""A twin's own count of what it served: the other side of every reconciliation."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct


class Outcome(StrEnum):
    """How a request ended, seen from the twin."""

    OPEN = "open"  # still being served
    FINISHED = "finished"  # the whole answer was written
    CANCELLED = "cancelled"  # the client went away first
    FAULTED = "faulted"  # a scripted fault ended or spoiled it
    REFUSED = "refused"  # an honest 4xx: bad request, unknown model, quota


class Served(Struct):
    """One request as the twin saw it.

    `output` is what was produced, `delivered` what of it was written to the client; `sent` whether any byte
    of an answer was. `id` is the client's `x-request-id` if it sent one; `serial` counts from 1.
    """

    serial: int
    id: str
    path: str
    model: str
    stream: bool
    began_unix_s: float
    input: int = 0
    cached: int = 0
    output: int = 0
    delivered: int = 0
    status: int = 0
    outcome: Outcome = Outcome.OPEN
    fault: str | None = None
    sent: bool = False
    took_s: float = 0.0


class Totals(Struct):
    """Sums over every request that ended, kept ones and forgotten ones alike."""

    requests: int = 0
    input: int = 0
    output: int = 0
    finished: int = 0
    cancelled: int = 0
    faulted: int = 0
    refused: int = 0


class Count(Struct):
    """What `GET /twin/served` answers: totals, the last requests that ended, those still open."""

    totals: Totals
    requests: list[Served]
    open: list[Served]


class Record:
    """Keeps totals for ever, the last `keep` requests, and a line per ended request in `file`."""

    def __init__(self, file: Path | None = None, keep: int = 100_000) -> None:
        self.totals = Totals()
        self.open: dict[int, Served] = {}
        self._ended: deque[Served] = deque(maxlen=keep)
        # Unbuffered append: each line is one write, so that a kill loses none that was ended.
        self._file: IO[bytes] | None = None if file is None else file.open("ab", buffering=0)

    def begin(self, served: Served) -> None:
        """A request was read."""
        self.open[served.serial] = served

    def end(self, served: Served, outcome: Outcome, took_s: float) -> None:
        """A request is over; a second end of the same request changes nothing."""
        if self.open.pop(served.serial, None) is None:
            return
        served.outcome, served.took_s = outcome, took_s
        totals = self.totals
        totals.requests += 1
        totals.input += served.input
        totals.output += served.output
        setattr(totals, outcome.value, getattr(totals, outcome.value) + 1)
        self._ended.append(served)
        if self._file is not None:
            self._file.write(msgspec.json.encode(served) + b"\n")

    def count(self) -> Count:
        """Everything counted so far, as a copy."""
        return msgspec.convert(
            msgspec.to_builtins(Count(self.totals, list(self._ended), list(self.open.values()))), Count
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
