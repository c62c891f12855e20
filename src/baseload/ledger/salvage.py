"""Books a batch record by record, after the store refused it as a whole.

One record that does not fit its columns (a count beyond 64 bits, say) must not hold up all that follow it:
the others are booked, that one is reported in the table `damage` with the reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from baseload.ledger.booking import Books
from baseload.ledger.join import Batch, Begun, Ended, Spot

REFUSALS = (
    OverflowError,
    UnicodeEncodeError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What the store raises for a record that it does not take; all else concerns the store itself."""


class Salvage:
    """Books one by one, within a transaction that the caller opens and commits.

    `report` is told of each refused record: where it is, and why.
    """

    def __init__(
        self, connection: sqlite3.Connection, books: Books, writer: str, report: Callable[[Spot, str], None]
    ) -> None:
        self._db = connection
        self._books = books
        self._writer = writer
        self._report = report

    def batch(self, batch: Batch, running: Sequence[Begun]) -> None:
        """Books what can be booked of a batch, and of begins that wait too long."""
        books = self._books
        for begun, ended in batch.whole:
            self._attempt(begun, ended)
        self.running(running)
        for end in batch.late_ends:
            self._one(end.spot, partial(books.end, end.record))
        for refusal in batch.refusals:
            self._one(refusal.spot, partial(books.refusals, [refusal.record]))
        for fleet in batch.fleets:
            self._one(fleet.spot, partial(books.fleets, [fleet.record]))

    def running(self, begins: Sequence[Begun]) -> None:
        """Books begins as running."""
        for begun in begins:
            self._one(begun.spot, partial(self._open, begun))

    def _attempt(self, begun: Begun, ended: Ended) -> None:
        """Books an attempt whole, else its begin alone (unknown, once its writer is dead), else its end."""
        books = self._books
        why = self._refused(partial(books.whole, [begun.row + ended.row]))
        if why is None:
            return
        if self._refused(partial(self._open, begun)) is None:
            self._report(ended.spot, why)
        else:
            self._report(begun.spot, why)
            self._one(ended.spot, partial(books.end, ended.record))

    def _open(self, begun: Begun) -> None:
        self._books.open([begun.row], self._writer)

    def _one(self, spot: Spot, book: Callable[[], None]) -> None:
        why = self._refused(book)
        if why is not None:
            self._report(spot, why)

    def _refused(self, book: Callable[[], None]) -> str | None:
        """Does it all or not at all; why not."""
        self._db.execute("SAVEPOINT one")
        try:
            book()
        except REFUSALS as error:
            self._db.execute("ROLLBACK TO one")
            return f"the store refuses the record: {error}"
        finally:
            self._db.execute("RELEASE one")
        return None
