"""Starts the ingest process, without importing a database into the process that starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

JOURNAL = "journal"
STORE = "ledger.sqlite"


def journal_directory(data: Path) -> Path:
    """Where the journal lies in a data directory."""
    return data / JOURNAL


def store_path(data: Path) -> Path:
    """Where the store lies in a data directory."""
    return data / STORE


def start_ingest(data: Path) -> subprocess.Popen[bytes]:
    """Starts the process that books `data`'s journal; it lives no longer than the caller.

    Close the journal, then the process's `stdin`, then wait for it: it books what is left and ends. It is
    safe to start another when it died.
    """
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "baseload.ledger.ingest",
            str(journal_directory(data)),
            str(store_path(data)),
            "--parent",
        ],
        stdin=subprocess.PIPE,
    )
