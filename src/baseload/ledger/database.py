"""Opening the SQLite store: pragmas, migrations, and errors that say what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from baseload.errors import EnvironmentProblem
from baseload.ledger.schema import MIGRATIONS

BUSY_TIMEOUT_S = 5.0


def connect(path: Path) -> sqlite3.Connection:
    """The store at `path` for writing, made or migrated if need be; transactions are the caller's.

    WAL, so that readers never wait for the writer; `synchronous=NORMAL`, since what a power cut may take
    from the end of the WAL is still in the journal. Raises EnvironmentProblem, or sqlite3.OperationalError
    for what may pass (a lock, a full disk).
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    _migrate(connection, path)
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """The store at `path` for reading only; raises EnvironmentProblem if there is none that can be read."""
    if not path.is_file():
        raise EnvironmentProblem(
            f"no ledger at {path}", hint="the gateway makes one; name its data directory with --data DIR"
        )
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise EnvironmentProblem(f"cannot read the ledger at {path}: {error}") from error
    _refuse_other_versions(version, path, oldest=len(MIGRATIONS))
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    _refuse_other_versions(version, path, oldest=0)
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def _refuse_other_versions(version: int, path: Path, *, oldest: int) -> None:
    if version > len(MIGRATIONS):
        raise EnvironmentProblem(
            f"the ledger at {path} was written by a newer baseload (schema {version})",
            hint="upgrade baseload here too",
        )
    if version < oldest:
        raise EnvironmentProblem(
            f"the ledger at {path} has schema {version}, this baseload reads {oldest}",
            hint="start the gateway once, or run `baseload ledger totals` where the data can be written",
        )
