"""The ledger agrees with what the upstreams themselves counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_mixed_requests_reconcile_with_the_twins_own_count() -> None:
    """Of 1,500 mixed requests no attempt is missing or there twice, completed ones are exact to the token and
    the nano-dollar, and the median error of estimates is at most 2% (bench/reconcile.py plays 20,000)."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "reconcile.py"), "--requests", "1500", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    figures = json.loads(ran.stdout)
    assert figures["failed"] == [], figures
    assert figures["requests"] == 1500
    assert figures["failed_over"] > 20
    assert figures["running_usage"] > 20
    assert {"completed", "client_gone", "cut", "failed"} <= figures["outcomes"].keys()
    assert ran.returncode == 0
