"""Where a data folder keeps its ledger, and the command that books it; imports no database."""

from __future__ import annotations

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


def ingest_command(data: Path) -> list[str]:
    """The process that books `data`'s journal, for whoever starts it with a pipe as its standard input.

    It lives no longer than its parent. Close the journal, then its `stdin`, then wait for it: it books what
    is left and ends. It is safe to start another when it died.
    """
    module = "baseload.ledger.ingest"
    return [sys.executable, "-m", module, str(journal_directory(data)), str(store_path(data)), "--parent"]
