"""Joins the records of one writer: begins wait in memory for their ends. Pure, apart from its own state."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import msgspec

from baseload.ledger.booking import Row, begin_row, end_row
from baseload.ledger.record import Begin, End, Fleet, Refusal, decode
from baseload.ledger.segment import HEADER

MAX_WAITING = 20_000
"""Begins that wait in memory for their ends, per writer."""


class Place(NamedTuple):
    """A place in a writer's journal: a segment's sequence and an offset in it."""

    sequence: int
    at: int


class Batch:
    """Records sorted by what has to be done with them."""

    def __init__(self) -> None:
        self.whole: list[Row] = []
        self.late_ends: list[End] = []
        self.refusals: list[Refusal] = []
        self.fleets: list[Fleet] = []
        self.unreadable: list[tuple[int, int, str]] = []  # offset, bytes, why


class _Waiting(NamedTuple):
    row: Row
    began_ns: int
    sequence: int
    at: int


class Joiner:
    """What one writer wrote, read in order; `place` is where reading goes on."""

    def __init__(self, writer: str, place: Place) -> None:
        self.writer = writer
        self.sequence, self.at = place
        self._waiting: dict[tuple[str, int], _Waiting] = {}

    @property
    def booked(self) -> Place:
        """Everything before this place is booked once the batches so far are: a restart reads from here."""
        for oldest in self._waiting.values():
            return Place(oldest.sequence, oldest.at)
        return Place(self.sequence, self.at)

    @property
    def oldest_ns(self) -> int | None:
        """When the longest waiting begin was written."""
        for oldest in self._waiting.values():
            return oldest.began_ns
        return None

    def next_segment(self, sequence: int) -> None:
        """Goes on at the beginning of another segment."""
        self.sequence, self.at = sequence, HEADER.size

    def take(self, payloads: list[bytes], ends: list[int], batch: Batch) -> None:
        """Sorts the records of consecutive frames into `batch`; `ends` are the offsets behind each."""
        waiting = self._waiting
        for payload, behind in zip(payloads, ends, strict=True):
            try:
                record = decode(payload)
            except msgspec.DecodeError as error:  # a sound frame, so what follows it is sound too
                batch.unreadable.append((self.at, behind - self.at, f"a frame holds no record: {error}"))
                self.at = behind
                continue
            if type(record) is End:
                begun = waiting.pop((record.request_id, record.attempt), None)
                if begun is None:
                    batch.late_ends.append(record)
                else:
                    batch.whole.append(begun.row + end_row(record))
            elif type(record) is Begin:
                key = (record.request_id, record.attempt)
                waiting[key] = _Waiting(begin_row(record), record.at_ns, self.sequence, self.at)
            elif type(record) is Refusal:
                batch.refusals.append(record)
            elif type(record) is Fleet:
                batch.fleets.append(record)
            self.at = behind

    def pop_running(self, before_ns: int) -> list[Row]:
        """Takes out of memory the begins written before then, and of the others the oldest that are too many.

        They must be booked as running in the same transaction as the batch.
        """
        surplus = len(self._waiting) - MAX_WAITING
        count = 0
        for waiting in self._waiting.values():
            if waiting.began_ns >= before_ns and count >= surplus:
                break
            count += 1
        keys = list(islice(self._waiting, count))
        return [self._waiting.pop(key).row for key in keys]

    def pop_all(self) -> list[Row]:
        """Takes every begin that still waits out of memory."""
        rows = [waiting.row for waiting in self._waiting.values()]
        self._waiting.clear()
        return rows
