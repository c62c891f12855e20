"""The sample bills in examples/bills, and bills made for a test."""

from __future__ import annotations

from pathlib import Path

from baseload.traffic.bills.bill import Bill, Line, Lines
from baseload.traffic.bills.read import BillFormat
from baseload.traffic.rows import BadRows

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "bills"
SAMPLES = {BillFormat(path.stem): path for path in sorted(FOLDER.iterdir()) if path.suffix != ".md"}

DAY_NS = 86_400 * 1_000_000_000
START_NS = 1_791_158_400 * 1_000_000_000  # 2026-10-05


def made(*lines: Line) -> Bill:
    """A bill of these lines."""
    grown = Lines()
    for line in lines:
        grown.add(line)
    return grown.bill("made", "made for a test", BadRows("made"), [])


def day(number: int = 0, *, days: int = 1) -> tuple[int, int]:
    """Start and end of a bucket of whole days."""
    return START_NS + number * DAY_NS, START_NS + (number + days) * DAY_NS
