"""Follows every writer's journal and books what it says.

Begins are joined with ends and booked in one transaction together with how far the journal was read; segments
that are booked and safe on disk are removed. It can be cut off anywhere and begun again.

    begin ──► waits in memory ──► end: booked whole
                    │ after OPEN_AFTER_S, or too many: booked as running ──► end: completed
                    └ its writer's locks are free and all is read: unknown, charged at its reservation

A damaged frame ends the reading of its segment: what was before it is booked, the rest is reported in the
table `damage` and the file is kept in `damaged/`. A sound frame whose record the store refuses is reported
likewise, and costs nothing else (`salvage`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from baseload.ledger.booking import Books
from baseload.ledger.database import connect
from baseload.ledger.hours import HOUR_NS
from baseload.ledger.join import Batch, Begun, Joiner, Place, Spot
from baseload.ledger.record import MAJOR, MINOR
from baseload.ledger.salvage import REFUSALS, Salvage
from baseload.ledger.segment import (
    HEADER,
    Stop,
    frame_behind,
    parse_header,
    scan,
    segment_name,
    writer_and_sequence,
)

OPEN_AFTER_NS = 5_000_000_000
CHUNK_BYTES = 512 * 1024
"""Read and booked at once, at most; several times the longest frame."""

DAMAGED = "damaged"
_STALE_UNFINISHED_S = 60.0


class _Writer:
    """One writer's journal: what was read of it, and whether its process lives."""

    def __init__(self, name: str, place: Place) -> None:
        self.joiner = Joiner(name, place)
        self.saved = place
        self.alive = True
        self.finished = False  # dead, read to the end, nothing left open


class Follower:
    """One pass after another over a journal's directory; `now_ns` is the wall clock.

    Whatever a pass raises (sqlite3.OperationalError for a locked or full database, OSError), nothing is lost:
    throw the object away and begin with a new one.
    """

    def __init__(
        self,
        directory: Path,
        store: Path,
        *,
        keep_segments: int = 0,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._directory = directory
        self._keep = keep_segments
        self._now_ns = now_ns
        self._db = connect(store)
        self._books = Books(self._db)
        self._hours_due_ns = 0
        self._writers = {
            name: _Writer(name, Place(sequence, at))
            for name, sequence, at in self._db.execute("SELECT writer, sequence, at FROM writers")
        }

    def close(self) -> None:
        """Lets go of the store."""
        self._db.close()

    def run_pass(self) -> bool:
        """Books what the journal holds by now; whether any writer is alive."""
        found = self._segments()
        for name, segments in found.items():
            writer = self._writers.get(name)
            if writer is None:
                writer = self._writers[name] = _Writer(name, Place(min(segments), HEADER.size))
            if not any(is_locked(path) for path in segments.values()):
                writer.alive = False
                segments = self._segments().get(name, {})  # with what it made before it died
            self._follow(writer, segments)
        self._forget_writers_without_files(found)
        self._close_hours()
        return any(writer.alive for writer in self._writers.values())

    def _segments(self) -> dict[str, dict[int, Path]]:
        """Segment files by writer and sequence."""
        found: dict[str, dict[int, Path]] = {}
        for entry in sorted(os.listdir(self._directory)):
            if (parsed := writer_and_sequence(entry)) is not None:
                writer, sequence = parsed
                found.setdefault(writer, {})[sequence] = self._directory / entry
            elif entry.endswith(".new"):
                _remove_if_stale(self._directory / entry)
        return found

    # ── reading one writer's journal ───────────────────────────────────────────────────────────────────────

    def _follow(self, writer: _Writer, segments: dict[int, Path]) -> None:
        """Reads on through a writer's segments as far as they go, then tidies up behind."""
        joiner = writer.joiner
        while (path := segments.get(joiner.sequence)) is not None and self._read(writer, path):
            behind = joiner.sequence + 1
            following = min((sequence for sequence in segments if sequence >= behind), default=behind)
            if following > behind:
                self._report(
                    path.name, joiner.at, 0, f"segments {behind} to {following - 1} behind it are missing"
                )
            joiner.next_segment(following)
        self._settle(writer)
        self._remove_booked(writer, segments)

    def _read(self, writer: _Writer, path: Path) -> bool:
        """Books the rest of a segment; whether it is done with (else its writer may write more)."""
        joiner = writer.joiner
        complete = not writer.alive or not is_locked(path)
        with path.open("rb", buffering=0) as file:
            header = parse_header(os.pread(file.fileno(), HEADER.size, 0))
            if header is None:
                return self._damaged(joiner, path, "the header is damaged")
            if header.major != MAJOR or header.minor > MINOR:
                return self._damaged(
                    joiner, path, f"version {header.major}.{header.minor} cannot be read here"
                )
            while True:
                base = joiner.at
                data = os.pread(file.fileno(), CHUNK_BYTES, base)
                payloads, ends, stop = scan(data)
                batch = Batch()
                joiner.take(payloads, [base + behind for behind in ends], batch)
                if payloads:
                    self._book(writer, batch)
                if stop is not Stop.SHORT or len(data) < CHUNK_BYTES:
                    break
        if stop is Stop.SEALED:
            return True
        return complete and self._reached_end(joiner, path, stop)

    def _reached_end(self, joiner: Joiner, path: Path, stop: Stop) -> bool:
        """Decides whether the end of a segment nobody writes any more is its true end; it is done with."""
        if stop is Stop.BAD:
            return self._damaged(joiner, path, "a frame's checksum is wrong")
        if stop is Stop.SHORT:
            return self._damaged(joiner, path, "the file is cut short")
        rest = path.read_bytes()[joiner.at + 4 :]
        lost = frame_behind(rest)
        if lost is not None:
            return self._damaged(joiner, path, f"frames follow behind a gap of {lost + 4} bytes")
        return True  # at most a frame that was being written when its writer died: never acknowledged

    def _damaged(self, joiner: Joiner, path: Path, what: str) -> bool:
        self._report(path.name, joiner.at, path.stat().st_size - joiner.at, what)
        return True

    def _report(self, segment: str, at: int, size: int, what: str) -> None:
        with _transaction(self._db):
            self._books.damage(segment, at, size, what, self._now_ns())

    # ── booking ────────────────────────────────────────────────────────────────────────────────────────────

    def _book(self, writer: _Writer, batch: Batch) -> None:
        joiner = writer.joiner
        running = joiner.pop_running(self._now_ns() - OPEN_AFTER_NS)
        try:
            with _transaction(self._db):
                self._book_at_once(writer, batch, running)
        except REFUSALS:
            with _transaction(self._db):
                self._salvage(joiner).batch(batch, running)
                self._book_rest(writer, batch)
        writer.saved = joiner.booked
        if batch.fleets:
            self._hours_due_ns = 0

    def _book_at_once(self, writer: _Writer, batch: Batch, running: list[Begun]) -> None:
        books = self._books
        books.whole([begun.row + ended.row for begun, ended in batch.whole])
        books.open([begun.row for begun in running], writer.joiner.writer)
        for end in batch.late_ends:
            books.end(end.record)
        books.refusals([refusal.record for refusal in batch.refusals])
        books.fleets([fleet.record for fleet in batch.fleets])
        self._book_rest(writer, batch)

    def _book_rest(self, writer: _Writer, batch: Batch) -> None:
        joiner = writer.joiner
        for spot, why in batch.unreadable:
            self._report_frame(joiner, spot, why)
        self._books.position(joiner.writer, *joiner.booked)

    def _salvage(self, joiner: Joiner) -> Salvage:
        return Salvage(
            self._db, self._books, joiner.writer, lambda spot, why: self._report_frame(joiner, spot, why)
        )

    def _report_frame(self, joiner: Joiner, spot: Spot, why: str) -> None:
        segment = segment_name(joiner.writer, spot.sequence)
        self._books.damage(segment, spot.at, spot.bytes, why, self._now_ns())

    def _settle(self, writer: _Writer) -> None:
        """Books begins that wait too long; all that are open, as unknown, once the writer is dead."""
        joiner = writer.joiner
        if not writer.alive and not writer.finished:
            begins = joiner.pop_all()
            try:
                with _transaction(self._db):
                    self._books.open([begun.row for begun in begins], joiner.writer)
                    self._give_up(joiner)
            except REFUSALS:
                with _transaction(self._db):
                    self._salvage(joiner).running(begins)
                    self._give_up(joiner)
            writer.saved = joiner.booked
            writer.finished = True
        oldest_ns = joiner.oldest_ns
        waits_too_long = oldest_ns is not None and oldest_ns < self._now_ns() - OPEN_AFTER_NS
        if waits_too_long or writer.saved != joiner.booked:
            self._book(writer, Batch())

    def _give_up(self, joiner: Joiner) -> None:
        self._books.give_up(joiner.writer)
        self._books.position(joiner.writer, *joiner.booked)

    def _close_hours(self) -> None:
        now_ns = self._now_ns()
        if now_ns >= self._hours_due_ns:
            with _transaction(self._db):
                self._books.close_hours(now_ns)
            self._hours_due_ns = now_ns + HOUR_NS // 60

    # ── tidying up ─────────────────────────────────────────────────────────────────────────────────────────

    def _remove_booked(self, writer: _Writer, segments: dict[int, Path]) -> None:
        """Removes segments that are booked, once the database itself has them; sets damaged ones aside."""
        booked = [path for sequence, path in sorted(segments.items()) if sequence < writer.saved.sequence]
        if len(booked) <= self._keep or not self._checkpoint():
            return
        damaged = {name for (name,) in self._db.execute("SELECT segment FROM damage WHERE bytes > 0")}
        for path in booked[: len(booked) - self._keep]:
            if path.name in damaged:
                (self._directory / DAMAGED).mkdir(mode=0o700, exist_ok=True)
                path.rename(self._directory / DAMAGED / path.name)
            else:
                path.unlink(missing_ok=True)

    def _checkpoint(self) -> bool:
        """Brings the write-ahead log into the database file and to disk; False if a reader is in the way."""
        _busy, written, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(written == moved)

    def _forget_writers_without_files(self, found: dict[str, dict[int, Path]]) -> None:
        for name in [name for name in self._writers if name not in found]:
            writer = self._writers.pop(name)
            writer.alive = False
            self._settle(writer)
            with _transaction(self._db):
                self._books.forget(name)


def is_locked(path: Path) -> bool:
    """Whether the process that writes this segment lives."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _remove_if_stale(path: Path) -> None:
    """Removes a segment whose making was cut off by its process's death."""
    try:
        old = time.time() - path.stat().st_mtime > _STALE_UNFINISHED_S
    except FileNotFoundError:
        return
    if old and not is_locked(path):
        path.unlink(missing_ok=True)
