"""Runs inside AIConfigurator's own environment: questions as JSON on stdin, its answers as JSON on stdout.

See capacity_beside.py. A question it has no data for is asked again in its hybrid mode, which fills gaps with
formulas; one it still refuses is answered with its error.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import sys
from typing import Any

MODES = ("SILICON", "HYBRID")


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """One answer: `ttft_ms` and `tpot_ms`, or `error`."""
    cli_estimate = importlib.import_module("aiconfigurator.cli.api").cli_estimate
    said = ""
    for mode in MODES:
        try:
            found = cli_estimate(**question, database_mode=mode)
        except Exception as problem:  # noqa: BLE001  (whatever it raises is its answer)
            said = f"{type(problem).__name__}: {problem}"
        else:
            return {"ttft_ms": found.ttft, "tpot_ms": found.tpot, "mode": mode}
    return {"error": said}


def main() -> None:
    """Answer every question of stdin."""
    logging.disable(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()):
        answers = [ask(question) for question in json.load(sys.stdin)]
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
