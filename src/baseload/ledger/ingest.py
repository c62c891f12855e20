"""Moves the journal into the store: `python -m baseload.ledger.ingest JOURNAL_DIR STORE`.

A process of its own, so that a slow or broken database never holds up a request. The gateway starts it with
`launch.start_ingest` and holds the other end of its standard input: when the gateway dies, by kill -9 too,
that pipe closes; ingest makes its last passes, now with the dead writer's lock free, and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from baseload.errors import BaseloadError, EnvironmentProblem
from baseload.ledger.follow import Follower

POLL_S = 0.2
RETRY_S = 1.0
LINGER_S = 5.0
"""How long ingest waits, once told to end, for writers that still live."""


@contextmanager
def sole_ingest(store: Path) -> Iterator[bool]:
    """Holds the lock that one ingest of a store has at a time; yields whether it was free."""
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(f"{store}.ingest", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def ingest_once(directory: Path, store: Path) -> bool:
    """Books what the journal holds now; False if a running ingest does that anyway."""
    with sole_ingest(store) as free:
        if free:
            with closing(Follower(directory, store)) as follower:
                follower.run_pass()
        return free


BEHIND_THE_GATEWAY = 15
"""Added to the nice value beside a gateway: on a shared core requests come first, reports can wait."""


class _Service:
    """The loop of the process: a pass, a pause, until told to end."""

    def __init__(self, directory: Path, store: Path, keep_segments: int, parent: bool) -> None:
        self._directory, self._store, self._keep = directory, store, keep_segments
        self._inputs = [sys.stdin.fileno()] if parent else []
        self._ending_since: float | None = None
        self._follower: Follower | None = None
        self._complaint = ""

    def end(self, *_signal: object) -> None:
        """Asks for the last passes."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()

    def run(self) -> int:
        """Follows the journal until told to end; the exit code."""
        while True:
            ending_since = self._ending_since
            alive = self._pass()
            if ending_since is not None:
                if alive is False:
                    return 0
                if time.monotonic() - ending_since > LINGER_S:
                    return 0 if alive else EnvironmentProblem.exit_code
            self._pause(POLL_S if alive is not None else RETRY_S)

    def _pass(self) -> bool | None:
        """Whether any writer lives; None if the pass failed in a way that may pass."""
        try:
            if self._follower is None:
                self._follower = Follower(self._directory, self._store, keep_segments=self._keep)
            alive = self._follower.run_pass()
        except (sqlite3.OperationalError, OSError) as error:
            if str(error) != self._complaint:
                _say(f"cannot book the journal, trying again: {error}")
            self._complaint = str(error)
            if self._follower is not None:
                self._follower.close()
                self._follower = None
            return None
        if self._complaint:
            _say("booking the journal again")
            self._complaint = ""
        return alive

    def _pause(self, seconds: float) -> None:
        if self._ending_since is not None:
            time.sleep(POLL_S / 4)
            return
        readable, _, _ = select.select(self._inputs, [], [], seconds)
        if readable and not os.read(self._inputs[0], 4096):
            self._inputs = []
            self.end()


def _say(message: str) -> None:
    print(f"baseload ledger ingest: {message}", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """The process; returns its exit code."""
    parser = argparse.ArgumentParser("python -m baseload.ledger.ingest", description="Book a journal.")
    parser.add_argument("directory", type=Path, help="the journal's directory")
    parser.add_argument("store", type=Path, help="the SQLite database, made if missing")
    parser.add_argument("--once", action="store_true", help="one pass, then end")
    parser.add_argument("--parent", action="store_true", help="end when standard input is closed")
    parser.add_argument(
        "--keep-segments", type=_count, default=0, metavar="N", help="booked segments kept per writer"
    )
    options = parser.parse_args(arguments)
    try:
        if options.once:
            ingest_once(options.directory, options.store)
            return 0
        if options.parent:
            os.nice(BEHIND_THE_GATEWAY)
        service = _Service(options.directory, options.store, options.keep_segments, options.parent)
        signal.signal(signal.SIGTERM, service.end)
        signal.signal(signal.SIGINT, signal.SIG_IGN if options.parent else service.end)
        with sole_ingest(options.store) as free:
            if not free:
                raise EnvironmentProblem(f"another ingest is booking into {options.store}")
            return service.run()
    except BaseloadError as error:
        _say(str(error))
        return error.exit_code
    except sqlite3.DatabaseError as error:
        _say(f"{options.store} cannot be used: {error}")
        return EnvironmentProblem.exit_code


if __name__ == "__main__":
    sys.exit(main())
