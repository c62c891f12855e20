"""Joins the records of one writer: begins wait in memory for their ends. Pure, apart from its own state."""

from __future__ import annotations

from itertools import islice
from typing import Generic, NamedTuple, TypeVar

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


class Spot(NamedTuple):
    """Where a frame is: its segment's sequence, its offset, and its length."""

    sequence: int
    at: int
    bytes: int


RecordT = TypeVar("RecordT")


class Placed(NamedTuple, Generic[RecordT]):
    """A record and where it was read."""

    record: RecordT
    spot: Spot


class Begun(NamedTuple):
    """A begin that waits for its end, as the row to be booked."""

    row: Row
    began_ns: int
    spot: Spot


class Ended(NamedTuple):
    """An end; `row` is what it adds to its begin's."""

    record: End
    row: Row
    spot: Spot


class Batch:
    """Records sorted by what has to be done with them."""

    def __init__(self) -> None:
        self.whole: list[tuple[Begun, Ended]] = []
        self.late_ends: list[Placed[End]] = []
        self.refusals: list[Placed[Refusal]] = []
        self.fleets: list[Placed[Fleet]] = []
        self.unreadable: list[tuple[Spot, str]] = []


class Joiner:
    """What one writer wrote, read in order; `place` is where reading goes on."""

    def __init__(self, writer: str, place: Place) -> None:
        self.writer = writer
        self.sequence, self.at = place
        self._waiting: dict[tuple[str, int], Begun] = {}

    @property
    def booked(self) -> Place:
        """Everything before this place is booked once the batches so far are: a restart reads from here."""
        for oldest in self._waiting.values():
            return Place(oldest.spot.sequence, oldest.spot.at)
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
            spot = Spot(self.sequence, self.at, behind - self.at)
            self.at = behind
            try:
                record = decode(payload)
            except msgspec.DecodeError as error:  # a sound frame, so what follows it is sound too
                batch.unreadable.append((spot, f"a frame holds no record: {error}"))
                continue
            if type(record) is End:
                begun = waiting.pop((record.request_id, record.attempt), None)
                if begun is None:
                    batch.late_ends.append(Placed(record, spot))
                else:
                    batch.whole.append((begun, Ended(record, end_row(record), spot)))
            elif type(record) is Begin:
                key = (record.request_id, record.attempt)
                waiting[key] = Begun(begin_row(record), record.at_ns, spot)
            elif type(record) is Refusal:
                batch.refusals.append(Placed(record, spot))
            elif type(record) is Fleet:
                batch.fleets.append(Placed(record, spot))

    def pop_running(self, before_ns: int) -> list[Begun]:
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
        return [self._waiting.pop(key) for key in keys]

    def pop_all(self) -> list[Begun]:
        """Takes every begin that still waits out of memory."""
        begins = list(self._waiting.values())
        self._waiting.clear()
        return begins
