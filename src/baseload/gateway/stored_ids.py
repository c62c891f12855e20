"""Whose each thing is that a provider keeps: ids in memory, and in two files that outlive the process.

A line is written before its client learns the id, so that what was made is its maker's after a kill as well.
The second file holds what the first held when it was full; together they are read at the start.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from baseload.errors import EnvironmentProblem

MAX_STORED = 131_072
"""Ids of answers and of the items in them that are known; beyond it those who have most lose their oldest."""

LET_GO = 1024
"""Ids that one tenant loses at a time: looking for who has most is not done for each."""

_log = logging.getLogger("baseload.gateway")


class Held(NamedTuple):
    """Whose an answer or an item of it is, and the name of the target that made it."""

    tenant: str
    target: str


class Stored:
    """The last MAX_STORED ids, in a directory from `keep_in` on, else for as long as the process lives."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._of: dict[str, dict[str, None]] = {}  # tenant: its ids, in the order they came
        self._file = -1
        self._path = Path()
        self._lines = 0

    def add(self, stored_id: str, held: Held) -> None:
        """An answer, or an item of one, was made; what was said of the id before holds no more."""
        before = self._held.get(stored_id)
        if before != held:
            self._write(stored_id, held)
        self._remember(stored_id, held)

    def find(self, stored_id: str) -> Held | None:
        """Whose it is; None where that is not known: made elsewhere, or long ago."""
        return self._held.get(stored_id)

    def keep_in(self, directory: Path) -> None:
        """Read what the last process knew, and write what this one learns. Raises EnvironmentProblem."""
        self._path = directory / "stored-ids.jsonl"
        try:
            self._begin()
        except OSError as error:
            raise EnvironmentProblem(
                f"whose the answers are that providers keep cannot be read or written: {error}",
                hint="`data` is a directory that this user may write, with the files in it",
            ) from None

    def _begin(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        for path in (self._before, self._path):
            if path.exists():
                self._lines = self._read(path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if self._path.stat().st_size and not self._path.read_bytes().endswith(b"\n"):
            os.write(self._file, b"\n")  # a line that its writer did not end stands alone

    def close(self) -> None:
        """Write no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def _before(self) -> Path:
        return self._path.with_suffix(".before.jsonl")

    def _read(self, path: Path) -> int:
        lines = path.read_bytes().splitlines()
        for line in lines:
            try:
                stored_id, tenant, target = _decode(line)
            except msgspec.DecodeError:
                continue  # cut off by a kill: its client never learned the id
            self._remember(stored_id, Held(tenant, target))
        return len(lines)

    def _remember(self, stored_id: str, held: Held) -> None:
        before = self._held.pop(stored_id, None)
        if before is not None:
            del self._of[before.tenant][stored_id]
        elif len(self._held) >= MAX_STORED:
            self._let_go()
        self._held[stored_id] = held
        self._of.setdefault(held.tenant, {})[stored_id] = None

    def _let_go(self) -> None:
        """The tenant that has most loses its oldest: nobody crowds out the others."""
        theirs = max(self._of.values(), key=len)
        for stored_id in list(theirs)[:LET_GO]:
            del theirs[stored_id], self._held[stored_id]

    def _write(self, stored_id: str, held: Held) -> None:
        if self._file < 0:
            return
        try:
            if self._lines >= MAX_STORED:
                self.close()
                self._path.replace(self._before)
                self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                self._lines = 0
            os.write(self._file, msgspec.json.encode((stored_id, *held)) + b"\n")
            self._lines += 1
        except OSError as error:
            _log.error("whose %s is was not written, a restart forgets it: %s", stored_id, error)


_decode = msgspec.json.Decoder(tuple[str, str, str]).decode
