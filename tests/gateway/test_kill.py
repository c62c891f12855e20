"""kill -9 loses nothing that was served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_kill_9_under_load_loses_no_attempt_and_books_none_twice() -> None:
    """After four kills at random moments every attempt the twins served is in the ledger once, settled or
    unknown; unknown are at most those that were under way; whole answers are booked to the token
    (bench/kill.py kills fifty times)."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "kill.py"), "--kills", "4", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    figures = json.loads(ran.stdout)
    assert figures["failed"] == [], figures
    assert figures["kills"] == 4
    assert ran.returncode == 0
